"""What is told of a span depends on where it ends: every way to end one around an exception, with spans of the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.trace import Tracer
from opentelemetry.trace.status import Status, StatusCode

from tests.failing import Watcher

Told = tuple[bool, str | None, str] | None
Situation = Callable[[Tracer], None]

LIVE: Told = (True, "ValueError", "live")
EVENT: Told = (True, "ValueError", "event")
STATUS: Told = (True, None, "status")
CANCELLED: Told = (False, "asyncio.exceptions.CancelledError", "live")

SITUATIONS: dict[str, tuple[Situation, dict[str, Told]]] = {}


def ending(**told: Told) -> Callable[[Situation], Situation]:
    """Note what is to be told of each span of a situation, by the span's name."""

    def note(situation: Situation) -> Situation:
        SITUATIONS[situation.__name__] = (situation, told)
        return situation

    return note


def boom(message: str = "boom") -> None:
    raise ValueError(message)


def record(span: trace.Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, f"ValueError: {error}"))


# -- the exception leaves the span


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
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]
                group.create_task(waiting(tracer, "sibling"))
                group.create_task(spanning(tracer, "child"))

    asyncio.run(main())


@ending(inner=CANCELLED, outer=(True, "TimeoutError", "live"))
def timeout(tracer: Tracer) -> None:
    async def main() -> None:
        with tracer.start_as_current_span("outer"):
            async with asyncio.timeout(0.001):  # type: ignore[attr-defined,unused-ignore]
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
    opened.close()  # type: ignore[attr-defined]


@ending(s=(False, "GeneratorExit", "live"))
def closed_async_generator(tracer: Tracer) -> None:
    async def numbers() -> AsyncIterator[int]:
        with tracer.start_as_current_span("s"):
            yield 1
            yield 2

    async def main() -> None:
        opened = numbers()
        await opened.__anext__()
        await opened.aclose()  # type: ignore[attr-defined]

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


NEWER = {"task_group", "timeout"}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_span_is_told_by_where_it_ends(name: str) -> None:
    if name in NEWER and sys.version_info < (3, 11):
        pytest.skip("came with 3.11")
    situation, expected = SITUATIONS[name]
    watcher = Watcher()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(watcher)
    with contextlib.suppress(BaseException):  # what the application sees is not the subject here
        situation(provider.get_tracer("tests"))
    told = {
        span: None if facts is None else (facts.error, facts.exception, facts.source) for span, facts in watcher.told
    }
    assert expected == told


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_application_sees_its_own_exception(name: str) -> None:
    """With a watcher that classifies, and without one, the same comes out."""
    if name in NEWER and sys.version_info < (3, 11):
        pytest.skip("came with 3.11")

    def outcome(*watchers: Watcher) -> tuple[type | None, str]:
        provider = TracerProvider(shutdown_on_exit=False)
        for watcher in watchers:
            provider.add_span_processor(watcher)
        try:
            SITUATIONS[name][0](provider.get_tracer("tests"))
        except BaseException as error:  # whatever it is
            return type(error), str(error)
        return None, ""

    assert outcome() == outcome(Watcher())


def test_there_are_forty_of_them() -> None:
    assert 40 <= len({(name, span) for name, (_, told) in SITUATIONS.items() for span in told})


@pytest.mark.parametrize(
    ("situation", "told"), [(context_manager, EVENT), (interrupted, None)], ids=["recorded", "not recorded"]
)
def test_a_processor_that_hands_on_to_other_threads_leaves_the_event_alone(situation: Situation, told: Told) -> None:
    watcher = Watcher()
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2), shutdown_on_exit=False)
    provider.add_span_processor(watcher)
    with contextlib.suppress(BaseException):
        situation(provider.get_tracer("tests"))
    facts: Any = watcher.facts
    assert told == (None if facts is None else (facts.error, facts.exception, facts.source))
    provider.shutdown()
