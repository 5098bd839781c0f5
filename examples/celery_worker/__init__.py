"""Celery with a prefork pool."""
