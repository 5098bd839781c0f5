"""What the errors were is counted in each way to tell them apart, in bounded memory, and the sums agree."""

from __future__ import annotations

import os
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor
from otel_errsample.ledger import Stats
from tests.failing import event, make_span
from tests.making import Make


def failed(name: str | None = None, **fields: object) -> ReadableSpan:
    """A span with an error, of that class if any."""
    events = [event(name)] if name else []
    return make_span(**{"status": "ERROR", "events": events, **fields})  # type: ignore[arg-type]  # of many types


@pytest.fixture
def processor(make: Make, memory: InMemorySpanExporter) -> ErrorSpanProcessor:
    return make("drop", memory)[1]


def counted(processor: ErrorSpanProcessor, *spans: ReadableSpan) -> Stats:
    for span in spans:
        processor.on_end(span)
    return processor.stats()


def test_errors_are_told_apart_by_four_axes(processor: ErrorSpanProcessor) -> None:
    asked = failed(kind="CLIENT", attributes={"http.response.status_code": 503})
    answered = failed(kind="SERVER", attributes={"http.response.status_code": 503})
    stats = counted(processor, failed("KeyError"), asked, asked, answered, make_span())
    assert {
        ("bug", "self", "error", "fix_code", 1),
        ("unavailable", "dependency", "warn", "backoff", 2),
        ("unavailable", "self", "error", "backoff", 1),
    } == set(stats.error_kinds)
    assert (5, 4) == (stats.ended, stats.errors)


def test_what_an_error_is_known_from_is_counted(processor: ErrorSpanProcessor) -> None:
    by_code = make_span(kind="SERVER", attributes={"http.response.status_code": 500})
    stats = counted(processor, failed("KeyError"), failed(), failed(), by_code)
    assert {"live": 0, "event": 1, "event_partial": 0, "status": 2, "code": 1} == stats.error_sources


def test_a_class_a_code_or_neither(processor: ErrorSpanProcessor) -> None:
    unavailable = {"rpc.system": "grpc", "rpc.grpc.status_code": 14}
    spans = failed("shop.Refused"), failed("KeyError", attributes=unavailable), failed(attributes=unavailable), failed()
    stats = counted(processor, *spans, spans[0])
    assert {"shop.Refused": 2, "KeyError": 1, "UNAVAILABLE": 1, "_OTHER": 1} == stats.error_types
    assert {"": 3, "grpc:UNAVAILABLE": 2} == stats.error_codes


def test_a_class_is_told_as_on_the_span(make: Make, memory: InMemorySpanExporter) -> None:
    _, processor = make("keep", memory)
    spans = failed("shop.Refused"), failed("shop." + "x" * 300), failed(attributes={"http.response.status_code": 503})
    stats = counted(processor, *spans)
    told = ["shop.Refused", "shop." + "x" * 195, "503"]
    assert dict.fromkeys(told, 1) == stats.error_types
    assert processor.force_flush()
    assert told == [(span.attributes or {})["error.type"] for span in memory.get_finished_spans()]


def test_the_first_hundred_classes_and_codes_keep_their_names(processor: ErrorSpanProcessor) -> None:
    def codes(numbers: range) -> list[ReadableSpan]:
        return [
            failed(
                f"shop.E{number}",
                attributes={"db.system.name": "postgresql", "db.response.status_code": f"{number:05}"},
            )
            for number in numbers
        ]

    stats = counted(processor, *codes(range(10_000, 10_150)), *codes(range(10_090, 10_110)))
    names = {f"shop.E{number}": 1 + (number >= 10_090) for number in range(10_000, 10_100)}
    assert {**names, "_OTHER": 60} == stats.error_types
    assert {f"sqlstate:{name[-5:]}": number for name, number in names.items()} | {"_OTHER": 60} == stats.error_codes


def test_names_that_are_told_alike_are_counted_together(processor: ErrorSpanProcessor) -> None:
    stats = counted(
        processor, *(failed("shop." + "x" * 200 + str(number)) for number in range(120)), failed("KeyError")
    )
    assert {"shop." + "x" * 195: 120, "KeyError": 1} == stats.error_types
    stats = counted(processor, *(failed(f"shop.{chr(0xD800 + number)}") for number in range(99)))
    assert 98 == stats.error_types["shop.?"]  # with what came before a hundred ways to write a name were met
    assert 1 == stats.error_types["_OTHER"]


def test_a_class_may_be_called_like_the_rest(processor: ErrorSpanProcessor) -> None:
    assert {"_OTHER": 2} == counted(processor, failed("_OTHER"), failed()).error_types


def test_a_downgraded_error_is_none(processor: ErrorSpanProcessor) -> None:
    stats = counted(processor, failed("asyncio.exceptions.CancelledError"))
    assert (1, 0, (), {}, {}) == (stats.ended, stats.errors, stats.error_kinds, stats.error_types, stats.error_codes)
    assert {0} == set(stats.error_sources.values())


def test_errors_left_to_another_processor_are_counted(make: Make, memory: InMemorySpanExporter) -> None:
    _, processor = make("keep", memory, head_sampled=False)
    stats = counted(processor, failed("KeyError"))
    assert (1, {"KeyError": 1}) == (stats.endings["left_to_head"], stats.error_types)


def test_snapshots_add_up_while_errors_end(processor: ErrorSpanProcessor) -> None:
    """Whenever somebody looks, the counts are of one moment."""
    spans = [failed(f"shop.E{number}", attributes={"http.response.status_code": 500 + number}) for number in range(7)]
    enough = threading.Event()

    def end() -> None:
        while not enough.is_set():
            counted(processor, *spans)

    threads = [threading.Thread(target=end) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        seen = 0
        while seen < 20_000:
            stats = processor.stats()
            assert stats.ended >= stats.errors >= seen
            seen = stats.errors
            sums = [sum(kind.number for kind in stats.error_kinds)]
            sums += [sum(each.values()) for each in (stats.error_sources, stats.error_types, stats.error_codes)]
            assert [seen] * 4 == sums
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_counts_from_zero(processor: ErrorSpanProcessor) -> None:
    counted(processor, *(failed(f"shop.E{number}") for number in range(100)))
    child = os.fork()
    if not child:
        processor.on_end(failed("KeyError"))
        stats = processor.stats()
        os._exit(0 if (1, {"KeyError": 1}) == (stats.errors, stats.error_types) else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 100 == processor.stats().errors
