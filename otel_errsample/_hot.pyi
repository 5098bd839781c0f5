"""What the extension shows to Python; its fragments in ext/ hold the documentation."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypedDict, final, overload

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceState
from opentelemetry.util.types import AnyValue

from otel_errsample.rules import Rules
from otel_errsample.taxonomy import Row, UserRow

_Action = Literal["head", "keep", "drop", "sampled_out", "suppressed"]
_Source = Literal["live", "event", "event_partial", "status", "code"]
_Weight = Literal["as_is", "set", "erased"]

class _Count(TypedDict):
    name: str
    matched: int
    kept: int
    dropped: int
    suppressed: int
    sampled_out: int
    shadowed: int

# layout.pyx

def probe() -> bool: ...

# facts.pyx

@final
class ErrorFacts:
    @property
    def error(self) -> bool: ...
    @property
    def exception(self) -> str | None: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def culprit(self) -> str | None: ...
    @property
    def chain(self) -> tuple[str, ...] | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def fault(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def recovery(self) -> str: ...
    @property
    def source(self) -> _Source: ...

def make_facts(
    *,
    error: bool = True,
    kind: str = "unknown",
    fault: str = "unknown",
    severity: str = "error",
    recovery: str = "none",
    source: str = "live",
    exception: str | None = None,
    cause: str | None = None,
    code: str | None = None,
    domain: str | None = None,
    message: str | None = None,
    fingerprint: str | None = None,
    culprit: str | None = None,
    exception_class: type | None = None,
    cause_class: type | None = None,
    leaf_classes: tuple[type, ...] | None = None,
) -> ErrorFacts: ...

# track.pyx

@final
class Tracker:
    def remember(self, span: Span | ReadableSpan) -> None: ...
    def take(self, context: SpanContext | None) -> int: ...
    def __len__(self) -> int: ...

# classify.pyx

@final
class Classifier:
    def __init__(
        self,
        table: Mapping[str, Row] | None = None,
        in_app_include: Iterable[str] = (),
        *,
        user_rows: Iterable[UserRow] = (),
    ) -> None: ...
    def classify_span(self, span: ReadableSpan, started_with: int = 0) -> ErrorFacts | None: ...
    @overload
    def facts(
        self,
        exception: BaseException,
        *,
        event: Mapping[str, object] | None = None,
        codes: Mapping[str, object] | None = None,
        span_kind: SpanKind | None = None,
        name: str | None = None,
    ) -> ErrorFacts: ...
    @overload
    def facts(
        self,
        exception: None = None,
        *,
        event: Mapping[str, object],
        codes: Mapping[str, object] | None = None,
        span_kind: SpanKind | None = None,
        name: str | None = None,
    ) -> ErrorFacts: ...
    @overload
    def facts(
        self,
        exception: None = None,
        *,
        event: None = None,
        codes: Mapping[str, object],
        span_kind: SpanKind | None = None,
        name: str | None = None,
    ) -> ErrorFacts: ...
    @overload
    def facts(
        self,
        exception: BaseException | None = None,
        *,
        event: Mapping[str, object] | None = None,
        codes: Mapping[str, object] | None = None,
        span_kind: SpanKind | None = None,
        name: str | None = None,
    ) -> ErrorFacts | None: ...

# tracestate.pyx

def reweigh(trace_state: object, weight: int, threshold: int, all_arrive: bool) -> str | None: ...
def weigh(trace_state: TraceState | None, threshold: int | None) -> TraceState | None: ...
def randomness_of(trace_state: object, trace_id: object) -> int: ...
def threshold_of(ratio: float) -> int: ...
def format_threshold(threshold: int) -> str: ...
def parse_ot(text: str) -> tuple[int | None, int | None, dict[str, str]]: ...

# limits.pyx

@final
class Limits:
    def __init__(self, clock: Callable[[], int] | None = None) -> None: ...
    def give_back(self, limiter: int, slot: int, count: int) -> None: ...
    def pending(self) -> dict[str, int]: ...
    def reset(self) -> None: ...

# decide.pyx

@final
class RuleTable:
    def __init__(self, rules: Rules, limits: Limits) -> None: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    def reset(self) -> None: ...
    def counts(self) -> list[_Count]: ...

def verdict(
    table: RuleTable, span: ReadableSpan, facts: ErrorFacts | None = None, sampled: bool = True
) -> tuple[_Action, int, _Weight, int, int, int, int]: ...

# enrich.pyx

def enrich(
    facts: ErrorFacts | None,
    attributes: Mapping[str, object] | None,
    rule_name: str | None,
    scope_name: str | None,
    carried: int,
    kept_by_processor: bool,
) -> dict[str, AnyValue] | None: ...
def merge_user(extra: dict[str, AnyValue], result: object, attributes: Mapping[str, object] | None = None) -> int: ...

# request.pyx

def encode_counted(
    span: ReadableSpan, trace_state: str | None = None, extra: dict[str, AnyValue] | None = None, cap: int = 2097152
) -> tuple[bytes, int, int]: ...
def encode(
    span: ReadableSpan, trace_state: str | None = None, extra: dict[str, AnyValue] | None = None, cap: int = 2097152
) -> bytes: ...

# ledger.pyx

class Ledger:
    requests: int
    retries: int
    sent_bytes: int
    @property
    def ended(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def truncated(self) -> int: ...
    @property
    def repaired(self) -> int: ...
    @property
    def internal_errors(self) -> dict[str, int]: ...
    @property
    def endings(self) -> dict[str, int]: ...
    def swallow(self, where: str) -> None: ...

# buffer.pyx

@final
class Group:
    @property
    def overhead_bytes(self) -> int: ...

class Buffer:
    def __init__(
        self, ledger: Ledger, limits: Limits, capacity: int, reserve: int, full_count: int, full_size: int
    ) -> None: ...
    @property
    def capacity(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def peak(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def newest(self) -> int: ...
    @property
    def errors_waiting(self) -> int: ...
    @property
    def spans_waiting(self) -> int: ...
    @property
    def lanes(self) -> list[int]: ...
    @property
    def sleeping(self) -> bool: ...
    @property
    def full(self) -> bool: ...
    def offer(self, data: bytes, lane: int, group: Group, span: object = None, carried: int = 0) -> str | None: ...
    def wake(self) -> None: ...
    def sleep(self, seconds: float, first: bool, error: bool, full: bool) -> None: ...
    def books(self) -> tuple[int, int, dict[str, int], int, int, int, int, int]: ...
    def settled(self, sequence: int) -> bool: ...
    def close(self) -> None: ...
    def give_up(self) -> None: ...
    def restart_in_child(self) -> None: ...

# groups.pyx

def group_of(resource: Resource, scope: InstrumentationScope | None) -> Group: ...

# batch.pyx

class Batch:
    @property
    def count(self) -> int: ...
    def __len__(self) -> int: ...
    def payload(self, start: int, stop: int) -> bytes: ...
    def spans(self, start: int, stop: int) -> list[ReadableSpan]: ...
    def end(self, start: int, stop: int, name: str) -> None: ...
    def put_back(self, start: int, stop: int, maybe_delivered: bool) -> None: ...

def encode_request(spans: Iterable[ReadableSpan], cap: int = 2097152) -> bytes: ...
def take(buffer: Buffer, most: int, most_bytes: int, upto: int, errors_only: bool) -> Batch | None: ...

# path.pyx

@final
class Verdict:
    @property
    def action(self) -> _Action: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def kept(self) -> bool: ...
    @property
    def threshold(self) -> int | None: ...
    @property
    def suppressed(self) -> int: ...
    @property
    def facts(self) -> ErrorFacts: ...
    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...

class Path:
    @property
    def ledger(self) -> Ledger: ...
    @property
    def buffer(self) -> Buffer: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def table(self) -> RuleTable: ...
    def prepare(
        self,
        ledger: Ledger,
        limits: Limits,
        buffer: Buffer,
        table: RuleTable,
        classifier: Classifier,
        *,
        most_span_bytes: int,
        leaves_head_sampled: bool,
        dry_run: bool,
        user_enrich: Callable[[ReadableSpan, ErrorFacts], Mapping[str, AnyValue] | None] | None,
        on_verdict: Callable[[Verdict], None] | None,
        rebuild: Callable[[ReadableSpan, str | None, dict[str, AnyValue] | None], ReadableSpan] | None,
        start_worker: Callable[[], None],
    ) -> None: ...
    def rehearsals(self) -> dict[str, int]: ...
    def set_worker_alive(self, alive: bool) -> None: ...
    def on_start(self, span: ReadableSpan, parent_context: Context | None = None) -> None: ...
    def on_end(self, span: ReadableSpan) -> None: ...
    def restart_in_child(self) -> None: ...
