"""How applications use the public names; checked by mypy, not run."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBasedTraceIdRatio

from otel_errsample import (
    ConfigError,
    ErrorAwareSampler,
    ErrorFacts,
    ErrorSpanProcessor,
    ErrsampleError,
    RuleError,
    Rules,
    Verdict,
    classify,
)
from otel_errsample.testing import CollectingTransport, ManualClock


def from_the_environment() -> TracerProvider:
    provider = TracerProvider(sampler=ErrorAwareSampler(0.01))
    provider.add_span_processor(ErrorSpanProcessor())
    return provider


def around_a_sampler_of_ones_own() -> TracerProvider:
    ErrorAwareSampler(ALWAYS_ON)
    return TracerProvider(sampler=ErrorAwareSampler(ParentBasedTraceIdRatio(0.1)))


@classify(kind="business", domain="payments", recovery="none")
class Declined(Exception):
    def __init__(self, order: int) -> None:
        super().__init__(order)
        self.order = order


def declined(order: int) -> int:
    error: Declined = Declined(order)  # the decorator leaves the type as it is
    return error.order


def team_of(span: ReadableSpan, facts: ErrorFacts) -> dict[str, str | bool]:
    exception: str | None = facts.exception
    return {"team": "shop" if exception == "shop.Refused" else "core", "transient": facts.kind == "timeout"}


def nothing_to_add(span: ReadableSpan, facts: ErrorFacts) -> None:
    return None


HEARD: list[tuple[str | None, bool, int | None, int]] = []


def tell(verdict: Verdict) -> None:
    if verdict.action == "keep":
        HEARD.append((verdict.rule, verdict.kept, verdict.threshold, verdict.suppressed))


def with_every_callback() -> ErrorSpanProcessor:
    ErrorSpanProcessor(enrich=nothing_to_add)
    return ErrorSpanProcessor(
        Rules.parse("keep 5 per second by fingerprint if error"),
        ConsoleSpanExporter(),
        scope="span",
        enrich=team_of,
        on_verdict=tell,
        head_sampled=False,
        max_buffer_bytes=1 << 24,
        flush_errors_ms=200,
        shutdown_timeout_ms=5000,
    )


def in_a_test() -> bool:
    clock, transport = ManualClock(), CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, clock=clock.monotonic_ns)
    delivered: bool = processor.shutdown(timeout_millis=1000)
    payloads: list[bytes] = transport.accepted
    return delivered and len(payloads) == 1 and processor.stats().balanced


def a_wrong_rule(text: str) -> list[str]:
    try:
        ErrorSpanProcessor(text)
    except RuleError as error:
        return [f"{problem.line}:{problem.column} {problem.message}" for problem in error.problems]
    except (ConfigError, ErrsampleError) as error:
        return [str(error)]
    return []
