"""A transport that sends nothing: it keeps what it is given and answers what it is told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_errsample.transport import Answer, Outcome

Step = Answer | Callable[[bytes, float], Answer]

_ACCEPTED = Answer(Outcome.ACCEPTED)


class CollectingTransport:
    """A `Transport` for tests of what is above one.

    `script` holds an answer, or a function of payload and timeout that returns one, for each send to come; when it is
    used up, `then` answers. `payloads` are all requests in the order they came, `accepted` those answered ACCEPTED.
    `aborts`, `closes` and `forgets` count the calls. An exception raised by a step reaches the caller, which a real
    transport promises not to let happen.
    """

    endpoint = "memory"

    def __init__(self, script: Iterable[Step] = (), then: Step = _ACCEPTED) -> None:
        self.script = deque(script)
        self.then = then
        self.payloads: list[bytes] = []
        self.accepted: list[bytes] = []
        self.timeouts: list[float] = []
        self.aborts = self.closes = self.forgets = 0
        self.waiting = threading.Event()
        self._aborted = threading.Event()
        self._changed = threading.Condition()

    def send(self, payload: bytes, timeout: float) -> Answer:
        with self._changed:
            self.payloads.append(payload)
            self.timeouts.append(timeout)
            step = self.script.popleft() if self.script else self.then
            self._changed.notify_all()
        answer = step if isinstance(step, Answer) else step(payload, timeout)
        if answer.outcome is Outcome.ACCEPTED:
            with self._changed:
                self.accepted.append(payload)
                self._changed.notify_all()
        return answer

    def hang(self, payload: bytes, timeout: float) -> Answer:
        """Answer nothing until `abort` or the timeout, as a black hole does; `waiting` is set meanwhile. A step."""
        self._aborted.clear()
        self.waiting.set()
        cause = "aborted" if self._aborted.wait(timeout) else "timeout"
        self.waiting.clear()
        return Answer(Outcome.RETRY, maybe_delivered=True, cause=cause)

    def abort(self) -> None:
        self.aborts += 1
        self._aborted.set()

    def close(self, patience: float = 0.1) -> None:
        self.closes += 1
        self._aborted.set()

    def forget(self) -> None:
        self.forgets += 1

    def wait_for(self, requests: int, timeout: float = 10.0) -> bool:
        """Wait until so many requests were accepted; False when the timeout in seconds comes first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.accepted) >= requests, timeout)

    def spans(self) -> list[Span]:
        """Return the spans of the accepted requests."""
        requests = map(ExportTraceServiceRequest.FromString, self.accepted)
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
