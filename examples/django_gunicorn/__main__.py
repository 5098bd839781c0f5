"""`python -m examples.django_gunicorn`"""

from __future__ import annotations

from examples.stage import play, requests

play(
    "Django under gunicorn, two workers made by --preload",
    ("gunicorn", "--bind=127.0.0.1:0", "--workers=2", "--preload", "examples.django_gunicorn.app:application"),
    requests((20, "/page/start", 200), (5, "/page/none", 404), (1, "/basket/7", 500)),
)
