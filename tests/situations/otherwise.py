"""The SDK records nothing, the exception stays inside, nothing is live where the span ends, or something else is."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from opentelemetry.trace import Tracer
from opentelemetry.trace.status import StatusCode

from tests.situations.common import CANCELLED, EVENT, LIVE, STATUS, boom, ending, record

# -- the SDK records nothing


@ending(s=None)
def told_to_record_nothing(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s", record_exception=False, set_status_on_exception=False):
        boom()


@ending(s=(True, "KeyboardInterrupt", "live"))
def interrupted(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        raise KeyboardInterrupt


@ending(s=(True, "SystemExit", "live"))
def exited_with_an_error(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        sys.exit(1)


@ending(s=(False, "SystemExit", "live"))
def exited_well(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        sys.exit()


@ending(s=(False, "GeneratorExit", "live"))
def closed_generator(tracer: Tracer) -> None:
    def numbers() -> Iterator[int]:
        with tracer.start_as_current_span("s"):
            yield 1
            yield 2

    opened = numbers()
    next(opened)
    opened.close()  # type: ignore[attr-defined]  # a generator


@ending(s=(False, "GeneratorExit", "live"))
def closed_async_generator(tracer: Tracer) -> None:
    async def numbers() -> AsyncIterator[int]:
        with tracer.start_as_current_span("s"):
            yield 1
            yield 2

    async def main() -> None:
        opened = numbers()
        await opened.__anext__()
        await opened.aclose()  # type: ignore[attr-defined]  # an async generator

    asyncio.run(main())


@ending(s=None)
def decorated_generator(tracer: Tracer) -> None:
    @tracer.start_as_current_span("s")
    def numbers() -> Iterator[int]:
        yield 1
        boom()

    list(numbers())


@ending(s=CANCELLED)
def span_as_manager_cancelled(tracer: Tracer) -> None:
    with tracer.start_span("s"):
        raise asyncio.CancelledError


# -- the exception stayed inside


@ending(s=None)
def handled_and_recorded(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s") as span:
        try:
            boom()
        except ValueError as error:
            span.record_exception(error)


@ending(s=None)
def suppressed(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"), contextlib.suppress(ValueError):
        boom()


@ending(s=EVENT)
def handled_and_declared_an_error(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s") as span:
        try:
            boom()
        except ValueError as error:
            record(span, error)


@ending(s=EVENT)
def declared_to_have_escaped(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s") as span:
        span.record_exception(ValueError("boom"), escaped=True)


@ending(s=None)
def ended_in_the_handler_of_what_was_handled(tracer: Tracer) -> None:
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError:
        span.end()


# -- the span ends where nothing is live


@ending(s=EVENT)
def end_after_except(tracer: Tracer) -> None:
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError as error:
        record(span, error)
    span.end()


@ending(s=EVENT)
def ended_by_another_thread(tracer: Tracer) -> None:
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError as error:
        record(span, error)
        thread = threading.Thread(target=span.end)
        thread.start()
        thread.join()


@ending(s=EVENT)
def done_callback(tracer: Tracer) -> None:
    span = tracer.start_span("s")

    def done(future: Future[None]) -> None:
        error = future.exception()
        assert error is not None
        record(span, error)
        span.end()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(boom).add_done_callback(done)


@ending(s=EVENT)
def async_done_callback(tracer: Tracer) -> None:
    span = tracer.start_span("s")

    def done(finished: asyncio.Task[None]) -> None:
        error = finished.exception()
        assert error is not None
        record(span, error)
        span.end()

    async def work() -> None:
        boom()

    async def main() -> None:
        running = asyncio.create_task(work())
        running.add_done_callback(done)
        await asyncio.wait([running])

    asyncio.run(main())


@ending(s=STATUS)
def exit_called_by_hand(tracer: Tracer) -> None:
    """As Celery's signals do: the failure is told by another way than the exception."""
    manager = tracer.start_as_current_span("s")
    span = manager.__enter__()
    with contextlib.suppress(ValueError):
        boom()
    span.set_status(StatusCode.ERROR)
    manager.__exit__(None, None, None)


# -- what is live belongs to somebody else


@ending(s=None)
def opened_while_handling(tracer: Tracer) -> None:
    try:
        boom()
    except ValueError:
        with tracer.start_as_current_span("s"):
            pass


@ending(s=STATUS)
def opened_while_handling_and_failing_by_itself(tracer: Tracer) -> None:
    try:
        boom()
    except ValueError:
        with tracer.start_as_current_span("s") as span:
            span.set_status(StatusCode.ERROR)


@ending(s=None)
def reported_on_a_span_of_its_own(tracer: Tracer) -> None:
    try:
        boom()
    except ValueError as error:
        with tracer.start_as_current_span("s") as span:
            span.record_exception(error)


@ending(s=EVENT)
def another_of_the_same_class(tracer: Tracer) -> None:
    try:
        boom("outer")
    except ValueError:
        with tracer.start_as_current_span("s") as span:
            try:
                boom("inner")
            except ValueError as error:
                record(span, error)


@ending(inner=None, outer=LIVE)
def opened_by_the_handler_of_a_span_that_fails(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer"):
        try:
            boom()
        except ValueError:
            with tracer.start_as_current_span("inner"):
                pass
            raise


@ending(s=(True, "LookupError", "live"))
def failing_while_another_is_handled(tracer: Tracer) -> None:
    try:
        boom()
    except ValueError:
        with tracer.start_as_current_span("s"):
            raise LookupError("inside") from None
