"""Flask under gunicorn."""
