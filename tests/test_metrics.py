"""observe/metrics.py: the ledger read by a metric reader."""

from __future__ import annotations

import gc
import logging

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, Sum

from otel_errsample.ledger import ENDINGS, ErrorCount, RuleCount, Stats
from otel_errsample.observe.metrics import component_name, register

TYPE = "errsample_span_processor"


class Processor:
    def __init__(self, **fields: object) -> None:
        self.fields = fields
        self.error: BaseException | None = None

    def stats(self) -> Stats:
        if self.error is not None:
            raise self.error
        endings = {ending: 10 + number for number, ending in enumerate(ENDINGS)}
        return Stats(**{"ended": 0, "errors": 0, "endings": endings, **self.fields})  # type: ignore[arg-type]


class Meters:
    """A meter provider with a reader, and its values as {(instrument, attributes without the component): value}."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self.reader], shutdown_on_exit=False)

    def metrics(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def values(self, component: str) -> dict[tuple[str, frozenset[tuple[str, object]]], float]:
        values: dict[tuple[str, frozenset[tuple[str, object]]], float] = {}
        for name, metric in self.metrics().items():
            for point in metric.data.data_points:
                attributes = dict(point.attributes or {})
                assert attributes.pop("otel.component.type") == TYPE
                if attributes.pop("otel.component.name") == component:
                    values[name, frozenset(attributes.items())] = point.value  # type: ignore[union-attr]
        return values


def key(name: str, **attributes: str) -> tuple[str, frozenset[tuple[str, object]]]:
    return name, frozenset((attribute.replace("__", "."), value) for attribute, value in attributes.items())


@pytest.fixture
def meters() -> Meters:
    return Meters()


def test_the_sdks_own_names_tell_delivered_lost_and_waiting_spans(meters: Meters) -> None:
    processor = Processor(buffered=5, in_flight=2)
    register(processor.stats, meters.provider, f"{TYPE}/0")
    values = meters.values(f"{TYPE}/0")
    count = dict(zip(ENDINGS, range(10, 10 + len(ENDINGS)), strict=True))
    processed = "otel.sdk.processor.span.processed"
    assert {
        key(processed): count["delivered"],
        key(processed, error__type="queue_full"): count["buffer_full"] + count["evicted"],
        key(processed, error__type="already_shutdown"): count["after_shutdown"],
        **{
            key(processed, error__type=ending): count[ending]
            for ending in ("rejected", "export_failed", "undelivered", "delivery_unknown", "internal_error")
        },
    } == {name: value for name, value in values.items() if name[0] == processed}
    assert values[key("otel.sdk.processor.span.queue.size")] == 7


def test_the_ledger_has_names_of_its_own(meters: Meters) -> None:
    rules = (RuleCount("pay", 9, kept=4, dropped=1, suppressed=2, sampled_out=1), RuleCount("try", 3))
    processor = Processor(scrubbed=3, buffer_bytes=1000, capacity_bytes=4000, rules=rules)
    register(processor.stats, meters.provider, "c")
    values = meters.values("c")
    for number, ending in enumerate(ENDINGS):
        assert values[key("errsample.spans", errsample__ending=ending)] == 10 + number
    assert values[key("errsample.scrubbed")] == 3
    assert values[key("errsample.buffer.bytes")] == 1000
    assert values[key("errsample.buffer.capacity")] == 4000
    assert (9, 3) == tuple(values[key("errsample.rule.matched", errsample__rule=name)] for name in ("pay", "try"))
    outcomes = {"kept": 4, "dropped": 1, "suppressed": 2, "sampled_out": 1}
    for outcome, expected in outcomes.items():
        assert expected == values[key("errsample.rule.spans", errsample__rule="pay", errsample__outcome=outcome)]
        assert values[key("errsample.rule.spans", errsample__rule="try", errsample__outcome=outcome)] == 0


def test_errors_are_told_by_what_they_were(meters: Meters) -> None:
    kinds = ErrorCount("bug", "self", "error", "fix_code", 3), ErrorCount("timeout", "dependency", "warn", "backoff", 2)
    processor = Processor(
        errors=5,
        error_kinds=kinds,
        error_sources={"live": 4, "event": 0, "event_partial": 0, "status": 1, "code": 0},
        error_types={"KeyError": 3, "_OTHER": 2},
        error_codes={"": 4, "http:503": 1},
    )
    register(processor.stats, meters.provider, "c")
    values = meters.values("c")
    axes = ("errsample__kind", "errsample__fault", "errsample__severity", "errsample__recovery")
    expected = {key("errsample.errors", **dict(zip(axes, kind[:4], strict=True))): kind.number for kind in kinds}
    by_name = {
        ("errsample.error.sources", "errsample__source"): processor.stats().error_sources,
        ("errsample.error.types", "error__type"): processor.stats().error_types,
        ("errsample.error.codes", "errsample__code"): processor.stats().error_codes,
    }
    for (name, label), counts in by_name.items():
        expected |= {key(name, **({label: value} if value else {})): number for value, number in counts.items()}
    assert expected == {name: value for name, value in values.items() if name[0].startswith("errsample.error")}
    assert {5} == {sum(expected[each] for each in expected if each[0] == name) for name, _ in expected}


def test_units_and_what_only_grows(meters: Meters) -> None:
    errors = (ErrorCount("bug", "self", "error", "fix_code", 1),)
    by_name = {name: {"a": 1} for name in ("error_sources", "error_types", "error_codes")}
    processor = Processor(rules=(RuleCount("pay"),), error_kinds=errors, **by_name)
    register(processor.stats, meters.provider, "c")
    shapes = {}
    for name, metric in meters.metrics().items():
        assert isinstance(metric.data, Sum)
        shapes[name] = (metric.unit, metric.data.is_monotonic)
    assert shapes == {
        "otel.sdk.processor.span.processed": ("{span}", True),
        "otel.sdk.processor.span.queue.size": ("{span}", False),
        "errsample.spans": ("{span}", True),
        "errsample.errors": ("{span}", True),
        "errsample.error.sources": ("{span}", True),
        "errsample.error.types": ("{span}", True),
        "errsample.error.codes": ("{span}", True),
        "errsample.rule.matched": ("{span}", True),
        "errsample.rule.spans": ("{span}", True),
        "errsample.scrubbed": ("{secret}", True),
        "errsample.buffer.bytes": ("By", False),
        "errsample.buffer.capacity": ("By", False),
    }


def test_two_span_processors_share_a_meter_provider(meters: Meters, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Processor(scrubbed=1), Processor(scrubbed=2)
    register(first.stats, meters.provider, "first")
    register(second.stats, meters.provider, "second")
    assert meters.values("first")[key("errsample.scrubbed")] == 1
    assert meters.values("second")[key("errsample.scrubbed")] == 2
    assert caplog.records == []


def test_two_meter_providers_do_not_mix(meters: Meters) -> None:
    other = Meters()
    first, second = Processor(scrubbed=1), Processor(scrubbed=2)
    register(first.stats, meters.provider, "c")
    register(second.stats, other.provider, "c")
    assert (1, 2) == tuple(each.values("c")[key("errsample.scrubbed")] for each in (meters, other))


def test_a_span_processor_that_is_gone_is_not_kept_alive(meters: Meters) -> None:
    first, second = Processor(scrubbed=1), Processor(scrubbed=2)
    register(first.stats, meters.provider, "first")
    register(second.stats, meters.provider, "second")
    del first
    gc.collect()
    assert meters.values("first") == {}
    assert meters.values("second")[key("errsample.scrubbed")] == 2


def test_a_plain_function_is_observed_too(meters: Meters) -> None:
    processor = Processor(scrubbed=6)
    register(processor.stats, meters.provider, "c")
    assert meters.values("c")[key("errsample.scrubbed")] == 6


def test_a_failure_costs_only_its_own_observations_and_is_logged_once(
    meters: Meters, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Processor(), Processor(scrubbed=2)
    broken.error = ValueError("token=secret")
    register(broken.stats, meters.provider, "broken")
    register(sound.stats, meters.provider, "sound")
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            assert meters.values("broken") == {}
            assert meters.values("sound")[key("errsample.scrubbed")] == 2
    assert [("WARNING", "otel_errsample.observe.metrics")] == [(r.levelname, r.name) for r in caplog.records]
    assert "secret" not in caplog.text
    broken.error = None
    assert key("errsample.scrubbed") in meters.values("broken")


def test_a_meter_provider_that_does_nothing_is_fine() -> None:
    register(Processor().stats, NoOpMeterProvider(), "c")


def test_component_names_count_up() -> None:
    first, second = component_name(), component_name()
    kind, _, number = first.rpartition("/")
    assert (TYPE, f"{TYPE}/{int(number) + 1}") == (kind, second)
