"""FastAPI under uvicorn."""
