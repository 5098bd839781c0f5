"""What stands for an error that has no frame: its code, the remote method, the template of its message."""

from __future__ import annotations

from enum import Enum

import pytest
import requests
from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from tests.failures import failing


def test_a_code_stands_for_the_message() -> None:
    classifier = _hot.Classifier()
    codes = {"http.response.status_code": 503, "http.route": "/pay"}
    first = classifier.facts(codes=codes)
    assert first.fingerprint == classifier.facts(codes=dict(codes), name="other").fingerprint
    assert first.fingerprint != classifier.facts(codes={**codes, "http.response.status_code": 500}).fingerprint
    assert first.fingerprint != classifier.facts(codes={**codes, "http.route": "/ship"}).fingerprint


def test_a_remote_method_is_a_place() -> None:
    classifier = _hot.Classifier()
    codes = {"rpc.grpc.status_code": 14, "rpc.service": "Shop", "rpc.method": "Pay"}
    assert (
        classifier.facts(codes=codes, name="a").fingerprint == classifier.facts(codes=codes, name="b").fingerprint
        != classifier.facts(codes={**codes, "rpc.method": "Ship"}).fingerprint
    )  # fmt: skip
    # As the present conventions write it.
    present = {"rpc.response.status_code": "UNAVAILABLE", "rpc.method": "Shop/Pay"}
    assert classifier.facts(codes=codes).fingerprint == classifier.facts(codes=present).fingerprint


@pytest.mark.scenario("A2")
def test_texts_of_other_types_are_the_text_they_hold_and_run_no_code() -> None:
    """An application's route is often a member of an enum of strings."""

    class Text(str, Enum):
        PAY = "Pay"

        def __format__(self, spec: str) -> str:
            raise RuntimeError("format")

        __str__ = __repr__ = __format__  # type: ignore[assignment]

    classifier = _hot.Classifier()
    for place in ({"http.route": "Pay"}, {"rpc.method": "Pay", "rpc.service": "Pay"}):
        codes = {"rpc.grpc.status_code": 14, **place}
        odd = {name: Text.PAY if value == "Pay" else value for name, value in codes.items()}
        assert classifier.facts(codes=codes).fingerprint == classifier.facts(codes=odd).fingerprint
    assert classifier.facts(codes={"rpc.method": "Pay", "rpc.service": object()}).fingerprint


def test_a_client_tells_its_peers_apart_by_both_conventions() -> None:
    """Its spans are called GET whomever it calls."""
    classifier = _hot.Classifier()

    def told(kind: SpanKind = SpanKind.CLIENT, **named: str) -> str | None:
        codes = {
            "http.response.status_code": 503,
            **{name.replace("_", "."): value for name, value in named.items()},
        }
        return classifier.facts(codes=codes, span_kind=kind, name="GET").fingerprint

    pay = told(server_address="pay.shop.test")
    assert pay == told(url_full="https://u:p@PAY.shop.test:8443/a?b#c") == told(http_url="http://pay.shop.test")
    assert len({pay, told(), told(server_address="ship.shop.test"), told(server_address="10.0.0.1")}) == 4
    assert told(server_address="10.0.0.1") == told(http_url="http://10.0.0.2:80/") == told(server_address="::1")
    assert told(server_address="10.0.0.1") == told(url_full="http://[fe80::1]/a")
    assert told(server_address="db-1.test") == told(server_address="db-22.test")
    assert told() == told(http_url="/relative") == told(http_url="http://")
    assert told(SpanKind.SERVER) == told(SpanKind.SERVER, server_address="pay.shop.test")


def test_errors_of_a_coded_class_differ_by_code() -> None:
    classifier = _hot.Classifier()
    errors = []
    for status in (404, 503, 404):
        response = requests.Response()
        response.status_code = status
        response.url = "https://shop.example/pay"
        errors.append(classifier.facts(failing(response.raise_for_status)).fingerprint)
    assert errors[0] == errors[2] != errors[1]
