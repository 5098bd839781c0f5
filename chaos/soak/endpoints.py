"""A receiver that can be told to misbehave while it runs, and what arrived at any of them."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from chaos.soak.books import Identity, identity
from chaos.soak.traffic import IDENTITY
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply, unavailable
from otel_errsample.testing.store import unpack

_ACCEPT: Final = Reply()
_REFUSE: Final = Reply("INVALID_ARGUMENT", message="a span is not welcome")

MISDEEDS: Final[dict[str, Reply]] = {
    "unavailable": unavailable(),
    "throttling": unavailable(retry_after=1.0),
    "a black hole": Reply(fault="black_hole"),
    "reset": Reply(fault="reset"),
    "dripping": Reply(fault="drip"),
    # Answers for good, after which OTLP forbids another attempt: what becomes of the spans is the receiver's affair.
    "endless": Reply(fault="endless", stored=True),
    "a server error": Reply(500, stored=True),
    "slow": Reply(delay=0.4),
    "a lost answer": Reply(fault="black_hole", stored=True),
    "a partial success": Reply(rejected=1, message="one of them is not right"),
}
"""What it answers; without a relay in front of it a gRPC server can neither reset a connection nor drip."""
OVER_HTTP_ALONE: Final = ("reset", "dripping")


class Arrivals:
    """Every span that was accepted, by its id, and what is wrong with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.times: Counter[Identity] = Counter()
        self.unanswered = 0
        """Requests that were taken and whose answer never came: each may come once more."""
        self.repeated: set[int] = set()
        """Requests, by their number, of which spans came in a later one too."""
        self.faults: list[str] = []
        self._requests = 0
        self._came_in: dict[Identity, int] = {}

    def take(self, payload: bytes, answered: bool) -> None:
        with self._lock:
            self._requests += 1
            self.unanswered += not answered
            for _, _, span in unpack(payload):
                number = int.from_bytes(span.span_id, "big")
                try:
                    self._note(identity(number))
                except ValueError:
                    self.faults.append(f"a span of nobody, {number:x}, has arrived")
                inside = [one.value.int_value for one in span.attributes if one.key == IDENTITY]
                if [number] != inside:
                    self.faults.append(f"the span {number:x} has arrived with the attributes of {inside}")

    def _note(self, one: Identity) -> None:
        self.times[one] += 1
        if one in self._came_in:
            self.repeated.add(self._came_in[one])
        self._came_in[one] = self._requests


class Endpoint:
    """A receiver at a port of its own, on which it can go away and come back."""

    def __init__(self, protocol: str, arrivals: Arrivals) -> None:
        self.protocol = protocol
        self.misdeeds = [name for name in MISDEEDS if protocol == "http" or name not in OVER_HTTP_ALONE]
        self._arrivals = arrivals
        self._reply = _ACCEPT
        self._picky = False
        self._receiver: Receiver | None = None
        self._port = 0
        self.up()

    @property
    def variables(self) -> dict[str, str]:
        assert self._receiver is not None
        return self._receiver.environ

    def up(self) -> None:
        if self._receiver is None:
            self._receiver = Receiver(self.protocol, self._answer, port=self._port, keep=False)
            self._port = self._receiver.port

    def down(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None

    def behave(self) -> None:
        """Answer as a receiver should from now on; those that were held are let go by a restart."""
        self._reply = _ACCEPT
        self._picky = False
        self.up()

    def misbehave(self, misdeed: str) -> None:
        """One of `misdeeds`, or "picky": refuse requests with an unwelcome span in them."""
        self._picky = misdeed == "picky"
        self._reply = MISDEEDS.get(misdeed, _ACCEPT)

    def _answer(self, payload: bytes) -> Reply:
        reply = self._reply
        if self._picky and any(received.span.name == "unwelcome" for received in unpack(payload)):
            reply = _REFUSE
        if reply.stores:
            self._arrivals.take(payload, not reply.fault)
        return reply
