"""A collecting transport answers by its script and remembers what it was given."""

from __future__ import annotations

import threading

from otel_errsample.testing import CollectingTransport
from otel_errsample.transport import Answer, Outcome, Transport
from tests.otlp import request

_RETRY = Answer(Outcome.RETRY, cause="503")


def test_it_is_a_transport() -> None:
    transport: Transport = CollectingTransport()
    assert Answer(Outcome.ACCEPTED) == transport.send(request("a"), 1.0)


def test_the_script_is_followed_and_then_everything_is_accepted() -> None:
    transport = CollectingTransport([_RETRY, lambda payload, timeout: Answer(Outcome.ACCEPTED, rejected=len(payload))])
    payloads = [request("a"), request("b"), request("c")]
    answers = [transport.send(payload, 2.0) for payload in payloads]
    assert [_RETRY, Answer(Outcome.ACCEPTED, rejected=len(payloads[1])), Answer(Outcome.ACCEPTED)] == answers
    assert (payloads, payloads[1:], [2.0] * 3) == (transport.payloads, transport.accepted, transport.timeouts)
    assert ["b", "c"] == [span.name for span in transport.spans()]


def test_what_comes_after_the_script_can_be_chosen() -> None:
    transport = CollectingTransport(then=_RETRY)
    assert [_RETRY] * 2 == [transport.send(b"", 1.0) for _ in range(2)]


def test_a_hanging_send_ends_with_abort() -> None:
    transport = CollectingTransport()
    transport.script.append(transport.hang)
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(transport.send(b"", 60.0)))
    thread.start()
    assert transport.waiting.wait(10.0)
    transport.abort()
    thread.join(10.0)
    assert [Answer(Outcome.RETRY, maybe_delivered=True, cause="aborted")] == answers
    assert 1 == transport.aborts


def test_a_hanging_send_ends_with_its_timeout() -> None:
    transport = CollectingTransport(then=_RETRY)
    transport.script.append(transport.hang)
    assert "timeout" == transport.send(b"", 0.01).cause


def test_a_test_can_wait_for_accepted_requests() -> None:
    transport = CollectingTransport([_RETRY])
    transport.send(b"", 1.0)
    assert not transport.wait_for(1, timeout=0.01)
    thread = threading.Thread(target=lambda: transport.send(b"", 1.0))
    thread.start()
    assert transport.wait_for(1)
    thread.join()


def test_calls_are_counted() -> None:
    transport = CollectingTransport()
    transport.abort()
    transport.close()
    transport.close()
    transport.forget()
    assert (1, 2, 1) == (transport.aborts, transport.closes, transport.forgets)
