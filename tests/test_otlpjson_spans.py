"""What an exporter wrote as OTLP JSON reads as the span it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from otel_errsample import _hot
from otel_errsample.otlpjson import OtlpJsonError, documents, spans_of
from tests.recorded import line_of, recorded
from tests.spans import spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def read(**fields: Any) -> ReadableSpan:
    (span,) = spans_of(document(**fields))
    return span


def document(**fields: Any) -> dict[str, Any]:
    span = {"traceId": TRACE, "spanId": SPAN, **fields}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def each_alone(data: dict[str, Any]) -> list[str]:
    """Every span with its resource and scope: an empty scope is none, so they may be grouped in other ways."""
    return sorted(
        json.dumps([{**outer, "scopeSpans": None}, {**inner, "spans": None}, span], sort_keys=True)
        for outer in data["resourceSpans"]
        for inner in outer["scopeSpans"]
        for span in inner["spans"]
    )


@given(st.lists(spans(), min_size=1, max_size=3), st.sampled_from(["numbers", "names"]))
def test_a_recorded_span_is_recorded_as_the_original(originals: list[ReadableSpan], enums: str) -> None:
    """The official encoder is the oracle: reading its JSON loses nothing that is on the wire."""
    assume(all(span.parent is None or span.parent.span_id for span in originals))  # zero means no parent
    data = recorded(originals, enums)
    read_back = spans_of(json.loads(json.dumps(data)))
    assert each_alone(data) == each_alone(recorded(read_back, enums))
    for span in read_back:
        assert type(span) is ReadableSpan


def test_resource_and_scope_are_those_of_their_spans() -> None:
    data = document()
    outer = data["resourceSpans"][0]
    outer["resource"] = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    outer["schemaUrl"] = "https://example.com/1"
    inner = outer["scopeSpans"][0]
    inner["scope"] = {"name": "library", "version": "2", "attributes": [{"key": "a", "value": {"intValue": "1"}}]}
    inner["schemaUrl"] = "https://example.com/2"
    (span,) = spans_of(data)
    scope = span.instrumentation_scope
    assert scope is not None
    assert ({"service.name": "shop"}, "https://example.com/1") == (
        dict(span.resource.attributes),
        span.resource.schema_url,
    )
    assert ("library", "2", "https://example.com/2", {"a": 1}) == (
        scope.name,
        scope.version,
        scope.schema_url,
        dict(scope.attributes or {}),
    )


@pytest.mark.parametrize(
    ("flags", "sampled", "remote"),
    [(None, True, False), (0, True, False), (0x100, True, False), (0x301, True, True), (0x302, False, True)],
)
def test_a_span_is_sampled_unless_its_flags_say_otherwise(flags: int | None, sampled: bool, remote: bool) -> None:
    span = read(parentSpanId="c7ad6b7169203331", **({} if flags is None else {"flags": flags}))
    assert span.context is not None
    assert span.parent is not None
    assert (sampled, remote) == (span.context.trace_flags.sampled, span.parent.is_remote)


@pytest.mark.parametrize(
    ("kind", "flags", "remote"), [(2, 0, True), (5, 1, True), (1, 0, False), (3, 0, False), (2, 0x100, False)]
)
def test_where_the_flags_do_not_say_it_a_called_span_has_a_remote_parent(kind: int, flags: int, remote: bool) -> None:
    span = read(parentSpanId="c7ad6b7169203331", kind=kind, flags=flags)
    assert span.parent is not None
    assert remote is span.parent.is_remote


@pytest.mark.parametrize("parent", [{}, {"parentSpanId": ""}, {"parentSpanId": "0" * 16}, {"parentSpanId": None}])
def test_a_root_has_no_parent(parent: dict[str, Any]) -> None:
    assert read(**parent).parent is None


@pytest.mark.parametrize(
    ("given_kind", "expected"),
    [
        (None, SpanKind.INTERNAL), (0, SpanKind.INTERNAL), (1, SpanKind.INTERNAL), (2, SpanKind.SERVER),
        ("SPAN_KIND_CLIENT", SpanKind.CLIENT), (4, SpanKind.PRODUCER), ("SPAN_KIND_CONSUMER", SpanKind.CONSUMER),
        (77, SpanKind.INTERNAL),
    ],
)  # fmt: skip
def test_enums_are_numbers_or_names_and_new_ones_the_default(given_kind: object, expected: SpanKind) -> None:
    assert expected is read(kind=given_kind).kind


def test_missing_fields_have_their_defaults_and_unknown_ones_are_ignored() -> None:
    span = read(unheardOf={"a": [1]}, end_time_unix_nano="7")
    assert ("", None, None, {}, (), ()) == (
        span.name,
        span.start_time,
        span.end_time,
        dict(span.attributes or {}),
        span.events,
        span.links,
    )
    assert (StatusCode.UNSET, None) == (span.status.status_code, span.status.description)


def test_times_are_text_or_numbers() -> None:
    span = read(startTimeUnixNano="1544712660000000001", endTimeUnixNano=1544712661000000000)
    assert (1544712660000000001, 1544712661000000000) == (span.start_time, span.end_time)


def test_a_message_of_a_status_that_is_no_error_is_left_out() -> None:
    assert read(status={"code": 1, "message": "fine"}).status.description is None
    assert "bad" == read(status={"code": "STATUS_CODE_ERROR", "message": "bad"}).status.description


def test_logs_and_metrics_have_no_spans() -> None:
    assert [] == spans_of({"resourceLogs": [{}]}) == spans_of({}) == spans_of({"resourceSpans": None})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}, "traceId is expected to be 32 hexadecimal digits, got \"CvdlGRbNQ92ESOshHIAxnA==\"", id="base64 id"),
        pytest.param({"spanId": None}, "spanId is expected to be 16 hexadecimal digits, got nothing", id="no id"),
        pytest.param({"spanId": "0x7ad6b716920333"}, "spanId is expected to be 16 hexadecimal digits, got \"0x7ad6b716920333\"", id="prefixed id"),
        pytest.param({"parentSpanId": 5}, "parentSpanId is expected to be 16 hexadecimal digits, got 5", id="number as id"),
        pytest.param({"name": 5}, "name is expected to be text, got 5", id="name"),
        pytest.param({"kind": "SERVER"}, "kind is expected to be one of SPAN_KIND_UNSPECIFIED, SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER, got \"SERVER\"", id="kind"),
        pytest.param({"kind": True}, "kind is expected to be a whole number from 0 to 2147483647, got true", id="kind bool"),
        pytest.param({"status": []}, "status is expected to be an object, got a list", id="status"),
        pytest.param({"status": {"code": "BAD"}}, "status.code is expected to be one of STATUS_CODE_UNSET, STATUS_CODE_OK, STATUS_CODE_ERROR, got \"BAD\"", id="status code"),
        pytest.param({"startTimeUnixNano": "-1"}, "startTimeUnixNano is expected to be a whole number from 0 to 18446744073709551615, got \"-1\"", id="negative time"),
        pytest.param({"endTimeUnixNano": 2**64}, "endTimeUnixNano is expected to be a whole number from 0 to 18446744073709551615, got 18446744073709551616", id="late time"),
        pytest.param({"endTimeUnixNano": "1" * 400}, f"endTimeUnixNano is expected to be a whole number from 0 to 18446744073709551615, got \"{'1' * 37}...\"", id="endless time"),
        pytest.param({"events": {}}, "events is expected to be a list, got an object", id="events"),
        pytest.param({"events": [{}, 7]}, "events[1] is expected to be an object, got 7", id="event"),
        pytest.param({"links": [{"traceId": TRACE}]}, "links[0].spanId is expected to be 16 hexadecimal digits, got nothing", id="link"),
        pytest.param({"attributes": [{"key": "a", "value": "x"}]}, "attributes[0].value is expected to be an object, got \"x\"", id="plain value"),
        pytest.param({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, "attributes[0].value.intValue is expected to be a whole number from -9223372036854775808 to 9223372036854775807, got \"x\"", id="value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OtlpJsonError) as caught:
        spans_of(document(**fields))
    assert f"resourceSpans[0].scopeSpans[0].spans[0].{message}" == str(caught.value)


@pytest.mark.parametrize("data", [None, 5, "x", [], [{"resourceSpans": []}]])
def test_a_document_that_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(OtlpJsonError, match=r"^is expected to be an object, got"):
        spans_of(data)


def test_a_wrong_resource_is_named() -> None:
    with pytest.raises(OtlpJsonError, match=r"^resourceSpans\[0\].resource.attributes is expected to be a list"):
        spans_of({"resourceSpans": [{"resource": {"attributes": 5}}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "arrayValue", "values", "kind", "flags"]
    ), inner, max_size=4),
    max_leaves=30,
)  # fmt: skip


@given(JSON)
def test_any_json_is_spans_or_an_error(data: object) -> None:
    try:
        for span in spans_of(data):
            _hot.encode(span)
    except OtlpJsonError as error:
        assert str(error).isprintable() or data


def test_a_line_of_a_file_is_a_document() -> None:
    ((line, data),) = documents(line_of(read(name="é")))
    assert (1, ["é"]) == (line, [span.name for span in spans_of(data)])
