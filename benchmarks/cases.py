"""The registry: every case is a sentence, its key begins with the stage it is about, its arms do the same work.

`noop` is what the case costs without what is measured (a span processor that does nothing, no telemetry at all), or
where the sentence says so the ground it is compared with.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from benchmarks import sides
from benchmarks.arms import (
    FAILED,
    FAILED_UNSAMPLED,
    LEAKING,
    TYPICAL,
    UNSAMPLED,
    MakeArm,
    MakeSide,
    Prepared,
    Side,
    drains,
    encodes_ours,
    encodes_stock,
    ends,
    ends_live,
    exports,
    fails,
    hoards,
    hoards_a_trace,
    live_together,
    lives,
    records,
    serves,
    starts,
)
from benchmarks.target import Target, at_most, most_memory, of_noop, of_stock
from otel_errsample import ErrorAwareSampler

Arms = Mapping[str, MakeArm]
STAGES: Final = ("track", "record", "classify", "decide", "enrich", "scrub", "encode", "trace", "buffer", "export")


@dataclass(frozen=True)
class Case:
    """One thing that costs something.

    `rounds` are timed together, `repeats` times over with the arms taking turns. `driver` names the module that
    measures it, `clock` what a target is checked against. `counted` cases are those whose instructions are counted, `quick` ones
    are measured without `--full`.
    """

    key: str
    sentence: str
    arms: Arms
    targets: tuple[Target, ...] = ()
    driver: str = "wall"
    clock: str = "cpu"
    unit: str = "us"
    rounds: int = 2000
    repeats: int = 15
    counted: bool = False
    quick: bool = True


# Formatting a stack is what fails spans spend their time on, and Python 3.13 takes 2.7 times as long as 3.11 for it.
_WHOLE_FAILING = 1 / 20 if sys.version_info >= (3, 13) else 1 / 10

_FIFTY_RULES: Final = "\n".join(
    [f'r{number}: drop if error and http.route == "/r{number}"' for number in range(50)] + ["rest: head"]
)
_SENT_AT_ONCE: Final = 16_384


def _head(rules: str | None) -> MakeSide:
    return lambda: sides.deciding(rules, "not_sampled")


def _keeping() -> Side:
    return sides.deciding(sides.KEEP_ERRORS)


def _recording() -> Side:
    return sides.deciding(sides.KEEP_ERRORS, "delivered", "not_sampled")


def _stock_queue(name: str) -> Arms:
    """What on_end is compared with: the stock processor queues the same span, and one that does nothing."""
    prepared = {"typical": TYPICAL, "error": FAILED}[name]
    return {"noop": ends(sides.Nothing, prepared), "stock": ends(sides.queueing, prepared)}


def _hoarding(failing: bool) -> Arms:
    makes: dict[str, MakeSide] = {"noop": sides.Nothing, "stock": sides.queueing, "ours": _keeping}
    return {arm: hoards(make, failing=failing) for arm, make in makes.items()}


def _over_otlp(protocol: str, prepared: Prepared) -> Arms:
    return {
        "stock": exports(partial(sides.otlp_stock, protocol), prepared),
        "ours": exports(partial(sides.otlp_ours, protocol), prepared),
    }


CASES: Final = (
    Case(
        "track_span_start",
        "A span starts, no exception being handled, and is forgotten",
        {"noop": starts(sides.Nothing), "stock": starts(sides.queueing), "ours": starts(_keeping)},
        counted=True,
    ),
    Case(
        "track_recorded_unsampled_span",
        "A span outside the head sampler's 1 % starts, gets 10 attributes and ends, recorded because it might fail"
        " (stock: dropped at its start; noop: ALWAYS_OFF)",
        {
            "noop": lives(sides.Nothing, ALWAYS_OFF),
            "stock": lives(sides.queueing, ParentBased(TraceIdRatioBased(0.01)), all_arrive=False),
            "ours": lives(_recording, ErrorAwareSampler(0.01)),
        },
    ),
    Case(
        "track_suppressed_failing_span",
        "A span starts, its request raises through 15 frames, record_exception, it ends and its rule's limit is spent"
        " (stock: queued)",
        {"stock": fails(sides.queueing), "ours": fails(lambda: sides.suppressing(FAILED()))},
        rounds=300,
    ),
    Case(
        "record_known_frames",
        "An exception whose 15 frames failed before is recorded on its span (noop: the span starts)",
        {
            "noop": records(_keeping, recording=False),
            "stock": records(sides.queueing),
            "ours": records(_keeping),
        },
        counted=True,
    ),
    Case(
        "classify_span_not_kept",
        "A healthy span outside the head sample ends under the default rules (stock: queues a sampled one)",
        {**_stock_queue("typical"), "ours": ends(_head(None), UNSAMPLED)},
        (at_most(0.4), of_stock(1 / 2)),
        counted=True,
    ),
    Case(
        "classify_error_dropped",
        "An error span ends, is classified from its event and dropped by a rule (stock: queues it)",
        {**_stock_queue("error"), "ours": ends(lambda: sides.deciding("drop if error", "dropped_by_rule"), FAILED)},
        counted=True,
    ),
    Case(
        "decide_suppressed_error",
        "An error span ends when the limit of its rule is spent (stock: queues it)",
        {**_stock_queue("error"), "ours": ends(lambda: sides.suppressing(FAILED()), FAILED)},
        counted=True,
    ),
    Case(
        "decide_fifty_rules_healthy_span",
        "Fifty rules for errors meet a healthy span (noop: one rule without condition)",
        {"noop": ends(_head("rest: head"), UNSAMPLED), "ours": ends(_head(_FIFTY_RULES), UNSAMPLED)},
        (at_most(0.1),),
        counted=True,
    ),
    Case(
        "decide_fifty_rules_error_span",
        "Fifty rules are asked about an error span and none matches (noop: one rule without condition)",
        {"noop": ends(_head("rest: head"), FAILED_UNSAMPLED), "ours": ends(_head(_FIFTY_RULES), FAILED_UNSAMPLED)},
        (at_most(3.0),),
        counted=True,
    ),
    Case(
        "decide_beside_marks",
        "A healthy span outside the head sample ends while the parents of 4,096 errors are marked to be kept"
        " (noop: none is)",
        {"noop": ends(_head(None), UNSAMPLED), "ours": ends(lambda: sides.marking(UNSAMPLED()), UNSAMPLED)},
        (at_most(0.15),),
        counted=True,
    ),
    Case(
        "enrich_kept_error_from_event",
        "An error span ends and is kept: fingerprint and enrichment from its exception event, encoded and buffered"
        " (stock: queues it)",
        {**_stock_queue("error"), "ours": ends(_keeping, FAILED)},
        (at_most(6.0),),
        counted=True,
    ),
    Case(
        "enrich_kept_error_live",
        "An error span ends and is kept while its exception is live: fingerprint and enrichment from its 15 frames"
        " (stock: queues it)",
        {"noop": ends_live(sides.Nothing), "stock": ends_live(sides.queueing), "ours": ends_live(_keeping)},
        (at_most(6.0),),
        counted=True,
    ),
    Case(
        "scrub_error_without_secrets",
        "An error span in whose texts nothing looks like a secret is kept (noop: nothing is looked for)",
        {
            "noop": ends(lambda: sides.scrubbing("off"), FAILED),
            "ours": ends(lambda: sides.scrubbing("default"), FAILED),
        },
        counted=True,
    ),
    Case(
        "scrub_error_with_secrets",
        "An error span is kept whose message, stack and description quote a password (noop: nothing is looked for)",
        {
            "noop": ends(lambda: sides.scrubbing("off"), LEAKING),
            "ours": ends(lambda: sides.scrubbing("default"), LEAKING),
        },
        counted=True,
    ),
    Case(
        "encode_kept_typical_span",
        "A healthy sampled span ends, is encoded and buffered (stock: queues the objects)",
        {**_stock_queue("typical"), "ours": ends(_keeping, TYPICAL)},
        (at_most(2.0),),
        counted=True,
    ),
    Case(
        "encode_typical_span_alone",
        "A typical span becomes OTLP bytes (stock: the official encoder and SerializeToString, 512 at a time)",
        {"stock": encodes_stock(TYPICAL), "ours": encodes_ours(TYPICAL)},
        counted=True,
    ),
    Case(
        "encode_error_span_alone",
        "An error span becomes OTLP bytes (stock: the official encoder and SerializeToString, 512 at a time)",
        {"stock": encodes_stock(FAILED), "ours": encodes_ours(FAILED)},
        counted=True,
    ),
    Case(
        "trace_waiting_span",
        'Under the scope "trace" a healthy span outside the head sample ends and waits for its trace (stock: queues it)',
        {**_stock_queue("typical"), "ours": ends(lambda: sides.waiting(UNSAMPLED()), UNSAMPLED)},
        (at_most(3.0),),
        counted=True,
    ),
    Case(
        "trace_healthy_trace",
        "A span of a healthy trace of ten outside the head sample starts, gets 10 attributes and ends"
        ' (noop: under the scope "path")',
        {
            "noop": live_together(_recording, ErrorAwareSampler(ALWAYS_OFF)),
            "ours": live_together(lambda: sides.keeping_traces("not_sampled"), ErrorAwareSampler(ALWAYS_OFF)),
        },
        (at_most(3.0),),
        counted=True,
    ),
    Case(
        "trace_memory_typical",
        "Resident bytes of one typical span that waits for its trace (noop: its size on the wire, as ours sends it)",
        {
            "noop": hoards(sides.Nothing),
            "stock": hoards(sides.queueing),
            "ours": hoards_a_trace(sides.keeping_traces, ErrorAwareSampler(ALWAYS_OFF)),
        },
        (most_memory(1.1, 0),),
        driver="memory",
        unit="bytes",
        rounds=20_000,
        repeats=1,
    ),
    Case(
        "buffer_full_healthy_span",
        "A healthy sampled span ends when the buffer is full (stock: its queue of 2,048 is full)",
        {
            "noop": ends(sides.Nothing, TYPICAL),
            "stock": ends(lambda: sides.queue_full(TYPICAL()), TYPICAL),
            "ours": ends(lambda: sides.buffer_full(TYPICAL(), "buffer_full"), TYPICAL),
        },
        (at_most(0.3),),
        counted=True,
    ),
    Case(
        "buffer_full_error_span",
        "An error span ends when the buffer is full of errors and the oldest is evicted (stock: its queue is full)",
        {
            "noop": ends(sides.Nothing, FAILED),
            "stock": ends(lambda: sides.queue_full(FAILED()), FAILED),
            "ours": ends(lambda: sides.buffer_full(FAILED(), "evicted", "delivery_unknown"), FAILED),
        },
    ),
    Case(
        "buffer_memory_typical",
        "Resident bytes of one waiting typical span (noop: its size on the wire, as ours sends it)",
        _hoarding(failing=False),
        (most_memory(1.1, 64),),
        driver="memory",
        unit="bytes",
        rounds=20_000,
        repeats=1,
    ),
    Case(
        "buffer_memory_error",
        "Resident bytes of one waiting error span (noop: its size on the wire, as ours sends it)",
        _hoarding(failing=True),
        (most_memory(1.1, 64),),
        driver="memory",
        unit="bytes",
        rounds=8000,
        repeats=1,
    ),
    Case(
        "buffer_garbage_collection",
        "A full garbage collection while 20,000 typical spans wait (noop: none waits)",
        _hoarding(failing=False),
        (of_noop(1.1),),
        driver="memory",
        unit="us",
        rounds=20_000,
        repeats=3,
    ),
    *(
        Case(
            f"export_{name}_span_{protocol}",
            f"{sentence} span is exported over OTLP/{title}, CPU of all threads from its end to the acknowledgement",
            _over_otlp(protocol, prepared),
            (of_stock(most),),
            rounds=4096,
            repeats=21,  # where the scheduler puts the threads changes ours by a fifth from one to the next
        )
        for name, sentence, prepared, most in (
            ("typical", "A typical", TYPICAL, 1 / 25),
            ("error", "An error", FAILED, 1 / 15),
        )
        for protocol, title in (("grpc", "gRPC"), ("http", "HTTP"))
    ),
    Case(
        "export_failing_span",
        "A span starts, its request raises through 15 frames, record_exception, it ends and is exported over OTLP/gRPC",
        {
            "stock": fails(partial(sides.otlp_stock, "grpc"), flushed=True),
            "ours": fails(partial(sides.otlp_ours, "grpc"), flushed=True),
        },
        (of_stock(_WHOLE_FAILING),),
        rounds=512,
        repeats=7,
    ),
    Case(
        "export_waiting_spans",
        "Typical spans that wait, 16,384 of them, are sent to a local sink over OTLP/gRPC, wall time per span",
        {
            "stock": drains(partial(sides.otlp_stock, "grpc"), TYPICAL, _SENT_AT_ONCE),
            "ours": drains(partial(sides.otlp_ours, "grpc"), TYPICAL, _SENT_AT_ONCE),
        },
        (of_stock(1 / 20),),
        clock="wall",
        rounds=_SENT_AT_ONCE,
        repeats=5,
    ),
    *(
        Case(
            f"export_request_latency_{protocol}",
            "p99.9 of a request of 0.5 ms at 800 requests a second on eight threads, each with a span exported over"
            f" OTLP/{title} (noop: no telemetry)",
            {
                "noop": serves(None),
                "stock": serves(partial(sides.otlp_stock, protocol)),
                "ours": serves(partial(sides.otlp_ours, protocol)),
            },
            (of_noop(1.2),),
            driver="latency",
            rounds=4000,
            repeats=3,
            quick=protocol == "grpc",
        )
        for protocol, title in (("grpc", "gRPC"), ("http", "HTTP"))
    ),
)


def chosen(prefix: str = "", driver: str = "") -> list[Case]:
    """The cases whose key begins with `prefix`, of one driver or of all."""
    return [case for case in CASES if case.key.startswith(prefix) and driver in ("", case.driver)]
