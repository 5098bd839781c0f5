"""Rule sets and spans to compare with: Hypothesis shapes the rules, chance picks the spans."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from otel_errsample.taxonomy import FAULTS, KINDS, RECOVERIES, SEVERITIES
from tests.model.decide import PEERS
from tests.model.spans import SECOND, make_span


class Text(str):
    """A str that is not exactly one, and must not be asked anything."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("user code ran")

    def __hash__(self) -> int:
        raise AssertionError("user code ran")


class Outer:
    class Inner(KeyError):
        pass


VALUES = ["/a", "/b", "", "x" * 5000 + "/a", "é/\U0001f600", 0, 1, 5, -3, 10**30, 0.0, 2.5, float("nan"), True, False]
ODD = [None, ("/a", "/b"), b"/a"]
CLASSES = [None, ValueError, ConnectionResetError, Outer.Inner]
TARGETS = [
    "ValueError",
    "OSError",
    "builtins.LookupError",
    "tests.model.generated.Outer.Inner",
    "no.such.Class",
    "Exception",
]
NAMES = ["http.status_code", "http.response.status_code", "http.route", "rpc.method", "rpc.service", "a.b"]

PEER_NAMES = ["server.address", "net.peer.name", "net.peer.ip"]

constants = st.sampled_from(['"/a"', '"/b"', '""', '"é*"', "0", "1", "5", "-3", "2.5", "1.0", "true", "false"])
ordered_constants = st.sampled_from(['"/a"', '"/b"', '""', "0", "1", "5", "-3", "2.5", "1.0"])
texts = st.sampled_from(['"/a"', '"a"', '""', '"é"', '"x"', '"\U0001f600"'])
globs = st.sampled_from(['"*"', '"/?"', '"*a"', '"x*"', '"*/*"', '"\\\\*"', '"?*?"', '"*x*x*a"', '""', '"é/?"'])
attributes = st.sampled_from([*NAMES, 'attributes["plain"]', 'resource["service.name"]'])
text_facts = st.sampled_from(["exception", "cause", "code", "domain", "message", "fingerprint", "endpoint", "name"])
several = st.lists(constants, min_size=1, max_size=4).map(", ".join)


def quoted(choices: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([f'"{choice}"' for choice in choices])


leaves = st.one_of(
    st.sampled_from(["error", "root", "sampled", "error == false", "root != true", "sampled in (true, false)"]),
    st.builds("{} {} {}".format, attributes, st.sampled_from(["==", "!="]), constants),
    st.builds("{} {} {}".format, attributes, st.sampled_from(["<", "<=", ">", ">="]), ordered_constants),
    st.builds("{} {} ({})".format, attributes, st.sampled_from(["in", "not in"]), several),
    st.builds(
        "{} exists".format, st.one_of(attributes, text_facts, st.sampled_from(["kind", "duration", "span.kind"]))
    ),
    st.builds(
        "{} {} {}".format,
        st.one_of(attributes, text_facts),
        st.sampled_from(["contains", "startswith", "endswith"]),
        texts,
    ),
    st.builds("{} like {}".format, st.one_of(attributes, text_facts), globs),
    st.builds("{} {} {}".format, text_facts, st.sampled_from(["==", "!=", "<", ">="]), texts),
    st.builds("{} {} ({})".format, text_facts, st.sampled_from(["in", "not in"]), texts),
    st.builds("duration {} {}".format, st.sampled_from(["==", "!=", "<", ">="]), st.sampled_from(["0", "0.25", "2"])),
    st.builds("{} is {}".format, st.sampled_from(["exception", "cause"]), st.sampled_from(TARGETS)),
    st.builds("kind {} {}".format, st.sampled_from(["==", "!="]), quoted(KINDS)),
    st.builds(
        "kind {} {}".format,
        st.sampled_from(["in", "not in"]),
        st.sampled_from(["transient", "client", "server", "third_party", '("bug", "timeout")']),
    ),
    st.builds("fault {} {}".format, st.sampled_from(["==", "!="]), quoted(FAULTS)),
    # The ends of the order make some comparisons never true, which the checks refuse.
    st.builds("severity {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "!="]), quoted(SEVERITIES[1:-1])),
    st.builds("recovery {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "=="]), quoted(RECOVERIES[1:-1])),
    st.builds("span.kind {} {}".format, st.sampled_from(["==", "!="]), quoted(("server", "client", "internal"))),
)
# Tests that mostly make no sense, to see that just those are refused.
doubtful = st.one_of(
    st.builds("severity {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "=="]), quoted((*SEVERITIES, "nope"))),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["kind", "fault", "duration", "error", "root", "code", "message", "nme", "a.b"]),
        st.sampled_from(["==", "!=", "<", ">=", "contains", "like"]),
        st.one_of(constants, quoted(("bug", "caller", "http:503", "nope"))),
    ),
    st.builds(
        "{} in {}".format, st.sampled_from(["kind", "fault", "a.b"]), st.sampled_from(["transient", "fatal", "nope"])
    ),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=5,
)
percents = st.sampled_from(["0%", "0.001%", "25%", "50%", "99.9%", "100%"])
keys = st.lists(
    st.sampled_from(["fingerprint", "exception", "kind", "code", "domain", "name", "endpoint", "service", *NAMES]),
    max_size=3,
)
limits = st.builds(
    lambda count, unit, by: f"{count} per {unit}{' by ' if by else ''}{', '.join(by)}",
    st.integers(1, 3),
    st.sampled_from(["second", "minute", "hour"]),
    keys,
)
actions = st.one_of(
    st.sampled_from(["keep", "drop", "head", "shadow drop", "shadow keep 1 per second", "keep span"]),
    st.builds("keep {}".format, percents),
    st.builds("keep {}".format, limits),
    st.builds("keep first {} then {}".format, limits, percents),
)
rules = st.builds("{} if {}".format, actions, conditions)
rule_sets = st.lists(rules, max_size=6).map("\n".join)
doubtful_actions = st.sampled_from(
    ["keep 0 per hour", "keep 101%", "keep 1 per hour by name, a.b, name", "keep 1 per hour"]
)
doubtful_rules = st.one_of(
    st.builds("keep if {}".format, doubtful),
    st.builds("head if {} and {}".format, leaves, doubtful),
    st.builds("{} if {}".format, doubtful_actions, leaves),
)
doubtful_sets = st.lists(st.one_of(rules, doubtful_rules), min_size=1, max_size=4).map("\n".join)

values = st.one_of(st.sampled_from([*VALUES, *ODD]), st.builds(Text, st.just("/a")))
spans = st.builds(
    make_span,
    st.sampled_from(["/a", "GET /b", "é", ""]),
    attributes=st.builds(
        dict.__or__,
        st.dictionaries(st.sampled_from([*NAMES, "plain"]), values, max_size=4),
        st.dictionaries(st.sampled_from(PEER_NAMES), st.sampled_from([*PEERS, 5]), max_size=2),
    ),
    resource=st.dictionaries(st.sampled_from(["service.name"]), st.sampled_from(["shop", "/a"]), max_size=1),
    seconds=st.sampled_from([None, 0, 0.25, 2, 2.5]),
    kind=st.sampled_from(list(SpanKind)),
    root=st.booleans(),
    trace_id=st.integers(1, 2**128 - 1),
    trace_state=st.sampled_from([None, {"ot": "rv:ffffffffffffff"}, {"ot": "th:8;rv:00000000000001"}, {"ot": "rv:f"}]),
)
words = st.sampled_from([None, "/a", "xa", "", "é", "http:503"])
facts_of = st.fixed_dictionaries(
    {},
    optional={
        "error": st.booleans(),
        "kind": st.sampled_from(KINDS),
        "fault": st.sampled_from(FAULTS),
        "severity": st.sampled_from(SEVERITIES),
        "recovery": st.sampled_from(RECOVERIES),
        "exception": st.sampled_from([None, "ValueError", "no.such.Class", "tests.model.generated.Outer.Inner"]),
        "cause": st.sampled_from([None, "OSError", "ConnectionResetError"]),
        "exception_class": st.sampled_from(CLASSES),
        "cause_class": st.sampled_from(CLASSES),
        "leaf_classes": st.sampled_from([None, (), (ValueError, TimeoutError)]),
        "cause_leaf_classes": st.sampled_from([None, (), (Outer.Inner, OSError)]),
        "code": words,
        "domain": words,
        "message": words,
        "fingerprint": st.sampled_from([None, "1-00000000000000aa", "1-00000000000000bb"]),
    },
)
steps = st.tuples(
    spans,
    st.one_of(st.none(), facts_of),
    st.booleans(),
    st.sampled_from([0, 1, SECOND // 3, SECOND, 61 * SECOND, 3601 * SECOND]),
)


class Step(NamedTuple):
    span: ReadableSpan
    facts: dict[str, Any] | None
    made: Any
    """The facts as the extension has them."""
    sampled: bool
    passed: int
    """Nanoseconds since the step before."""


def pool(count: int, seed: int) -> list[Step]:
    """Spans picked by chance from the same choices: a hundred times as fast as drawing them."""
    draw = random.Random(seed)
    return [_step(draw) for _ in range(count)]


def _step(draw: random.Random) -> Step:
    def some(choices: dict[str, list[Any]], share: float) -> dict[str, Any]:
        return {name: draw.choice(values) for name, values in choices.items() if draw.random() < share}

    span = make_span(
        draw.choice(["/a", "GET /b", "é", ""]),
        attributes=some({name: [*VALUES, *ODD, Text("/a")] for name in (*NAMES, "plain")}, 0.5)
        | some({name: [*PEERS, 5] for name in PEER_NAMES}, 0.4),
        resource=some({"service.name": ["shop", "/a"]}, 0.7),
        seconds=draw.choice([None, 0, 0.25, 2, 2.5]),
        kind=draw.choice(list(SpanKind)),
        root=draw.random() < 0.5,
        trace_id=draw.getrandbits(128) or 1,
        trace_state=draw.choice(
            [None, None, {"ot": "rv:ffffffffffffff"}, {"ot": "th:8;rv:00000000000001"}, {"ot": "rv:f"}]
        ),
    )
    words = [None, "/a", "xa", "", "é", "http:503"]
    facts = some(
        {
            "error": [True, True, False],
            "kind": list(KINDS),
            "fault": list(FAULTS),
            "severity": list(SEVERITIES),
            "recovery": list(RECOVERIES),
            "exception": [None, "ValueError", "no.such.Class", f"{Outer.__module__}.Outer.Inner"],
            "cause": [None, "OSError", "ConnectionResetError"],
            "exception_class": CLASSES,
            "cause_class": CLASSES,
            "leaf_classes": [None, (), (ValueError, TimeoutError)],
            "cause_leaf_classes": [None, (), (Outer.Inner, OSError)],
            "code": words,
            "domain": words,
            "message": words,
            "fingerprint": [None, "1-00000000000000aa", "1-00000000000000bb"],
        },
        0.7,
    )
    given = facts if draw.random() < 0.7 else None
    made = None if given is None else _hot.make_facts(**given)
    passed = draw.choice([0, 0, 0, 1, SECOND // 3, SECOND, 61 * SECOND, 3601 * SECOND])
    return Step(span, given, made, draw.random() < 0.5, passed)
