"""A Celery application over a directory in place of a broker."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_process_shutdown

from tests.servers.apps import telemetry

telemetry.start()
directory = os.environ["BROKER"]
app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={"data_folder_in": directory, "data_folder_out": directory, "control_folder": directory},
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)


@app.task(name="work")
def work(number: int) -> None:
    telemetry.work(number)
    telemetry.tell("done")


@worker_process_shutdown.connect
def tell_of_the_end(**_told: object) -> None:
    telemetry.tell("ended")
