"""Children of Celery's prefork pool: they end by `os._exit`, at the latest after `--max-tasks-per-child` tasks."""

from __future__ import annotations

from celery.signals import worker_process_shutdown

from otel_errsample import living


def attach() -> None:
    worker_process_shutdown.connect(_flush, weak=False, dispatch_uid=__name__)


def _flush(**_told: object) -> None:
    living.flush()
