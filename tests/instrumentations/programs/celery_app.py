"""Celery tasks fail in a worker, over the broker in memory."""

from typing import Any

from celery import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry.instrumentation.celery import CeleryInstrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
CeleryInstrumentor().instrument()
app = Celery("shop", broker="memory://", backend="cache+memory://")
app.conf.update(
    broker_transport_options={"polling_interval": 0.01},  # 1 s by default
    broker_connection_retry_on_startup=False,
    worker_hijack_root_logger=False,
)


class Expected(Exception):
    """Part of a task's contract."""


@app.task(name="raise")
def broken() -> None:
    with recorder.application():
        raise ValueError("boom")


@app.task(name="retry", bind=True, max_retries=1)
def retried(self: Any) -> None:
    if self.request.retries:
        return
    raise self.retry(countdown=0)


@app.task(name="throws", throws=(Expected,))
def expected() -> None:
    raise Expected


@app.task(name="fine")
def fine() -> None:
    pass


def run(task: Any) -> None:
    task.apply_async().get(timeout=20, propagate=False, interval=0.01)


def publish_while_handling() -> None:
    try:
        raise KeyError("handled")
    except KeyError:
        result = fine.apply_async()
    result.get(timeout=20, interval=0.01)


with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
    recorder.play(
        {
            "raise": lambda: run(broken),
            "retry": lambda: run(retried),
            "throws": lambda: run(expected),
            "publish while handling": publish_while_handling,
        }
    )
