"""What a transport answers when the network, the server or the certificates fail; both protocols, real sockets."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.relay import Relay
from otel_errsample.testing.replies import Reply, refuse_spans, unavailable
from otel_errsample.transport import Answer, Outcome
from otel_errsample.transport.settings import OtlpSettings
from tests.exchange import exchange, opened, protocols, settings_for
from tests.otlp import request
from tests.ports import refusing

_ONE = request("one")
_DEADLINE = 0.5
# How much later than its deadline a send may return on a busy machine; far below what a missed deadline would take.
_SLACK = 2.0


def timed(send: Callable[[], Answer]) -> tuple[Answer, float]:
    begun = time.monotonic()
    return send(), time.monotonic() - begun


@contextmanager
def rude_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections below the level of any protocol; yields the port."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    behave(connection)
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def reset_at_once(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# Reaching the server


@protocols
def test_a_request_arrives_as_it_is_and_the_connection_is_kept(protocol: str) -> None:
    with exchange(protocol) as (transport, receiver):
        assert [Answer(Outcome.ACCEPTED)] * 3 == [transport.send(request("a", "b"), 5.0) for _ in range(3)]
        assert ["a", "b"] * 3 == [received.span.name for received in receiver.spans()]
        assert "tests" == receiver.spans()[0].scope.name
        assert {len(request("a", "b"))} == {seen.size for seen in receiver.requests}


@protocols
def test_headers_and_user_agent_are_sent(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        with opened(receiver.settings(headers=(("api-key", "k"), ("x-tenant", "t")))) as transport:
            transport.send(_ONE, 5.0)
        sent = receiver.requests[0].headers
        assert ("k", "t") == (sent["api-key"], sent["x-tenant"])
        assert sent["user-agent"].startswith("OTel-OTLP-Exporter-Python/")
        assert " otel-errsample/" in sent["user-agent"]


@protocols
def test_gzip_makes_a_request_smaller_on_the_wire_only(protocol: str) -> None:
    payload = request("one", filler=10_000)
    with Receiver(protocol) as receiver, opened(receiver.settings(compression="gzip")) as transport:
        assert Outcome.ACCEPTED is transport.send(payload, 5.0).outcome
        seen = receiver.requests[0]
        assert ("gzip", len(payload)) == (seen.compression, seen.size)
        assert seen.wire_size < len(payload) / 10


@pytest.mark.scenario("D1")
@protocols
def test_a_refused_connection_is_retried_and_was_not_delivered(protocol: str) -> None:
    with refusing() as port, opened(settings_for(protocol, port)) as transport:
        answer, elapsed = timed(lambda: transport.send(_ONE, 10.0))
    assert (Outcome.RETRY, False) == (answer.outcome, answer.maybe_delivered)
    assert {"grpc": "UNAVAILABLE", "http": "refused"}[protocol] == answer.cause
    assert elapsed < 5.0


@pytest.mark.scenario("D1")
@protocols
def test_a_connection_reset_at_once_is_retried(protocol: str) -> None:
    with rude_server(reset_at_once) as port, opened(settings_for(protocol, port)) as transport:
        answer = transport.send(_ONE, 5.0)
    assert Outcome.RETRY is answer.outcome
    assert {"grpc": "UNAVAILABLE", "http": "reset"}[protocol] == answer.cause


@pytest.mark.scenario("D1")
@protocols
def test_a_name_that_does_not_resolve_is_retried_and_was_not_delivered(protocol: str) -> None:
    settings = settings_for(protocol, 4317)
    with opened(
        replace(settings, endpoint=settings.endpoint.replace("127.0.0.1", "no-such-host.invalid"))
    ) as transport:
        answer, elapsed = timed(lambda: transport.send(_ONE, 3.0))
    assert (Outcome.RETRY, elapsed < 3.0 + _SLACK) == (answer.outcome, True)
    assert {"grpc": ("UNAVAILABLE", "DEADLINE_EXCEEDED"), "http": ("dns", "timeout")}[protocol].count(answer.cause)


@pytest.mark.scenario("D1", "I7")
@protocols
def test_proxies_and_netrc_of_the_environment_are_not_used(
    protocol: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Receiver(protocol) as receiver:
        with opened(receiver.settings(headers=(("authorization", "Bearer mine"),))) as transport:
            assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
        assert "Bearer mine" == receiver.requests[0].headers["authorization"]


@pytest.mark.scenario("D1")
@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_ipv6_address_is_reached() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 loopback")

    def answer_once() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with server:
        threading.Thread(target=answer_once, daemon=True).start()
        settings = OtlpSettings("http/protobuf", f"http://[::1]:{server.getsockname()[1]}/v1/traces")
        with opened(settings) as transport:
            assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


# Deadlines and abort


@pytest.mark.scenario("D1", "D6")
@protocols
@pytest.mark.parametrize("fault", ["black_hole", "drip", "drip_body"])
def test_a_deadline_holds_against_a_server_that_is_silent_or_drips(protocol: str, fault: str) -> None:
    with exchange(protocol, then=Reply(fault=fault)) as (transport, _):
        answer, elapsed = timed(lambda: transport.send(_ONE, _DEADLINE))
    assert elapsed < _DEADLINE + _SLACK
    assert (Outcome.RETRY, True) == (answer.outcome, answer.maybe_delivered)
    assert {"grpc": "DEADLINE_EXCEEDED", "http": "timeout"}[protocol] == answer.cause


@pytest.mark.scenario("D1")
@protocols
def test_a_deadline_holds_against_a_half_open_connection_and_the_next_send_connects_afresh(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        relay = Relay(receiver.port)
        with opened(settings_for(protocol, relay.port)) as transport:
            assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
            relay.mode = "swallow"
            answer, elapsed = timed(lambda: transport.send(_ONE, _DEADLINE))
            assert (Outcome.RETRY, True) == (answer.outcome, answer.maybe_delivered)
            assert elapsed < _DEADLINE + _SLACK
            relay.mode = "pass"
            assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
        relay.close()


@protocols
def test_no_time_is_no_send(protocol: str) -> None:
    with exchange(protocol) as (transport, _):
        answer, elapsed = timed(lambda: transport.send(_ONE, 0.0))
    assert (Outcome.RETRY, elapsed < _SLACK) == (answer.outcome, True)


@protocols
def test_abort_ends_a_running_send_and_later_sends_work(protocol: str) -> None:
    with exchange(protocol, Reply(fault="black_hole")) as (transport, receiver):
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(transport.send(_ONE, 60.0)))
        thread.start()
        assert receiver.wait_for_requests(1)
        transport.abort()
        thread.join(5.0)
        assert [Answer(Outcome.RETRY, maybe_delivered=True, cause="aborted")] == answers
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome


@protocols
def test_close_ends_a_running_send_and_a_later_send_opens_a_new_connection(protocol: str) -> None:
    with exchange(protocol, Reply(), Reply(fault="black_hole")) as (transport, receiver):
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(transport.send(_ONE, 60.0)))
        thread.start()
        assert receiver.wait_for_requests(2)
        transport.close()
        thread.join(5.0)
        assert [(Outcome.RETRY, True)] == [(answer.outcome, answer.maybe_delivered) for answer in answers]
        transport.close()
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome


@protocols
def test_abort_and_close_without_a_send_leave_nothing_behind(protocol: str) -> None:
    with exchange(protocol) as (transport, _):
        transport.abort()
        transport.close()
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)
        transport.abort()
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


@protocols
def test_forget_opens_a_connection_of_its_own(protocol: str) -> None:
    with exchange(protocol) as (transport, receiver):
        transport.send(_ONE, 5.0)
        transport.forget()
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)
        assert receiver.wait_for(2)


@protocols
def test_two_threads_may_send_at_once(protocol: str) -> None:
    with exchange(protocol) as (transport, receiver):
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.extend(transport.send(_ONE, 10.0) for _ in range(20)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert [Answer(Outcome.ACCEPTED)] * 80 == answers
        assert receiver.wait_for(80)


# Answers


@pytest.mark.scenario("D3", "D4")
@protocols
def test_a_server_that_is_busy_is_retried_after_the_wait_it_asked_for(protocol: str) -> None:
    with exchange(protocol, unavailable(retry_after=3), unavailable(), unavailable(retry_after=10**6)) as (
        transport,
        _,
    ):
        waits = []
        for _ in range(3):
            answer = transport.send(_ONE, 5.0)
            assert (Outcome.RETRY, False) == (answer.outcome, answer.maybe_delivered)
            assert {"grpc": "UNAVAILABLE", "http": "503"}[protocol] == answer.cause
            waits.append(answer.retry_after)
        assert [3.0, None, 300.0] == waits
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


@pytest.mark.scenario("D4")
@pytest.mark.parametrize(
    ("wait", "outcome"),
    [
        pytest.param(None, Outcome.REFUSED, id="without RetryInfo"),
        pytest.param(0.5, Outcome.RETRY, id="with RetryInfo"),
    ],
)
def test_exhaustion_over_grpc_is_retried_only_when_the_server_names_a_wait(
    wait: float | None, outcome: Outcome
) -> None:
    with exchange("grpc", Reply("RESOURCE_EXHAUSTED", retry_after=wait)) as (transport, _):
        answer = transport.send(_ONE, 5.0)
    assert (outcome, wait, "RESOURCE_EXHAUSTED") == (answer.outcome, answer.retry_after, answer.cause)


@protocols
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("INVALID_ARGUMENT", Outcome.REFUSED),
        ("UNAUTHENTICATED", Outcome.FAILED),
        ("PERMISSION_DENIED", Outcome.FAILED),
        ("NOT_FOUND", Outcome.FAILED),
        ("INTERNAL", Outcome.FAILED),
    ],
)
def test_an_error_that_cannot_pass_is_not_retried(protocol: str, status: str, outcome: Outcome) -> None:
    with exchange(protocol, Reply(status, message="because")) as (transport, receiver):
        answer = transport.send(_ONE, 5.0)
    assert (outcome, "because") == (answer.outcome, answer.detail)
    assert 1 == len(receiver.requests)


@pytest.mark.scenario("D5")
@protocols
def test_partial_success_is_accepted_with_the_rejected_counted(protocol: str) -> None:
    with exchange(protocol, Reply(rejected=3, message="too old"), Reply(message="upgrade")) as (transport, _):
        assert Answer(Outcome.ACCEPTED, 3, cause="partial_success", detail="too old") == transport.send(_ONE, 5.0)
        assert Answer(Outcome.ACCEPTED, 0, cause="partial_success", detail="upgrade") == transport.send(_ONE, 5.0)


@pytest.mark.scenario("C6")
@protocols
@pytest.mark.parametrize("fault", ["bomb", "endless"])
def test_a_response_without_bounds_is_given_up(protocol: str, fault: str) -> None:
    with exchange(protocol, Reply(fault=fault)) as (transport, _):
        answer = transport.send(_ONE, 20.0)
        assert (Outcome.FAILED, "response_too_large") == (answer.outcome, answer.cause)
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


@pytest.mark.scenario("D9")
@protocols
def test_a_lost_answer_is_retried_with_the_same_spans(protocol: str) -> None:
    with exchange(protocol, Reply(fault="reset", stored=True)) as (transport, receiver):
        answer = transport.send(_ONE, 5.0)
        assert (Outcome.RETRY, True) == (answer.outcome, answer.maybe_delivered)
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
        summary = receiver.summary()
        assert (2, 1) == (summary["spans"], summary["distinct_span_ids"])


@protocols
def test_a_request_above_the_servers_limit_is_refused_for_its_content(protocol: str) -> None:
    with exchange(protocol) as (transport, _):
        assert Outcome.ACCEPTED is transport.send(request("one", filler=4 * 1024 * 1024 - 1000), 20.0).outcome
        answer = transport.send(request("one", filler=4 * 1024 * 1024), 20.0)
        assert (Outcome.REFUSED, False) == (answer.outcome, answer.maybe_delivered)
        assert {"grpc": "RESOURCE_EXHAUSTED", "http": "413"}[protocol] == answer.cause


@pytest.mark.scenario("B5")
@protocols
def test_one_bad_span_refuses_its_request_and_no_other(protocol: str) -> None:
    with exchange(protocol, then=refuse_spans(lambda span: span.name == "bad")) as (transport, receiver):
        answers = [transport.send(payload, 5.0).outcome for payload in (request("good", "bad"), request("good"))]
        assert [Outcome.REFUSED, Outcome.ACCEPTED] == answers
        assert ["good"] == [received.span.name for received in receiver.spans()]


@protocols
def test_no_secret_and_no_part_of_the_request_gets_into_an_answer(protocol: str) -> None:
    message = "token s3cr3t-token, span alice@example.org, https://user:pw@host/"
    secret = (("authorization", "Bearer s3cr3t-token"),)
    with (
        Receiver(protocol, [Reply("UNAUTHENTICATED", message=message)]) as receiver,
        opened(receiver.settings(headers=secret)) as transport,
    ):
        answer = transport.send(request("alice@example.org"), 5.0)
    assert not [secret for secret in ("s3cr3t", "alice", "user:pw") if secret in repr(answer)]
    assert "https://host/" in answer.detail


@protocols
def test_a_collector_that_comes_back_on_its_port_is_found_by_the_next_send(protocol: str) -> None:
    with ExitStack() as away:
        port = away.enter_context(refusing())
        with opened(settings_for(protocol, port)) as transport:
            for _ in range(3):
                assert Outcome.RETRY is transport.send(_ONE, 5.0).outcome
            away.close()
            with Receiver(protocol, port=port):
                assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)
            assert Outcome.RETRY is transport.send(_ONE, 5.0).outcome
            with Receiver(protocol, port=port):
                assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)
