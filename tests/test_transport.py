"""Which transport a setting opens, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otel_errsample.transport import Answer, Outcome, open_transport
from otel_errsample.transport.grpc import GrpcTransport
from otel_errsample.transport.http import HttpTransport
from otel_errsample.transport.settings import OtlpSettings


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        pytest.param(OtlpSettings(), GrpcTransport, id="grpc"),
        pytest.param(OtlpSettings("http/protobuf", "http://localhost:4318/v1/traces"), HttpTransport, id="http"),
    ],
)
def test_the_protocol_decides(settings: OtlpSettings, kind: type) -> None:
    transport = open_transport(settings)
    assert kind is type(transport)
    assert settings.endpoint == transport.endpoint


def test_opening_connects_nowhere_and_closing_twice_is_harmless() -> None:
    transport = open_transport(OtlpSettings(endpoint="no-such-host.invalid:4317"))
    transport.close()
    transport.close()


def test_an_http_user_does_not_load_grpc() -> None:
    program = (
        "import sys; from otel_errsample.transport import open_transport; "
        "from otel_errsample.transport.settings import OtlpSettings; "
        "open_transport(OtlpSettings('http/protobuf', 'http://localhost:4318/v1/traces')); "
        "print('grpc' in sys.modules)"
    )
    output = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=True)
    assert "False" == output.stdout.strip()


def test_an_answer_says_nothing_it_was_not_told() -> None:
    assert Answer(Outcome.RETRY, 0, None, False, "", "") == Answer(Outcome.RETRY)
