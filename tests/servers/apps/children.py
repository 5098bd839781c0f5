"""Children of the standard library that work. Arguments: how they are made, how they start, how much there is to do."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext

from tests.servers.apps import telemetry

telemetry.start()  # in a spawned child too, which imports this file


def process(context: BaseContext, total: int) -> None:
    children = [context.Process(target=telemetry.work, args=(number,)) for number in range(total)]  # type: ignore[attr-defined]  # only its subclasses have Process
    for child in children:
        child.start()
    for child in children:
        child.join()


def pool(context: BaseContext, total: int) -> None:
    workers = context.Pool(2)
    workers.map(telemetry.work, range(total), chunksize=1)
    workers.close()
    workers.join()


def terminated_pool(context: BaseContext, total: int) -> None:
    with context.Pool(2) as workers:  # its end terminates the workers by SIGTERM
        workers.map(telemetry.work, range(total), chunksize=1)


def executor(context: BaseContext, total: int) -> None:
    with ProcessPoolExecutor(2, mp_context=context) as workers:
        list(workers.map(telemetry.work, range(total)))


def bare_fork(context: BaseContext, total: int) -> None:
    for number in range(total):
        pid = os.fork()
        if pid == 0:
            telemetry.work(number)
            sys.exit()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    way, method, total = sys.argv[1:]
    ways = {made.__name__: made for made in (process, pool, terminated_pool, executor, bare_fork)}
    ways[way](multiprocessing.get_context(method), int(total))
