"""The exception leaves the span."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace
from opentelemetry.trace import Tracer

from tests.situations.common import CANCELLED, LIVE, boom, ending, record


@ending(s=LIVE)
def context_manager(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        boom()


@ending(inner=LIVE, outer=LIVE)
def nested(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        boom()


@ending(s=LIVE)
def use_span(tracer: Tracer) -> None:
    with trace.use_span(tracer.start_span("s"), end_on_exit=True):
        boom()


@ending(s=LIVE)
def span_as_manager(tracer: Tracer) -> None:
    with tracer.start_span("s"):
        boom()


@ending(s=LIVE)
def exit_stack(tracer: Tracer) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(tracer.start_as_current_span("s"))
        boom()


@ending(s=LIVE)
def async_context_manager(tracer: Tracer) -> None:
    @contextlib.asynccontextmanager
    async def spanned() -> AsyncIterator[None]:
        with tracer.start_as_current_span("s"):
            yield

    async def main() -> None:
        async with spanned():
            boom()

    asyncio.run(main())


@ending(s=LIVE)
def own_context_manager(tracer: Tracer) -> None:
    @contextlib.contextmanager
    def spanned() -> Iterator[None]:
        with tracer.start_as_current_span("s"):
            yield

    with spanned():
        boom()


@ending(s=LIVE)
def worker_thread(tracer: Tracer) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(context_manager, tracer).result()


@ending(s=LIVE)
def decorator(tracer: Tracer) -> None:
    tracer.start_as_current_span("s")(boom)()


@ending(s=LIVE)
def decorated_coroutine(tracer: Tracer) -> None:
    @tracer.start_as_current_span("s")
    async def work() -> None:
        await asyncio.sleep(0)
        boom()

    asyncio.run(work())


async def spanning(tracer: Tracer, name: str = "s") -> None:
    with tracer.start_as_current_span(name):
        await asyncio.sleep(0)
        boom()


async def waiting(tracer: Tracer, name: str) -> None:
    with tracer.start_as_current_span(name):
        await asyncio.Event().wait()


@ending(s=LIVE)
def coroutine(tracer: Tracer) -> None:
    asyncio.run(spanning(tracer))


@ending(s=LIVE)
def task(tracer: Tracer) -> None:
    async def main() -> None:
        await asyncio.create_task(spanning(tracer))

    asyncio.run(main())


@ending(s=LIVE, outer=LIVE)
def gathered(tracer: Tracer) -> None:
    async def main() -> None:
        with tracer.start_as_current_span("outer"):
            await asyncio.gather(spanning(tracer))

    asyncio.run(main())


@ending(child=LIVE, sibling=CANCELLED, outer=(True, "ExceptionGroup", "live"))
def task_group(tracer: Tracer) -> None:
    async def main() -> None:
        with tracer.start_as_current_span("outer"):
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]  # since 3.11
                group.create_task(waiting(tracer, "sibling"))
                group.create_task(spanning(tracer, "child"))

    asyncio.run(main())


@ending(inner=CANCELLED, outer=(True, "TimeoutError", "live"))
def timeout(tracer: Tracer) -> None:
    async def main() -> None:
        with tracer.start_as_current_span("outer"):
            async with asyncio.timeout(0.001):  # type: ignore[attr-defined,unused-ignore]  # since 3.11
                await waiting(tracer, "inner")

    asyncio.run(main())


@ending(inner=CANCELLED)
def wait_for(tracer: Tracer) -> None:
    asyncio.run(asyncio.wait_for(waiting(tracer, "inner"), 0.001))


@ending(s=CANCELLED)
def cancelled_task(tracer: Tracer) -> None:
    async def main() -> None:
        running = asyncio.create_task(waiting(tracer, "s"))
        await asyncio.sleep(0)
        running.cancel()
        await running

    asyncio.run(main())


@ending(s=LIVE)
def end_in_except(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s", end_on_exit=False) as span:
        try:
            boom()
        except ValueError as error:
            record(span, error)
            span.end()
            raise


@ending(s=LIVE)
def end_in_finally(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s", end_on_exit=False) as span:
        try:
            boom()
        except ValueError as error:
            record(span, error)
            raise
        finally:
            span.end()


@ending(s=(True, "LookupError", "live"))
def translated(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        try:
            boom()
        except ValueError as error:
            raise LookupError("translated") from error


@ending(s=LIVE)
def cleaned_up_on_the_way(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        try:
            boom()
        finally:
            with contextlib.suppress(KeyError):
                raise KeyError("while cleaning up")


@ending(s=LIVE)
def raised_again_through_a_span_of_its_own(tracer: Tracer) -> None:
    try:
        boom()
    except ValueError:
        with tracer.start_as_current_span("s"):
            raise
