"""`python -m examples.celery_worker`"""

from __future__ import annotations

import tempfile

from celery import Celery

from examples.stage import play
from tests.servers.harness import Program

ADDRESSES = (*["1 Harbour Street"] * 20, "nowhere")


def send(directory: str) -> None:
    sender = Celery("orders", broker="filesystem://")
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    sender.conf.broker_transport_options = dict.fromkeys(folders, directory)
    for address in ADDRESSES:
        sender.send_task("ship", (address,))


def wait(worker: Program) -> str:
    worker.wait_for(r"Task ship\[.*\] (succeeded|raised)", len(ADDRESSES))
    return f"{len(ADDRESSES) - 1} orders shipped, 1 not"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as broker:
        send(broker)
        options = ("--concurrency=2", "--loglevel=INFO", "--without-gossip", "--without-mingle", "--without-heartbeat")
        command = ("celery", "--app=examples.celery_worker.app", "worker", *options)
        play("Celery, two processes of a prefork pool", command, wait, {"BROKER": broker})
