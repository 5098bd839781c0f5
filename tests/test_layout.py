"""A span reads the same through the private layout of the SDK and through the public properties."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from otel_errsample import _hot
from tests.spans import PublicSpan, make_span, spans


@pytest.fixture
def probed_again() -> Iterator[None]:
    yield
    assert _hot.probe()


def test_the_installed_sdk_has_the_expected_layout() -> None:
    assert _hot.probe() is True
    assert _hot.probe() is True, "and may be asked again"


class Renamed(ReadableSpan):
    """An SDK that keeps the name elsewhere."""

    @property
    def _name(self) -> str:
        return "elsewhere"

    @_name.setter
    def _name(self, name: str) -> None:
        self.elsewhere = name

    @property
    def name(self) -> str:
        return self.elsewhere


class Broken(ReadableSpan):
    """An SDK whose constructor wants other arguments."""

    def __init__(self) -> None:
        super().__init__("n")


@pytest.mark.usefixtures("probed_again")
@pytest.mark.parametrize("changed", [Renamed, Broken])
def test_a_changed_sdk_is_read_through_its_public_properties(
    changed: type[ReadableSpan], monkeypatch: pytest.MonkeyPatch
) -> None:
    span = make_span("checkout", attributes={"a": 1}, status=Status(StatusCode.ERROR, "d"))
    expected = _hot.encode(span)
    with monkeypatch.context() as patch:
        patch.setattr(sdk_trace, "ReadableSpan", changed)
        assert _hot.probe() is False
        assert expected == _hot.encode(span)
        if changed is Renamed:
            moved = make_span("checkout", of=Renamed, attributes={"a": 1}, status=Status(StatusCode.ERROR, "d"))
            assert expected == _hot.encode(moved)


@given(spans())
def test_both_ways_read_the_same_fields(span: ReadableSpan) -> None:
    public = PublicSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span._attributes,
        events=span._events,
        links=span._links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
    assert _hot.encode(span) == _hot.encode(public)


def test_a_property_that_is_overridden_is_honoured() -> None:
    class Masked(ReadableSpan):
        @property
        def name(self) -> str:
            return "masked"

    assert _hot.encode(make_span("masked")) == _hot.encode(make_span("secret", of=Masked))
