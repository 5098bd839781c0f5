"""Django under gunicorn."""
