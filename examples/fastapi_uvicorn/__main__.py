"""`python -m examples.fastapi_uvicorn`"""

from __future__ import annotations

from examples.stage import play, requests

play(
    "FastAPI under uvicorn",
    ("uvicorn", "--port=0", "examples.fastapi_uvicorn.app:app"),
    requests((20, "/pay/card", 200), (1, "/pay/voucher", 500)),
)
