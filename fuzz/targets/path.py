"""A span of any content on the real path: started, ended, classified, decided, scrubbed, encoded, sent.

Nothing is raised, each ended span has one counted ending, and what was kept can be read by the receiver.
"""

from __future__ import annotations

from functools import cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status as WireStatus
from opentelemetry.trace import Status, StatusCode

from fuzz.source import Source
from fuzz.spans import Maker
from otel_errsample import ErrorSpanProcessor
from otel_errsample._hot import take
from otel_errsample.scrub import ALSO
from otel_errsample.testing import CollectingTransport

MOST = 4096
WORDS = (
    b"exception", b"Traceback (most recent call last):\n", b'  File "/srv/a.py", line 1, in f\n', b"ValueError: no\n",
    b"password=hunter2", b"Bearer ", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\xff\xff\xff\xff\xff\xff\xff\xff",
)  # fmt: skip

_RULES = (
    "keep",
    "a: keep first 1 per minute by fingerprint then 50% if error; b: keep if message contains \"x\"; c: head",
    "keep if error and http.route exists; drop if kind in transient; keep 5 per second by name, http.route if root",
)  # fmt: skip
_EVERYTHING = 1 << 30


class Unhurried(ErrorSpanProcessor):
    """Has no thread of its own: the check takes what waits."""

    def _start_worker(self) -> None:
        pass


@cache
def processors() -> tuple[Unhurried, ...]:
    """For all inputs: to make one takes as long as a hundred of them."""
    modes: tuple[tuple[str, dict[str, object]], ...] = (
        ("default", {"handled": True}),
        ("off", {}),
        ("strict", {"propagated_stacks": True}),
        ("default", {"scrub_also": list(ALSO), "scrub_patterns": ["[a-c]+d", "^x.*", "(?i)secret|é"]}),
    )
    return tuple(
        Unhurried(rules, scrub=scrub, options=options, transport=CollectingTransport())
        for rules in _RULES
        for scrub, options in modes
    )


def check(data: bytes) -> None:
    source = Source(data)
    processor = source.pick(processors())
    span = Maker(source, whole=True).span()
    before = processor.stats()
    processor.on_start(span)
    processor.on_end(span)
    after = processor.stats()
    assert before.ended + 1 == after.ended
    assert after.balanced
    assert dict(before.internal_errors) == dict(after.internal_errors), "nothing had to be swallowed"
    batch = take(processor.buffer, 10, _EVERYTHING, processor.buffer.newest, False)
    if batch is None:
        assert before.buffered == after.buffered
        return
    assert 1 == batch.count
    request = ExportTraceServiceRequest.FromString(batch.payload(0, 1))
    ((wire,),) = [scope.spans for resource in request.resource_spans for scope in resource.scope_spans]
    batch.end(0, 1, "delivered")
    assert processor.stats().balanced
    if type(span.status) is Status and span.status.status_code is StatusCode.ERROR:
        assert WireStatus.STATUS_CODE_ERROR == wire.status.code
