"""A receiver takes what real exporters send, follows its script, and runs in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply, unavailable
from otel_errsample.transport import Outcome, open_transport
from otel_errsample.transport.settings import OtlpSettings
from tests.otlp import request

protocols = pytest.mark.parametrize("protocol", ["grpc", "http"])


def settings_for(protocol: str, port: int) -> OtlpSettings:
    if protocol == "grpc":
        return OtlpSettings("grpc", f"127.0.0.1:{port}")
    return OtlpSettings("http/protobuf", f"http://127.0.0.1:{port}/v1/traces")


@protocols
def test_the_official_exporters_are_understood(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        exporter = (
            GrpcExporter(receiver.endpoint, insecure=True) if protocol == "grpc" else HttpExporter(receiver.endpoint)
        )
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("tracer").start_span("checkout").end()
        provider.shutdown()
        assert receiver.wait_for(1)
        received = receiver.spans()[0]
        assert ("checkout", "tracer") == (received.span.name, received.scope.name)
        assert "shop" in [attribute.value.string_value for attribute in received.resource.attributes]


@protocols
def test_the_environment_it_offers_leads_to_it(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        warnings: list[str] = []
        settings = OtlpSettings.from_env(receiver.environ, lambda name, message: warnings.append(message))
        assert ([], receiver.settings()) == (warnings, settings)


@protocols
def test_a_script_may_be_a_function(protocol: str) -> None:
    def choose(payload: bytes) -> Reply:
        return unavailable() if len(payload) > 500 else Reply()

    with Receiver(protocol, choose) as receiver:
        transport = open_transport(receiver.settings())
        outcomes = [transport.send(request("a", filler=size), 5.0).outcome for size in (10, 1000)]
        transport.close()
    assert [Outcome.ACCEPTED, Outcome.RETRY] == outcomes


@protocols
def test_what_was_received_stays_readable_after_the_end(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        transport = open_transport(receiver.settings())
        transport.send(request("a"), 5.0)
        transport.close()
    assert (["a"], 1) == ([received.span.name for received in receiver.spans()], len(receiver.requests))


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="protocol is expected to be 'grpc' or 'http', got 'smtp'"):
        Receiver("smtp")


def run(*options: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "otel_errsample.testing.receiver", *options)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def summary_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate(timeout=30)
    assert 0 == process.returncode
    found: dict[str, Any] = json.loads(output)
    return found


@protocols
def test_the_command_prints_its_port_and_at_the_end_a_summary(protocol: str) -> None:
    process = run("--protocol", protocol, "--script", '[{"status": "UNAVAILABLE", "retry_after": 2}]')
    transport = open_transport(settings_for(protocol, port_of(process)))
    answers = [transport.send(request("a", "b"), 10.0) for _ in range(3)]
    transport.close()
    assert [(Outcome.RETRY, 2.0), (Outcome.ACCEPTED, None), (Outcome.ACCEPTED, None)] == [
        (answer.outcome, answer.retry_after) for answer in answers
    ]
    assert {
        "requests": 3,
        "bytes": 3 * len(request("a", "b")),
        "spans": 4,
        "distinct_span_ids": 2,
        "by_name": {"a": 2, "b": 2},
        "by_status": {"STATUS_CODE_ERROR": 4},
    } == summary_of(process)


@protocols
def test_the_command_ends_at_sigterm_and_a_sink_only_counts(protocol: str) -> None:
    process = run("--protocol", protocol, "--sink")
    transport = open_transport(settings_for(protocol, port_of(process)))
    assert Outcome.ACCEPTED is transport.send(request("a", "b"), 10.0).outcome
    transport.close()
    os.kill(process.pid, signal.SIGTERM)
    assert {"requests": 1, "bytes": len(request("a", "b"))} == summary_of(process)
