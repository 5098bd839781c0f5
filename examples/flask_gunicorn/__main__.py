"""`python -m examples.flask_gunicorn`"""

from __future__ import annotations

from examples.stage import play, requests

play(
    "Flask under gunicorn, two workers",
    ("gunicorn", "--bind=127.0.0.1:0", "--workers=2", "examples.flask_gunicorn.app:app"),
    requests((20, "/price/tea", 200), (1, "/price/sugar", 500)),
)
