"""Any trace state: what is written after a decision says its weight once, and leaves the other vendors' entries alone."""

from __future__ import annotations

from opentelemetry.trace import TraceState

from fuzz.source import Source
from otel_errsample._hot import format_threshold, parse_ot, randomness_of, reweigh, weigh

MOST = 1024
WORDS = (
    b"ot=", b"th:", b"rv:", b"ot=th:8", b"rv:0123456789abcd", b"th:fd70a", b";", b",", b"a=1", b"congo=t61rcWkgMzE", b"x@y=z",
    b"th:0", b"th:ffffffffffffff",
)  # fmt: skip

AS_IS, SET, ERASED, LEAST = range(4)
SCALE = 1 << 56


def check(data: bytes) -> None:
    source = Source(data)
    weight = source.below(4)
    threshold = source.whole(7)
    floor = source.pick((0, SCALE, source.whole(7)))
    trace = source.whole(8)
    header = source.rest().decode("latin-1")
    th, rv, others = parse_ot(header)
    assert th is None or 0 <= th < SCALE
    assert rv is None or 0 <= rv < SCALE
    assert "th" not in others
    assert "rv" not in others
    state = TraceState.from_header([header])
    entries = {key: value for key, value in state.items() if key != "ot"}
    assert 0 <= randomness_of(state, trace) < SCALE
    new = reweigh(state, trace, weight, threshold, floor)
    if new is None:
        return
    assert weight != AS_IS
    read = TraceState.from_header([new])
    assert len(new.split(",")) == len(read) or not new, "all of it can be read back"
    assert len(read) <= 32
    kept = {key: value for key, value in read.items() if key != "ot"}
    assert list(entries.items())[: len(kept)] == list(kept.items()), "the others keep their order and values"
    assert len(kept) >= min(len(entries), 31)
    after, rv_after, _ = parse_ot(read.get("ot") or "")
    _, rv_before, _ = parse_ot(state.get("ot") or "")
    assert rv_before == rv_after, "the randomness is the trace's, not ours"
    if weight == ERASED:
        assert after is None
    else:
        assert after is not None
        assert read.get("ot", "").startswith(f"th:{format_threshold(after)}")
        if weight == SET:
            assert after >= threshold
    assert reweigh(read, trace, weight, threshold, floor) in (None, new)
    if floor == 0 and weight == SET:
        weighed = weigh(state, threshold)
        assert weighed is not None
        assert weighed.to_header() == new
