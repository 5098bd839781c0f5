"""Replies say the same over both protocols, and a misspelt one is refused when it is made."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_errsample.testing.replies import Reply, refuse_spans, unavailable


@pytest.mark.parametrize(
    ("reply", "status", "stores"),
    [
        pytest.param(Reply(), 200, True, id="accept"),
        pytest.param(Reply(200), 200, True, id="200"),
        pytest.param(unavailable(), 503, False, id="unavailable"),
        pytest.param(Reply("INVALID_ARGUMENT"), 400, False, id="invalid"),
        pytest.param(Reply("DATA_LOSS"), 500, False, id="a code OTLP/HTTP has no status for"),
        pytest.param(Reply(fault="reset"), 200, False, id="fault"),
        pytest.param(Reply(fault="reset", stored=True), 200, True, id="stored, then reset"),
        pytest.param(refuse_spans(lambda span: True), 200, True, id="predicate, before it is asked"),
    ],
)
def test_a_reply_has_an_http_status_and_stores_what_it_accepts(reply: Reply, status: int, stores: bool) -> None:
    assert (status, stores) == (reply.http_status, reply.stores)


def test_a_full_success_is_empty_and_a_partial_one_is_not() -> None:
    assert b"" == Reply().response()
    partial = ExportTraceServiceResponse.FromString(Reply(rejected=2, message="m").response()).partial_success
    assert (2, "m") == (partial.rejected_spans, partial.error_message)


@pytest.mark.parametrize("fields", [{"fault": "explode"}, {"status": "unavailable"}, {"status": ""}])
def test_a_misspelt_reply_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is expected to be"):
        Reply(**fields)
