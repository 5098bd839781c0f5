"""Extra attributes stay few, small and beside the span's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.testing.transport import CollectingTransport
from tests.failing import event, make_span, raised
from tests.failures import recorded

CLASSIFIER = _hot.Classifier()


def facts_of(error: BaseException) -> Any:
    return CLASSIFIER.facts(error)


def failing() -> BaseException:
    error = OSError(28, "full")
    error.__cause__ = KeyError("root")
    return raised(lambda: error)


def enriched(
    facts: Any, own: dict[str, Any] | None, rule: str | None, scope: str | None, carried: int, by_processor: bool
) -> dict[str, Any]:
    extra = _hot.enrich(facts, own, rule, scope, carried, by_processor)
    assert extra is not None
    return extra


def size_of(extra: dict[str, Any]) -> int:
    total = 0
    for key, value in extra.items():
        texts = value if isinstance(value, tuple) else (value,)
        total += len(key) + sum(len(text.encode()) if isinstance(text, str) else 8 for text in texts)
    return total


HANDLED = {"exception.type": "KeyError", "exception.message": "'a'"}


@pytest.mark.parametrize(
    ("setting", "span", "told"),
    [
        pytest.param("true", make_span(events=[HANDLED]), True, id="recorded"),
        pytest.param("false", make_span(events=[HANDLED]), None, id="not asked for"),
        pytest.param("true", make_span(), None, id="nothing recorded"),
        pytest.param("true", make_span(events=[HANDLED], status="ERROR"), None, id="failed"),
        pytest.param(
            "true", make_span(events=[HANDLED], attributes={"errsample.handled": 7}), 7, id="said by the span"
        ),
    ],
)
def test_an_exception_that_was_recorded_and_did_not_leave_is_marked_where_asked_for(
    monkeypatch: pytest.MonkeyPatch, setting: str, span: ReadableSpan, told: object
) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_HANDLED", setting)
    memory = InMemorySpanExporter()
    processor = ErrorSpanProcessor("all: keep", memory)
    processor.on_end(span)
    processor.shutdown()
    (exported,) = memory.get_finished_spans()
    assert told == dict(exported.attributes or {}).get("errsample.handled")


def test_a_kept_error_carries_its_facts() -> None:
    facts = facts_of(failing())
    assert {
        "error.type": "OSError",
        "errsample.kind": "resource",
        "errsample.fault": "self",
        "errsample.severity": "fatal",
        "errsample.recovery": "free_resource",
        "errsample.code": "errno:ENOSPC",
        "errsample.fingerprint": facts.fingerprint,
        "errsample.culprit": "tests.failing:raised",
        "errsample.source": "live",
        "errsample.rule": "disk",
        "errsample.root.type": "KeyError",
        "errsample.chain": ("OSError", "KeyError"),
        "errsample.suppressed": 7,
    } == _hot.enrich(facts, None, "disk", None, 7, True)


def test_a_group_tells_its_size_and_the_classes_of_its_members() -> None:
    facts = _hot.make_facts(exception="ExceptionGroup", group_size=3, group_types=("KeyError", "shop.Refused"))
    extra = enriched(facts, None, None, None, 0, True)
    assert (3, ("KeyError", "shop.Refused")) == (extra["errsample.group.size"], extra["errsample.group.types"])
    assert {"errsample.group.size", "errsample.group.types"}.isdisjoint(
        enriched(facts_of(failing()), None, None, None, 0, True)
    )
    for name in ("errsample.group.size", "errsample.group.types"):
        assert {name} == set(extra) - set(enriched(facts, {name: "mine"}, None, None, 0, True))


def test_the_classes_of_a_group_that_do_not_fit_are_left_out() -> None:
    facts = _hot.make_facts(group_size=8, group_types=tuple(f"shop.{letter * 100}" for letter in "abcdefgh"))
    extra = enriched(facts, None, None, None, 0, True)
    assert (8, tuple(f"shop.{letter * 100}" for letter in "abcd")) == (
        extra["errsample.group.size"], extra["errsample.group.types"]
    )  # fmt: skip


def test_the_fingerprint_has_the_names_that_backends_know_too() -> None:
    facts = _hot.make_facts(fingerprint="1-00000000000000aa", stack_hash="1-00000000000000bb")
    aliases = ("error.fingerprint", "logfire.exception.fingerprint")
    extra = _hot.enrich(facts, {"error.fingerprint": "mine"}, None, None, 0, True, aliases)
    assert extra is not None
    assert ("1-00000000000000aa", "1-00000000000000aa", "1-00000000000000bb") == (
        extra["errsample.fingerprint"], extra["logfire.exception.fingerprint"], extra["errsample.stack_hash"]
    )  # fmt: skip
    assert "error.fingerprint" not in extra


def test_an_error_kept_by_the_head_sampler_carries_its_facts_too() -> None:
    extra = enriched(facts_of(failing()), None, None, None, 0, False)
    assert "resource" == extra["errsample.kind"]
    assert {"errsample.rule", "errsample.suppressed"}.isdisjoint(extra)


def test_another_kept_span_carries_rule_and_scope_only_if_the_processor_kept_it() -> None:
    expected = {"errsample.rule": "slow", "errsample.scope": "path"}
    assert expected == _hot.enrich(None, {"a": 1}, "slow", "path", 0, True)
    assert _hot.enrich(None, {"a": 1}, "slow", "path", 0, False) is None
    assert _hot.enrich(None, None, None, None, 0, True) is None


def test_what_was_suppressed_is_told_on_any_kept_span() -> None:
    assert {"errsample.suppressed": 3, "errsample.rule": "slow"} == _hot.enrich(None, None, "slow", None, 3, True)
    assert 2**63 - 1 == enriched(None, None, None, None, 2**64 - 1, True)["errsample.suppressed"]


def test_a_downgraded_failure_is_no_error_on_the_wire() -> None:
    assert {"errsample.rule": "r"} == _hot.enrich(facts_of(GeneratorExit()), None, "r", None, 0, True)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({"http.response.status_code": 503}, "503"), ({"rpc.grpc.status_code": 14}, "UNAVAILABLE"), ({}, None)],
    ids=["http", "grpc", "nothing known"],
)
def test_error_type_is_the_code_where_no_class_is_known(codes: dict[str, Any], expected: str | None) -> None:
    assert expected == enriched(CLASSIFIER.facts(codes=codes), codes, None, None, 0, True).get("error.type")


def test_the_spans_own_attributes_are_left_alone() -> None:
    own = {"error.type": "500", "errsample.kind": "mine", "errsample.chain": "mine", "errsample.rule": "mine"}
    extra = enriched(facts_of(failing()), own, "disk", None, 0, True)
    assert set(own).isdisjoint(extra)


def test_a_span_with_all_names_itself_is_enriched_by_the_user_alone() -> None:
    memory = InMemorySpanExporter()
    processor = ErrorSpanProcessor("keep if error", exporter=memory, enrich=lambda span, facts: {"team": "shop"})
    own = dict.fromkeys(enriched(CLASSIFIER.facts(codes={}), None, "disk", "span", 0, True), "mine")
    processor.on_end(make_span(status="ERROR", attributes=own))
    assert processor.shutdown(10_000)
    assert {**own, "team": "shop"} == dict(memory.get_finished_spans()[0].attributes or {})


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=2000), st.integers(1, 9))
def test_at_most_16_attributes_and_1_kib(rule: str, scope: str, name: str, causes: int) -> None:
    error: BaseException = type(name.replace("\0", "") or "E", (ValueError,), {})("x")
    for number in range(causes):
        outer = type(f"{number}{'n' * 150}", (KeyError,), {})("x")
        outer.__cause__ = error
        error = outer
    extra = enriched(facts_of(raised(lambda: error)), None, rule, scope, 1, True)
    assert len(extra) <= 16
    assert size_of(extra) <= 1024
    assert {"errsample.suppressed", "error.type", "errsample.kind", "errsample.fingerprint"} <= set(extra)
    assert len(extra["error.type"]) <= 200
    assert len(extra["errsample.rule"]) <= 64


class Odd(str):
    def __len__(self) -> int:
        raise RuntimeError

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


class TestMergeUser:
    def test_plain_values_are_added(self) -> None:
        extra: dict[str, Any] = {"a": 1}
        given = {"b": "text", "c": True, "d": -5, "e": 0.5}
        assert 0 == _hot.merge_user(extra, given)
        assert {"a": 1, **given} == extra

    def test_nothing_adds_nothing(self) -> None:
        extra: dict[str, Any] = {}
        assert 0 == _hot.merge_user(extra, None)
        assert 1 == _hot.merge_user(extra, [("a", 1)])
        assert {} == extra

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (1, "x"), ("", "x"), ("k" * 129, "x"), ("taken", "x"), ("own", "x"), ("k", None), ("k", object),
            ("k", b"x"), ("k", 2**63), ("k", [1]), ("k", {"a": 1}), ("k", {1}),
        ],
        ids=repr,
    )  # fmt: skip
    def test_anything_else_is_refused_and_counted(self, key: object, value: object) -> None:
        extra: dict[str, Any] = {"taken": 1}
        assert 1 == _hot.merge_user(extra, {key: value}, {"own": 1})
        assert {"taken": 1} == extra

    def test_texts_are_cut_and_made_plain(self) -> None:
        extra: dict[str, Any] = {}
        assert 0 == _hot.merge_user(extra, {"long": "x" * 5000, Odd("odd"): Odd("value")})
        assert {"long": "x" * 1024, "odd": "value"} == extra
        assert [str, str] == [type(value) for value in extra.values()]

    def test_at_most_16_are_taken(self) -> None:
        extra: dict[str, Any] = {}
        assert 4 == _hot.merge_user(extra, {f"k{number}": number for number in range(20)})
        assert 16 == len(extra)


@pytest.mark.parametrize("own", [{}, {"logfire.exception.fingerprint": "mine"}, {"n": 1}], ids=str)
def test_what_is_asked_for_by_settings_is_exported(own: dict[str, Any]) -> None:
    transport = CollectingTransport()
    aliases = ["error.fingerprint", "logfire.exception.fingerprint"]
    options = {"stack_hash": True, "fingerprint_aliases": aliases}
    processor = ErrorSpanProcessor("mine: keep", transport=transport, options=options)
    happened = recorded(raised(lambda: OSError(28, "full")))
    for _ in range(3):  # the later ones are remembered
        processor.on_end(make_span(status="ERROR", events=[happened]))
        processor.on_end(make_span(status="ERROR", events=[happened], attributes=own))
    assert processor.shutdown(5_000)
    told = [{item.key: item.value.string_value for item in span.attributes} for span in transport.spans()]
    assert 6 == len(told)
    facts = _hot.Classifier(stack_hashes=True).facts(event=happened)
    for number, attributes in enumerate(told):
        fingerprint = attributes["errsample.fingerprint"]
        assert (facts.fingerprint, facts.stack_hash) == (fingerprint, attributes["errsample.stack_hash"])
        assert fingerprint == attributes["error.fingerprint"]
        mine = "mine" if number % 2 and "logfire.exception.fingerprint" in own else fingerprint
        assert mine == attributes["logfire.exception.fingerprint"]


OWN_NAMES: list[dict[str, Any]] = [
    {},
    {"http.route": "/cart"},
    {"error.type": "mine"},
    {"errsample.kind": "mine", "n": 1},
    {"err": 1, "errsample.culprit": "mine"},
    {"": 1, "é": "x"},
]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ValueError", "TimeoutError", "shop.Refused", ""]),
            st.sampled_from(["SERVER", "CLIENT", "INTERNAL"]),
            st.sampled_from(OWN_NAMES),
            st.sampled_from([None, 404, 503]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_what_is_remembered_of_like_errors_is_what_would_be_made_anew(
    cases: list[tuple[str, str, dict[str, Any], Any]],
) -> None:
    """The path remembers the attributes of errors that are alike, and their bytes: no error may get another's."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("mine: keep", transport=transport)
    expected: dict[int, set[str]] = {}
    for number, (name, kind, own, status) in enumerate(cases, 1):
        attributes = own if status is None else {**own, "http.response.status_code": status}
        span = make_span(
            kind=kind,
            status="ERROR",
            attributes=attributes,
            events=[event(name, f"message {number}")] if name else [],
            span_id=number,
        )
        facts = CLASSIFIER.classify_span(span)
        assert facts is not None
        if facts.error:
            extra = enriched(facts, attributes, "mine", "span", 0, True)
            expected[number] = {f"{key}={value}" for key, value in extra.items() if isinstance(value, str)}
        processor.on_end(span)
    assert processor.shutdown(5_000)
    received = {
        int.from_bytes(span.span_id, "big"): {
            f"{item.key}={item.value.string_value}" for item in span.attributes if item.value.HasField("string_value")
        }
        for span in transport.spans()
    }
    for number, attributes_made in expected.items():
        assert attributes_made <= received[number]
        own_texts = {f"{key}={value}" for key, value in cases[number - 1][2].items() if isinstance(value, str)}
        assert received[number] == attributes_made | own_texts
