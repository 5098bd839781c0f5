"""ext/tracestate.pyx: the weight of an exported span, and the randomness it is measured by."""

from __future__ import annotations

import copy
import pickle
import string
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import DEFAULT_TRACE_STATE, TraceState

from otel_errsample._hot import ClassicState, format_threshold, parse_ot, randomness_of, reweigh, threshold_of, weigh

AS_IS, SET, ERASED, LEAST = 0, 1, 2, 3  # the TH_* of ext/decide.pyx
SCALE = 1 << 56  # as a floor: only what the head sampler takes arrives
ALL = 0  # as a floor
RV = "0123456789abcd"

thresholds = st.integers(0, SCALE - 1)
sub_keys = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8).filter(
    lambda key: key[0].isalpha() and key not in ("th", "rv")
)
sub_values = st.text(string.ascii_letters + string.digits + "._-", max_size=20)
vendor_keys = st.from_regex(r"[a-z][_0-9a-z\-*/]{0,20}", fullmatch=True).filter(lambda key: key != "ot")
vendor_values = st.from_regex(r"[!-+\--<>-~]{1,30}", fullmatch=True)


@st.composite
def ot_values(draw: st.DrawFn) -> str:
    members = [f"{key}:{value}" for key, value in draw(st.dictionaries(sub_keys, sub_values, max_size=3)).items()]
    if draw(st.booleans()):
        members.append("th:" + format_threshold(draw(thresholds)))
    if draw(st.booleans()):
        members.append(f"rv:{draw(thresholds):014x}")
    return ";".join(draw(st.permutations(members)))


@st.composite
def trace_states(draw: st.DrawFn) -> TraceState:
    entries = list(draw(st.dictionaries(vendor_keys, vendor_values, max_size=6)).items())
    if ot := draw(ot_values()):
        entries.insert(draw(st.integers(0, len(entries))), ("ot", ot))
    return TraceState(entries)


def state(header: str) -> TraceState:
    return TraceState.from_header([header])


@pytest.mark.parametrize(
    ("header", "weight", "expected"),
    [
        pytest.param("", SET, "ot=th:8", id="set on nothing"),
        pytest.param("a=1,b=2", SET, "ot=th:8,a=1,b=2", id="set before other vendors"),
        pytest.param("a=1,ot=th:c,b=2", SET, "ot=th:8,a=1,b=2", id="changed entry moves to the front"),
        pytest.param("a=1,ot=th:8,b=2", SET, None, id="same th stays in place"),
        pytest.param(f"ot=rv:{RV};x:1;th:c", SET, f"ot=th:8;rv:{RV};x:1", id="rv and other sub-keys stay"),
        pytest.param("a=1,ot=th:c,b=2", ERASED, "a=1,b=2", id="erased entry goes when empty"),
        pytest.param("ot=th:c", ERASED, "", id="erased to no entry at all"),
        pytest.param(f"a=1,ot=th:c;rv:{RV}", ERASED, f"ot=rv:{RV},a=1", id="erased th leaves rv"),
        pytest.param(f"a=1,ot=rv:{RV}", ERASED, None, id="nothing to erase"),
        pytest.param("", ERASED, None, id="nothing at all to erase"),
        pytest.param("a=1,ot=th:c", AS_IS, None, id="as the head sampler wrote it"),
        pytest.param("ot=th:xyz;rv:12;Bad:1;x:1", SET, "ot=th:8;x:1", id="malformed members go"),
        pytest.param("a=1,ot=garbage", ERASED, "a=1", id="malformed value goes"),
    ],
)
def test_header_says_the_weight_once(header: str, weight: int, expected: str | None) -> None:
    assert expected == reweigh(state(header), 0, weight, 1 << 55, ALL)


@pytest.mark.parametrize(
    ("header", "threshold", "expected"),
    [
        pytest.param("ot=th:c", 0, None, id="lower: the head's stands"),
        pytest.param("ot=th:8", 3 << 54, "ot=th:c", id="higher: the rule's is written"),
        pytest.param("", 0, None, id="unknown head: nothing is claimed"),
        pytest.param(f"ot=rv:{RV}", 3 << 54, None, id="unknown head, higher: nothing is claimed"),
        pytest.param("ot=th:nonsense", 0, None, id="unreadable head: nothing is claimed"),
    ],
)
def test_no_th_below_the_head_samplers_where_unsampled_spans_do_not_arrive(
    header: str, threshold: int, expected: str | None
) -> None:
    assert expected == reweigh(state(header), 0, SET, threshold, SCALE)


def test_limiters_erase_the_head_samplers_th_too_where_unsampled_spans_do_not_arrive() -> None:
    assert reweigh(state("ot=th:c,a=1"), 0, ERASED, 0, SCALE) == "a=1"


@given(trace_states(), thresholds)
def test_a_set_th_reads_back_and_everything_else_survives(before: TraceState, threshold: int) -> None:
    header = reweigh(before, 0, SET, threshold, ALL)
    after = before if header is None else state(header)
    old, new = parse_ot(before.get("ot", "")), parse_ot(after["ot"])
    assert (threshold, old[1], old[2]) == new
    assert [item for item in before.items() if item[0] != "ot"] == [item for item in after.items() if item[0] != "ot"]
    assert header is None or next(iter(after)) == "ot"


@given(trace_states())
def test_an_erased_th_is_gone_and_everything_else_survives(before: TraceState) -> None:
    header = reweigh(before, 0, ERASED, 0, ALL)
    after = before if header is None else state(header)
    assert (None, *parse_ot(before.get("ot", ""))[1:]) == parse_ot(after.get("ot", ""))
    assert [item for item in before.items() if item[0] != "ot"] == [item for item in after.items() if item[0] != "ot"]


@given(trace_states(), thresholds)
def test_the_weight_is_never_below_the_heads_where_unsampled_spans_do_not_arrive(
    before: TraceState, threshold: int
) -> None:
    header = reweigh(before, 0, SET, threshold, SCALE)
    head = parse_ot(before.get("ot", ""))[0]
    written = parse_ot((before if header is None else state(header)).get("ot", ""))[0]
    assert (None if head is None else max(head, threshold)) == written


@given(st.text(string.printable.replace(",", "").replace("=", ""), max_size=300))
def test_whatever_ot_holds_the_new_header_is_valid(text: str) -> None:
    header = reweigh(TraceState([("ot", text)]), 0, SET, 1 << 55, ALL)
    assert header is None or parse_ot(state(header)["ot"])[0] == 1 << 55


def test_an_ot_entry_stays_within_256_characters_and_keeps_th_and_rv() -> None:
    long = ";".join(f"k{number}:{'x' * 20}" for number in range(9))
    header = reweigh(TraceState([("ot", f"{long};rv:{RV}")]), 0, SET, 0xFD70A4000000FF, ALL)
    assert header is not None
    assert len(header) - len("ot=") <= 256
    th, rv, others = parse_ot(header.removeprefix("ot="))
    assert (0xFD70A4000000FF, int(RV, 16)) == (th, rv)
    assert list(others) == [f"k{number}" for number in range(len(others))]


def test_a_full_trace_state_gives_up_its_last_entry() -> None:
    entries = [(f"v{number}", "1") for number in range(32)]
    header = reweigh(TraceState(entries), 0, SET, 0, ALL)
    assert [("ot", "th:0"), *entries[:31]] == list(state(header or "").items())


def test_a_full_trace_state_with_an_ot_entry_loses_none() -> None:
    entries = [(f"v{number}", "1") for number in range(31)]
    header = reweigh(TraceState([*entries, ("ot", "th:c")]), 0, SET, 0, ALL)
    assert [("ot", "th:0"), *entries] == list(state(header or "").items())


def test_no_code_of_the_users_runs() -> None:
    class Hostile(TraceState):
        def items(self):
            raise AssertionError("called")

        __len__ = __iter__ = __getitem__ = items  # type: ignore[assignment]

    class Text(str):
        __slots__ = ()

        def __format__(self, spec: str) -> str:
            raise AssertionError("called")

    assert reweigh(Hostile([("ot", "th:c")]), 0, SET, 0, ALL) is None
    assert reweigh(TraceState([("a", Text("1"))]), 0, SET, 0, ALL) is None
    assert reweigh("ot=th:c", 0, SET, 0, ALL) is None
    assert randomness_of(Hostile([("ot", f"rv:{RV}")]), 5) == 5


@pytest.mark.parametrize("nothing", [None, DEFAULT_TRACE_STATE, TraceState()], ids=["None", "default", "empty"])
def test_no_trace_state_is_an_empty_one(nothing: TraceState | None) -> None:
    assert reweigh(nothing, 0, SET, 0, ALL) == "ot=th:0"
    assert reweigh(nothing, 0, ERASED, 0, ALL) is None
    assert randomness_of(nothing, 7) == 7


@pytest.mark.parametrize(
    ("header", "trace_id", "expected"),
    [
        pytest.param("", (1 << 128) - 1, SCALE - 1, id="low 56 bits of the trace id"),
        pytest.param("", 1 << 56, 0, id="bit 57 does not count"),
        pytest.param(f"ot=rv:{RV}", 7, int(RV, 16), id="rv wins"),
        pytest.param("ot=rv:12", 7, 7, id="rv of another length is none"),
        pytest.param(f"ot={'x:' + 'y' * 250};rv:{RV}", 7, 7, id="a value of more than 256 characters is none"),
    ],
)
def test_randomness(header: str, trace_id: int, expected: int) -> None:
    key, _, value = header.partition("=")
    assert expected == randomness_of(TraceState([(key, value)]) if key else None, trace_id)


def test_a_trace_id_that_is_no_int_counts_as_0() -> None:
    assert randomness_of(None, "f" * 32) == 0


# The table of the specification, "Converting floating-point probability to threshold value", precision 4.
@pytest.mark.parametrize(
    ("one_in", "expected"),
    [
        (1, "0"), (2, "8"), (3, "aaab"), (4, "c"), (5, "cccd"), (8, "e"), (10, "e666"), (16, "f"), (100, "fd70a"),
        (1000, "ffbe77"), (10_000, "fff9724"), (100_000, "ffff583a"), (1_000_000, "ffffef39"),
    ],
)  # fmt: skip
def test_thresholds_are_those_of_the_specification(one_in: int, expected: str) -> None:
    assert expected == format_threshold(threshold_of(1 / one_in))


@given(st.floats(2**-56, 1))
def test_a_threshold_keeps_its_ratio(ratio: float) -> None:
    """Half a unit of the last digit is at most 2**-13 of the ratio and 2**-17 in all, or one unit of 2**-56."""
    error = abs(Fraction(SCALE - threshold_of(ratio), SCALE) - Fraction(ratio))
    assert error <= max(Fraction(ratio) / (1 << 13), Fraction(1, SCALE))
    assert error <= Fraction(1, 1 << 17)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_ratio_never_has_a_larger_threshold(one: float, other: float) -> None:
    assert threshold_of(min(one, other)) >= threshold_of(max(one, other))


def test_ratio_0_is_above_every_randomness_and_the_least_ratio_is_not() -> None:
    assert threshold_of(0.0) == SCALE
    assert threshold_of(5e-324) == SCALE - 1


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_ratio_outside_0_to_1_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio is expected to be from 0 to 1"):
        threshold_of(ratio)


@given(thresholds)
def test_a_threshold_is_short_and_reads_back(threshold: int) -> None:
    text = format_threshold(threshold)
    assert text == "0" or not text.endswith("0")
    assert (threshold, None, {}) == parse_ot(f"th:{text}")


def test_a_threshold_of_57_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="below 2"):
        format_threshold(SCALE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (None, None, {}), id="empty"),
        pytest.param("th:0", (0, None, {}), id="everything"),
        pytest.param("th:FD70a", (0xFD70A << 36, None, {}), id="either case"),
        pytest.param("th:0123456789abcde", (None, None, {}), id="th of 15 digits"),
        pytest.param("th:", (None, None, {}), id="th of no digit"),
        pytest.param("th:-1", (None, None, {}), id="signed th"),
        pytest.param("th:1_0", (None, None, {}), id="grouped th"),
        pytest.param("th:c;th:8", (1 << 55, None, {}), id="the last of two"),
        pytest.param("th", (None, None, {}), id="no colon"),
        pytest.param("p:8;r:62;é:1;x:a b;:1", (None, None, {"p": "8", "r": "62"}), id="others"),
    ],
)
def test_parse_ot(text: str, expected: tuple[int | None, int | None, dict[str, str]]) -> None:
    assert expected == parse_ot(text)


def test_weigh_gives_a_trace_state_to_go_on_with() -> None:
    before = state("a=1,ot=th:c")
    raised, erased = weigh(before, 0), weigh(before, None)
    assert raised is not None
    assert erased is not None
    assert ("ot=th:0,a=1", "a=1") == (raised.to_header(), erased.to_header())
    assert weigh(before, 3 << 54) is before
    assert weigh(None, None) is None


# The SDK's ratio sampler, which decides by other bits

LOW = 1 << 64
bounds = st.one_of(st.integers(0, LOW), st.floats(0, 1).map(TraceIdRatioBased.get_bound_for_rate))


@st.composite
def bounds_and_traces(draw: st.DrawFn) -> tuple[int, int]:
    """A bound and a trace id, every other one within a few ids of the bound."""
    bound = draw(bounds)
    near = st.integers(-600, 600).map(lambda distance: min(max(bound + distance, 0), LOW - 1))
    return bound, draw(st.one_of(st.integers(0, LOW - 1), near)) | draw(st.integers(0, LOW - 1)) << 64


@given(bounds_and_traces())
@example((0, 0))
@example((0, LOW - 1))
@example((1, 0))
@example((1, 1))
@example((LOW - 1, LOW - 1))
@example((LOW - 1, LOW - 2))
@example((LOW, LOW - 1))
def test_r_reaches_t_exactly_where_the_classic_sampler_takes_the_trace(case: tuple[int, int]) -> None:
    bound, trace_id = case
    sampler = TraceIdRatioBased(0.5)
    sampler._bound = bound
    taken = sampler.should_sample(None, trace_id, "n").decision is Decision.RECORD_AND_SAMPLE
    classic = ClassicState(bound)
    randomness = randomness_of(classic, trace_id)
    assert 0 <= randomness < SCALE
    assert taken == (randomness >= classic.threshold)
    # Each R has 256 ids, but for the two next to the bound: as even as 56 bits can be.
    assert abs(randomness - ((LOW - 1 - trace_id % LOW) >> 8)) <= 1


@given(bounds)
def test_t_is_the_share_that_the_classic_sampler_takes(bound: int) -> None:
    share = Fraction(SCALE - ClassicState(bound).threshold, SCALE)
    assert abs(share - Fraction(bound, LOW)) <= Fraction(1, SCALE)
    assert (share == 0, share == 1) == (bound == 0, bound == LOW)


@pytest.mark.parametrize(
    ("weight", "threshold", "floor", "expected"),
    [
        pytest.param(AS_IS, 0, ALL, "ot=th:c;rv:fffffffffffff8", id="the head sampler's word, which it did not say"),
        pytest.param(SET, 0, ALL, "ot=th:0;rv:fffffffffffff8", id="kept with certainty"),
        pytest.param(SET, 1 << 55, ALL, "ot=th:8;rv:fffffffffffff8", id="kept by chance"),
        pytest.param(LEAST, 1 << 55, ALL, "ot=th:8;rv:fffffffffffff8", id="the mark's is smaller"),
        pytest.param(LEAST, 7 << 53, ALL, "ot=th:c;rv:fffffffffffff8", id="the head's is smaller"),
        pytest.param(ERASED, 0, ALL, "ot=rv:fffffffffffff8", id="kept by a limit"),
        pytest.param(SET, 0, 1 << 55, "ot=th:8;rv:fffffffffffff8", id="half of the traces arrive"),
        pytest.param(SET, 0, 7 << 53, "ot=th:c;rv:fffffffffffff8", id="fewer arrive than the head takes"),
        pytest.param(SET, 0, SCALE, "ot=th:c;rv:fffffffffffff8", id="the head's alone arrive"),
    ],
)
def test_what_is_exported_of_a_trace_begun_by_the_classic_sampler_says_th_and_rv(
    weight: int, threshold: int, floor: int, expected: str
) -> None:
    assert expected == reweigh(ClassicState(LOW // 4), 0x7FF, weight, threshold, floor)


def test_outside_of_this_process_it_is_an_empty_trace_state() -> None:
    classic = ClassicState(LOW // 4)
    assert not classic
    assert ("", TraceState()) == (classic.to_header(), classic)
    for made in (pickle.loads(pickle.dumps(classic)), copy.copy(classic), classic.update("a", "1").delete("a")):
        assert type(made) is TraceState
        assert not made


# Where a share of the traces arrives


@pytest.mark.parametrize(
    ("header", "trace", "threshold", "expected"),
    [
        pytest.param("", 1 << 55, 0, "ot=th:8", id="it would have come in any case"),
        pytest.param("", 1 << 55, 3 << 54, "ot=th:c", id="and was kept by chance"),
        pytest.param("", (1 << 55) - 1, 0, None, id="only because of a head whose rate is unknown"),
        pytest.param("ot=th:4", 1 << 54, 0, None, id="because of a head that takes more: its th stands"),
        pytest.param("ot=th:c", 3 << 54, 0, "ot=th:8", id="because of a head that takes less"),
        pytest.param(f"ot=rv:8{RV[1:]}", 0, 0, f"ot=th:8;rv:8{RV[1:]}", id="by rv"),
        pytest.param("a=1", 1 << 55, 0, "ot=th:8,a=1", id="beside another vendor's entry"),
    ],
)
def test_no_th_below_that_by_which_the_span_arrived(
    header: str, trace: int, threshold: int, expected: str | None
) -> None:
    assert expected == reweigh(state(header) if header else DEFAULT_TRACE_STATE, trace, SET, threshold, 1 << 55)
