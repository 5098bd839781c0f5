"""`@classify` is strict where it is written and silent afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from otel_errsample import ConfigError, ErrorSpanProcessor, _hot, classify
from otel_errsample.testing.transport import CollectingTransport
from tests.failing import make_span


@classify(kind="business", domain="payments", severity="error", recovery="none")
class PaymentError(Exception):
    pass


class Declined(PaymentError):
    pass


def test_the_axes_are_attributes_of_the_class_and_its_subclasses() -> None:
    facts = _hot.Classifier().facts(Declined("x"))
    assert ("business", "payments", "error", "none") == (facts.kind, facts.domain, facts.severity, facts.recovery)
    assert "business" == Declined.errsample_kind  # type: ignore[attr-defined]


def test_the_class_stays_itself() -> None:
    cls = type("Own", (ValueError,), {})
    assert cls is classify(kind="data")(cls)


def test_the_domain_is_exported() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport)
    try:
        raise Declined("x")
    except Declined:
        processor.on_end(make_span(status="ERROR"))
    assert processor.shutdown(5_000)
    (span,) = transport.spans()
    texts = {item.key: item.value.string_value for item in span.attributes}
    assert ("payments", "business") == (texts["errsample.domain"], texts["errsample.kind"])


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        ({}, r"classify\(\) is expected to say at least one of kind, domain, severity and recovery"),
        ({"kind": "busines"}, "kind is expected to be one of .*, got 'busines'; hint: did you mean 'business'"),
        ({"severity": "critical"}, "severity is expected to be one of debug, info, warn, error, fatal, got 'critical'"),
        ({"recovery": 3}, "recovery is expected to be one of retry, .*, got 3"),
        ({"domain": ""}, "domain is expected to be 1 to 64 printable characters, got ''"),
        ({"domain": "x" * 65}, "domain is expected to be 1 to 64 printable characters"),
    ],
    ids=str,
)
def test_a_wrong_declaration_is_refused_where_it_is_written(axes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        classify(**axes)


@pytest.mark.parametrize("decorated", [int, "ValueError", len, ValueError("x")], ids=repr)
def test_only_exception_classes_are_decorated(decorated: Any) -> None:
    with pytest.raises(ConfigError, match=r"classify\(\) is expected to decorate an exception class, got "):
        classify(kind="bug")(decorated)


def test_without_arguments_it_is_no_decorator() -> None:
    with pytest.raises(TypeError):
        classify(ValueError)  # type: ignore[call-arg,arg-type]
