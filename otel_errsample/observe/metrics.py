"""The ledger as OpenTelemetry metrics.

Observable instruments read `stats()` when a reader collects, so the path of a span pays nothing.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from inspect import ismethod
from itertools import count
from typing import Final, NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from otel_errsample.ledger import ErrorCount, RuleCount, Stats

COMPONENT_TYPE: Final = "errsample_span_processor"

_Reading = Iterable[tuple[int, Mapping[str, str | bool]]]

_logger: Final = logging.getLogger(__name__)
_numbers: Final = count()


def component_name() -> str:
    """The next `otel.component.name` of this process: `errsample_span_processor/0`, `/1` and so on."""
    return f"{COMPONENT_TYPE}/{next(_numbers)}"


class _Source:
    """One span processor under observation."""

    def __init__(self, stats: Callable[[], Stats], name: str) -> None:
        self._stats = weakref.WeakMethod(stats) if ismethod(stats) else lambda: stats
        self._attributes = {"otel.component.type": COMPONENT_TYPE, "otel.component.name": name}
        self._failed = False

    def observe(self, read: Callable[[Stats], _Reading]) -> list[Observation]:
        stats = self._stats()
        if stats is None:
            return []
        try:
            return [Observation(value, {**self._attributes, **attributes}) for value, attributes in read(stats())]
        except Exception as error:  # nothing may reach the reader
            if not self._failed:
                self._failed = True
                _logger.warning("the counts of a span processor cannot be read: %s (logged once)", type(error).__name__)
            return []


# A second instrument of the same name is answered with the first one, and its callbacks are never called (SDK 1.45):
# so a meter provider gets one set of instruments, and these ask every span processor.
_sources: Final[weakref.WeakKeyDictionary[MeterProvider, list[_Source]]] = weakref.WeakKeyDictionary()
_lock: Final = threading.Lock()


def register(stats: Callable[[], Stats], meter_provider: MeterProvider, name: str) -> None:
    """Export what `stats` tells through `meter_provider`, as the component `name` (see `component_name`).

    A bound method is held by a weak reference: a span processor that is gone is no longer observed. A `stats` that
    raises costs the observations of that collection; the first failure is logged.
    """
    with _lock:
        sources = _sources.get(meter_provider)
        if sources is None:
            sources = _sources[meter_provider] = []
            meter = meter_provider.get_meter("otel_errsample")
            for instrument in _INSTRUMENTS:
                _create(meter, instrument, sources)
        sources.append(_Source(stats, name))


class _Instrument(NamedTuple):
    name: str
    unit: str
    description: str
    read: Callable[[Stats], _Reading]
    monotonic: bool = True


def _create(meter: Meter, instrument: _Instrument, sources: list[_Source]) -> None:
    def observe(_: CallbackOptions) -> list[Observation]:
        return [observation for source in tuple(sources) for observation in source.observe(instrument.read)]

    create = meter.create_observable_counter if instrument.monotonic else meter.create_observable_up_down_counter
    create(instrument.name, [observe], instrument.unit, instrument.description)


# The first two values of error.type are those of the semantic conventions, the others are endings. A span that was
# meant not to be exported (not_sampled, suppressed...) is no processed span, as with the SDK's processors, which do not
# count the spans they skip. The outcome of the export is part of it, since this processor is its own exporter.
_LOSSES: Final = {
    "queue_full": ("buffer_full", "evicted"),
    "already_shutdown": ("after_shutdown",),
    "rejected": ("rejected",),
    "export_failed": ("export_failed",),
    "undelivered": ("undelivered",),
    "delivery_unknown": ("delivery_unknown",),
    "internal_error": ("internal_error",),
}


def _processed(stats: Stats) -> _Reading:
    yield stats.endings["delivered"], {}
    for error_type, endings in _LOSSES.items():
        yield sum(stats.endings[ending] for ending in endings), {"error.type": error_type}


def _spans(stats: Stats) -> _Reading:
    for ending, number in stats.endings.items():
        yield number, {"errsample.ending": ending}


# One instrument with all that is known of an error would have a time series for each of millions of sets of labels. What
# alerts are made of goes together: a kind decides most of the other three, and a service meets a few dozen sets of the
# 3,300. Class and code, which may be anything, and the source, which tells of the instrumentation, each go alone.
def _errors(stats: Stats) -> _Reading:
    for *axes, number in stats.error_kinds:
        yield number, dict(zip(_AXES, axes, strict=True))


_AXES: Final = tuple(f"errsample.{axis}" for axis in ErrorCount._fields[:-1])


def _of_rule(stats: Stats, rule: RuleCount) -> dict[str, str | bool]:
    # What rules would have done is never to be added to what they did.
    dry = {} if stats.dry_run is None else {"errsample.dry_run": True}
    return {"errsample.rule": rule.name, **dry}


def _rule_spans(stats: Stats) -> _Reading:
    for rule in stats.rules:
        for outcome in ("kept", "dropped", "suppressed", "sampled_out"):
            yield getattr(rule, outcome), {**_of_rule(stats, rule), "errsample.outcome": outcome}


def _dry_run(stats: Stats) -> _Reading:
    for action, number in (stats.dry_run or {}).items():
        yield number, {"errsample.action": action}


_INSTRUMENTS: Final = (
    _Instrument(
        "otel.sdk.processor.span.processed",
        "{span}",
        "Spans delivered, and with error.type spans that were lost.",
        _processed,
    ),
    _Instrument(
        "otel.sdk.processor.span.queue.size",
        "{span}",
        "Spans in the buffer, waiting or being sent.",
        lambda stats: [(stats.waiting + stats.buffered + stats.in_flight, {})],
        monotonic=False,
    ),
    _Instrument("errsample.spans", "{span}", "Ended spans by their ending.", _spans),
    _Instrument("errsample.errors", "{span}", "Ended spans that are errors, by what failed.", _errors),
    _Instrument(
        "errsample.error.sources",
        "{span}",
        "Ended spans that are errors, by where the error is known from.",
        lambda stats: [(number, {"errsample.source": source}) for source, number in stats.error_sources.items()],
    ),
    _Instrument(
        "errsample.error.types",
        "{span}",
        "Ended spans that are errors, by class; those after the first hundred as _OTHER.",
        lambda stats: [(number, {"error.type": name}) for name, number in stats.error_types.items()],
    ),
    _Instrument(
        "errsample.error.codes",
        "{span}",
        "Ended spans that are errors, by code where there is one; those after the first hundred as _OTHER.",
        lambda stats: [
            (number, {"errsample.code": code} if code else {}) for code, number in stats.error_codes.items()
        ],
    ),
    _Instrument(
        "errsample.rule.matched",
        "{span}",
        "Ended spans that a rule matched, shadow rules included.",
        lambda stats: [(rule.matched, _of_rule(stats, rule)) for rule in stats.rules],
    ),
    _Instrument("errsample.rule.spans", "{span}", "Ended spans by the rule that decided and its outcome.", _rule_spans),
    _Instrument("errsample.dry_run.spans", "{span}", "Ended spans by what would have happened in earnest.", _dry_run),
    _Instrument(
        "errsample.scrubbed",
        "{secret}",
        "Secrets taken out of spans.",
        lambda stats: [(stats.scrubbed, {})],
    ),
    # The budget is in bytes, so otel.sdk.processor.span.queue.capacity, a number of spans, does not exist here.
    _Instrument(
        "errsample.buffer.bytes",
        "By",
        "Bytes of the buffer in use.",
        lambda stats: [(stats.buffer_bytes, {})],
        monotonic=False,
    ),
    _Instrument(
        "errsample.buffer.capacity",
        "By",
        "Bytes that the buffer may use.",
        lambda stats: [(stats.capacity_bytes, {})],
        monotonic=False,
    ),
)
