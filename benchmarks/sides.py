"""The two sides of every comparison, built the way a service would build them, and what they must prove."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, set_span_in_context

from benchmarks import receiver
from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.transport import Answer, Outcome, Transport, open_transport
from otel_errsample.transport.settings import OtlpSettings

# A queue or batch that no case fills: the worker sleeps while on_end is timed.
ENDLESS: Final = 1 << 20
# Both sides drop nothing in the whole-export cases; stock's default queue of 2,048 would.
QUEUE: Final = 1 << 16
KEEP_ERRORS: Final = "errors: keep if error"

# A service has logging set up; without a handler the first dropped span would print to stderr.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Tally:
    """What became of the spans of an arm: `met` of `ended` came to the ending the arm is timed for.

    `sent_bytes` of requests, 0 where the side does not count them; ours carries what enrichment adds to an error.
    """

    ended: int
    met: int
    delivered: int
    sent_bytes: int = 0


@dataclass(frozen=True)
class Arm:
    """One side of a case, ready to be timed: `run` does rounds, `reset` (not timed) brings back the state before them.

    `tally` says, after a `reset`, what became of every span so far; None where no span ends.
    """

    run: Callable[[int], None]
    reset: Callable[[], object] = lambda: None
    tally: Callable[[], Tally | None] = lambda: None
    close: Callable[[], object] = lambda: None
    accounted: Callable[[], int] = lambda: 0
    """Bytes the side itself says its waiting spans take; 0 where it keeps no such account."""


class Counting(SpanExporter):
    """Counts what an exporter was given and what was acknowledged; one addition per batch."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.given = self.delivered = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.given += len(spans)
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Accepting(SpanExporter):
    """Takes every batch at once."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class GatedExporter(SpanExporter):
    """Holds every batch until the gate is open; shutdown opens it."""

    def __init__(self, exporter: SpanExporter, gate: threading.Event) -> None:
        self._exporter = exporter
        self._gate = gate
        self.entered = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self._gate.wait()
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        self._gate.set()
        self._exporter.shutdown()


class GatedTransport:
    """Holds every request until the gate is open; close opens it."""

    def __init__(self, transport: Transport, gate: threading.Event) -> None:
        self._transport = transport
        self._gate = gate

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint

    def send(self, payload: bytes, timeout: float) -> Answer:
        self._gate.wait()
        return self._transport.send(payload, timeout)

    def abort(self) -> None:
        self._gate.set()
        self._transport.abort()

    def close(self, patience: float = 0.1) -> None:
        self._gate.set()
        self._transport.close(patience)

    def forget(self) -> None:
        self._transport.forget()


@dataclass
class Wire:
    """A transport without a network: every request gets the same answer."""

    answer: Answer = field(default_factory=lambda: Answer(Outcome.ACCEPTED))
    endpoint: str = "nowhere"

    def send(self, payload: bytes, timeout: float) -> Answer:
        return self.answer

    def abort(self) -> None: ...

    def close(self, patience: float = 0.1) -> None: ...

    def forget(self) -> None: ...


class Nothing:
    """A span processor that does nothing."""

    def __init__(self) -> None:
        self.processor = SpanProcessor()
        self.ended = 0

    def tally(self) -> None: ...

    def accounted(self) -> int:
        return 0

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Stock:
    """BatchSpanProcessor in front of an exporter.

    `asleep`: the worker does not wake before the flush. `stuck`: the exporter does not return before `close`.
    """

    def __init__(
        self, exporter: SpanExporter, *, asleep: bool = False, stuck: bool = False, queue: int = QUEUE
    ) -> None:
        self.exporter = Counting(exporter)
        batch = ENDLESS if asleep else 512
        self.processor: SpanProcessor = BatchSpanProcessor(
            self.exporter, max(queue, batch), 3_600_000 if asleep else 5000, batch
        )
        self.stuck = stuck
        self.ended = 0

    def tally(self) -> Tally | None:
        """None where the exporter is stuck: the queue counts what it drops nowhere."""
        return None if self.stuck else Tally(self.ended, self.exporter.delivered, self.exporter.delivered)

    def accounted(self) -> int:
        return 0

    def flush(self) -> None:
        if not self.stuck:
            self.processor.force_flush()

    def close(self) -> None:
        self.exporter.shutdown()
        self.processor.shutdown()


class Ours:
    """ErrorSpanProcessor; `endings` are what the spans of the case must come to, `stuck`: nothing is acknowledged."""

    def __init__(self, processor: ErrorSpanProcessor, *endings: str, stuck: bool = False) -> None:
        self.processor = processor
        self.ended = 0
        self._endings = endings or ("delivered",)
        self._stuck = stuck
        self._ground = self._counts()

    def _counts(self) -> tuple[int, int, int]:
        stats = self.processor.stats()
        met = sum(stats.endings[ending] for ending in self._endings)
        # Behind a stuck receiver a span may wait for the whole case: that is its right place.
        waiting = stats.buffered + stats.in_flight if self._stuck else 0
        return stats.ended, met + waiting, stats.endings["delivered"]

    def tally(self) -> Tally:
        """What came after the construction: what filled a buffer or spent a limit is not part of the case."""
        ended, met, delivered = (now - then for now, then in zip(self._counts(), self._ground, strict=True))
        sound = ended == self.ended and not self.processor.stats().internal_errors
        return Tally(self.ended, met if sound else 0, delivered, self.processor.stats().sent_bytes)

    def accounted(self) -> int:
        return self.processor.stats().buffer_bytes

    def flush(self) -> None:
        if not self._stuck:
            self.processor.force_flush()

    def close(self) -> None:
        self.processor.shutdown(200 if self._stuck else 5000)


def queueing() -> Stock:
    return Stock(Accepting(), asleep=True)


def queue_full(prepared: Sequence[ReadableSpan]) -> Stock:
    """The default queue behind an exporter that does not return."""
    exporter = GatedExporter(Accepting(), threading.Event())
    side = Stock(exporter, stuck=True, queue=2048)
    for span in islice(cycle(prepared), 512):
        side.processor.on_end(span)
    exporter.entered.wait(10.0)
    for span in islice(cycle(prepared), 2048):
        side.processor.on_end(span)
    return side


def deciding(rules: str | None, *endings: str) -> Ours:
    """A processor whose worker sleeps until it is flushed, as that of `queueing`."""
    return Ours(_sleeping(rules, Wire(), 256 << 20), *endings)


def scrubbing(mode: str) -> Ours:
    """Every error is kept, under a mode of `OTEL_ERRSAMPLE_SCRUB`."""
    return Ours(_sleeping(KEEP_ERRORS, Wire(), 256 << 20, mode))


def suppressing(prepared: Sequence[ReadableSpan]) -> Ours:
    """The rule's limit is spent."""
    processor = _sleeping("storm: keep 1 per hour by name if error", Wire(), 256 << 20)
    processor.on_end(prepared[0])
    processor.force_flush()
    return Ours(processor, "suppressed")


def marking(prepared: Sequence[ReadableSpan]) -> Ours:
    """Spans above kept errors are marked and have not ended yet."""
    processor = _sleeping(KEEP_ERRORS, Wire(), 256 << 20)
    for number, span in enumerate(prepared, 1):
        context, above = SpanContext(number, number + 1, False), SpanContext(number, number, False)
        processor.on_end(ReadableSpan("error", context, above, span.resource, status=Status(StatusCode.ERROR)))
    processor.force_flush()
    return Ours(processor, "not_sampled")


class Waiting(Ours):
    """Beside every prepared span another one of its trace is open; a flush decides the traces."""

    def __init__(self, processor: ErrorSpanProcessor, prepared: Sequence[ReadableSpan]) -> None:
        provider = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        for span in prepared:
            caller = SpanContext(span.context.trace_id if span.context else 0, 1, True)
            provider.get_tracer("open").start_span("open", set_span_in_context(NonRecordingSpan(caller)))
        super().__init__(processor, "not_sampled")

    def flush(self) -> None:
        self.processor.settle_traces(True)


def waiting(prepared: Sequence[ReadableSpan]) -> Ours:
    """Scope "trace": a span that ends waits for its trace."""
    return Waiting(_sleeping(KEEP_ERRORS, Wire(), 256 << 20, scope="trace"), prepared)


def keeping_traces(*endings: str) -> Ours:
    return Ours(_sleeping(KEEP_ERRORS, Wire(), 256 << 20, scope="trace"), *endings)


def buffer_full(prepared: Sequence[ReadableSpan], *endings: str) -> Ours:
    """The receiver is away and the budget, 1 MiB, is spent on `prepared`."""
    processor = _sleeping(KEEP_ERRORS, Wire(Answer(Outcome.RETRY, cause="unavailable")), 1 << 20)
    for span in islice(cycle(prepared), 4096):
        processor.on_end(span)
    return Ours(processor, *endings, stuck=True)


def _sleeping(
    rules: str | None, wire: Transport, max_buffer_bytes: int, scrub: str | None = None, scope: str | None = None
) -> ErrorSpanProcessor:
    with environment(
        OTEL_BSP_SCHEDULE_DELAY="3600000",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="65536",
        OTEL_ERRSAMPLE_MAX_REQUEST_BYTES=str(32 << 20),
        OTEL_ERRSAMPLE_FLUSH_ERRORS_MS="60000",
    ):
        return ErrorSpanProcessor(rules, transport=wire, max_buffer_bytes=max_buffer_bytes, scrub=scrub, scope=scope)


def otlp_stock(protocol: str, gate: threading.Event | None = None) -> Stock:
    exporter = otlp_exporter(protocol)
    return Stock(exporter if gate is None else GatedExporter(exporter, gate))


def otlp_ours(protocol: str, gate: threading.Event | None = None) -> Ours:
    """As it comes, budget and rule apart; batches of 512 like stock's."""
    with environment(
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc" if protocol == "grpc" else "http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint(protocol),
    ):
        transport = open_transport(OtlpSettings.from_env(os.environ, print))
        if gate is not None:
            transport = GatedTransport(transport, gate)
        return Ours(ErrorSpanProcessor(KEEP_ERRORS, transport=transport, max_buffer_bytes=256 << 20))


def otlp_exporter(protocol: str) -> SpanExporter:
    """The official exporter of `protocol`, pointed at the same receiver."""
    # Imported here: loading grpcio under callgrind takes a minute, and cases without a network do not need it.
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(receiver.endpoint("grpc"), insecure=True)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter(f"{receiver.endpoint('http')}/v1/traces")


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Settings that have no argument, for the time of a constructor."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
