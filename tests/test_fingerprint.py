"""The same failure has the same fingerprint: live or from its text, inside or outside, on any Python and host."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot, fingerprint
from tests.failing import watch
from tests.failures import DATA, GROUP_NAMES, HAS_GROUPS, failing, in_directory, in_places, load, recorded

RECORDED: dict[str, dict[str, Any]] = {
    name: told
    for name, told in json.loads(DATA.read_text(encoding="utf-8")).items()
    if HAS_GROUPS or name not in GROUP_NAMES
}


@pytest.fixture
def errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    monkeypatch.syspath_prepend(str(tmp_path))
    return {**in_directory(tmp_path), **in_places()}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(tmp_path))
    return load(tmp_path / "shop" / "pay.py")


def called(fail: Callable[[], Any]) -> Any:
    return fail()


def fingerprints(errors: dict[str, BaseException]) -> dict[str, str | None]:
    return {name: _hot.Classifier().facts(error).fingerprint for name, error in errors.items()}


class TestEquality:
    def test_every_interpreter_makes_the_recorded_ones(self, errors: dict[str, BaseException]) -> None:
        assert set(RECORDED) == set(errors)
        for name, error in errors.items():
            facts = _hot.Classifier(stack_hashes=True).facts(error)
            told = {"culprit": facts.culprit, "fingerprint": facts.fingerprint, "stack_hash": facts.stack_hash}
            assert RECORDED[name] == told, name

    def test_live_exception_and_its_text_have_the_same(self, errors: dict[str, BaseException]) -> None:
        for name, error in errors.items():
            classifier = _hot.Classifier(stack_hashes=True)
            live, text = classifier.facts(error), classifier.facts(event=recorded(error))
            assert ("live", "event") == (live.source, text.source), name
            assert (live.fingerprint, live.culprit) == (text.fingerprint, text.culprit), name
            assert (live.chain, live.stack_hash) == (text.chain, text.stack_hash), name
            if name not in ("deep_group", "wide_group"):  # of which not all members are printed
                assert (live.group_size, live.group_types) == (text.group_size, text.group_types), name

    def test_directory_and_lines_do_not_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        elsewhere = tmp_path / "opt" / "release-7"
        monkeypatch.syspath_prepend(str(elsewhere))
        moved = fingerprints(in_directory(elsewhere, before="\n" * 50))
        assert {name: RECORDED[name]["fingerprint"] for name in moved} == moved

    def test_failures_in_different_places_have_different_ones(self) -> None:
        ours = {name: told["fingerprint"] for name, told in RECORDED.items() if told["culprit"].startswith("shop.pay:")}
        alike: dict[str, set[str]] = {}
        for name, value in ours.items():
            alike.setdefault(value, set()).add(name)
        # these fail in one and the same place
        expected = [
            {"plain", "through_helper", "in_wrapper", "raised_again", "finally_runs", "in_pool"},
            {"caused", "caused_in_pool", "pool_in_pool"},
            {"multiline", "multiline_in_pool"},
        ]
        assert sorted(map(sorted, expected)) == sorted(sorted(names) for names in alike.values() if len(names) > 1)

    def test_a_thousand_errors_of_one_place_have_one(self, shop: dict[str, Any]) -> None:
        classifier = _hot.Classifier()
        assert 1 == len({classifier.facts(failing(shop["caused"])).fingerprint for _ in range(1000)})

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (TimeoutError, type("TimeoutError", (Exception,), {"__module__": "asyncio.exceptions"})),
            (TimeoutError, type("TimeoutError", (Exception,), {"__module__": "concurrent.futures._base"})),
            *[
                (
                    type("RpcError", (Exception,), {"__module__": "grpc"}),
                    type(name.rpartition(".")[2], (Exception,), {"__module__": name.rpartition(".")[0]}),
                )
                for name in ("grpc._channel._InactiveRpcError", "grpc.aio._call.AioRpcError")
            ],
        ],
        ids=["asyncio", "futures", "grpc", "grpc.aio"],
    )
    def test_names_that_differ_between_versions_are_one(self, first: type, second: type) -> None:
        def fail(cls: type) -> None:
            raise cls("slow")

        told = [_hot.Classifier().facts(failing(functools.partial(fail, cls))) for cls in (first, second)]
        assert told[0].fingerprint == told[1].fingerprint


class TestPlace:
    LIBRARY = (
        "def call(tracer, fail):\n"
        "    with tracer.start_as_current_span('inner'):\n"
        "        fail()\n"
        "def broken():\n"
        "    raise ConnectionError('down')\n"
        "def serve(tracer):\n"
        "    call(tracer, broken)\n"
        "def down(depth, fail):\n"
        "    if depth == 0:\n"
        "        fail()\n"
        "    down(depth and depth - 1, fail)\n"
    )

    def library(self, tmp_path: Path) -> dict[str, Any]:
        return load(
            tmp_path / "lib" / "python3.11" / "site-packages" / "client" / "core.py", self.LIBRARY, "client.core"
        )

    def test_a_span_inside_a_library_finds_the_frame_of_the_application(self, tmp_path: Path) -> None:
        library = self.library(tmp_path)
        watcher, tracer = watch()
        with pytest.raises(ConnectionError), tracer.start_as_current_span("outer"):
            library["serve"](tracer)
        (_, inner), (_, outer) = watcher.told
        assert inner.fingerprint == outer.fingerprint
        assert "tests.test_fingerprint:test_a_span_inside_a_library_finds_the_frame_of_the_application" == inner.culprit

    def test_without_a_frame_of_the_application_the_library_is_named(self, tmp_path: Path) -> None:
        facts = _hot.Classifier().facts(event=recorded(failing(self.library(tmp_path)["broken"])))
        assert "tests.failures:failing" == facts.culprit
        text = {"exception.type": "ConnectionError", "exception.message": "down", "exception.stacktrace": (
            "Traceback (most recent call last):\n"
            '  File "/x/site-packages/opentelemetry/trace/__init__.py", line 1, in use_span\n'
            "    yield span\n"
            '  File "/x/site-packages/client/core.py", line 5, in broken\n'
            "ConnectionError: down\n"
        )}  # fmt: skip
        assert "client.core:broken" == _hot.Classifier().facts(event=text).culprit

    def test_an_installed_application_is_named_by_prefix(self, tmp_path: Path) -> None:
        error = failing(self.library(tmp_path)["broken"])
        assert "client.core:broken" == _hot.Classifier(in_app_include=["client"]).facts(error).culprit
        assert "tests.failures:failing" == _hot.Classifier(in_app_include=["clien"]).facts(error).culprit

    def test_equal_code_objects_of_different_files_are_told_apart(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        source = "def fail():\n    raise ValueError('x')\n"
        first, second = (load(tmp_path / name, source)["fail"] for name in ("a.py", "b.py"))
        assert first.__code__ == second.__code__
        classifier = _hot.Classifier()
        assert ["a:fail", "b:fail"] == [classifier.facts(failing(fail)).culprit for fail in (first, second)]

    def test_a_frame_that_hides_itself_is_passed_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        check = load(tmp_path / "check.py", "def check():\n    __tracebackhide__ = True\n    raise ValueError('x')\n")[
            "check"
        ]
        assert "tests.failures:failing" == _hot.Classifier().facts(failing(check)).culprit

    def test_a_stack_deeper_than_what_is_walked_keeps_its_innermost_frame(self, shop: dict[str, Any]) -> None:
        def deep(count: int) -> None:
            if count:
                deep(count - 1)
            shop["plain"]()

        error = failing(lambda: deep(300))
        assert "shop.pay:plain" == _hot.Classifier().facts(error).culprit
        assert RECORDED["plain"]["fingerprint"] == _hot.Classifier().facts(error).fingerprint

    @pytest.mark.parametrize("depth", [200, None], ids=["deep", "endless"])
    def test_below_many_frames_of_a_library_the_application_is_found(self, tmp_path: Path, depth: int | None) -> None:
        """As what copy.deepcopy makes of a deeply nested list: 1000 frames of it, and all that tells is above them."""
        library = self.library(tmp_path)

        def first_place() -> None:
            library["down"](depth, library["broken"])

        def second_place() -> None:
            library["down"](depth, library["broken"])

        watcher, tracer = watch()
        watcher.classifier = _hot.Classifier(stack_hashes=True)
        for place in (first_place, second_place):
            with (
                pytest.raises((ConnectionError, RecursionError)),
                tracer.start_as_current_span("outer"),
                tracer.start_as_current_span("middle"),
            ):
                library["call"](tracer, place)
        told = [facts for _, facts in watcher.told]
        assert ["first_place"] * 3 + ["second_place"] * 3 == [facts.culprit.partition(":")[2] for facts in told]
        assert 1 == len({facts.fingerprint for facts in told[:3]}) == len({facts.fingerprint for facts in told[3:]})
        assert told[0].fingerprint != told[3].fingerprint
        assert told[0].stack_hash != told[3].stack_hash
        text = _hot.Classifier(stack_hashes=True).facts(event=recorded(failing(first_place)))
        live = _hot.Classifier(stack_hashes=True).facts(failing(first_place))
        assert ("live", "event") == (live.source, text.source)
        assert (live.culprit, live.fingerprint, live.stack_hash) == (text.culprit, text.fingerprint, text.stack_hash)
        assert (told[0].culprit, told[0].fingerprint) == (live.culprit, live.fingerprint)

    @pytest.mark.parametrize("depth", [127, 128, 129, 600])
    def test_a_span_below_many_frames_of_a_library_finds_the_frame_of_the_application(
        self, tmp_path: Path, depth: int
    ) -> None:
        library = self.library(tmp_path)
        watcher, tracer = watch()
        with pytest.raises(ConnectionError), tracer.start_as_current_span("outer"):
            library["down"](depth, functools.partial(library["serve"], tracer))
        (_, inner), (_, outer) = watcher.told
        assert inner.fingerprint == outer.fingerprint
        assert inner.culprit == (
            "tests.test_fingerprint:test_a_span_below_many_frames_of_a_library_finds_the_frame_of_the_application"
        )

    @pytest.mark.parametrize(
        ("helpers", "culprit"),
        [
            (["shop.pay:plain"], "shop.pay:helper"),
            (["shop.pay:plain", "shop.pay:helper"], "shop.pay:through_helper"),
            (["shop.pay"], "tests.failures:failing"),
            (["shop"], "tests.failures:failing"),
            (["shop.pa", "pay:plain", "shop.pay:plai"], "shop.pay:plain"),
        ],
        ids=str,
    )
    def test_frames_that_raise_for_others_are_passed_over(
        self, shop: dict[str, Any], helpers: list[str], culprit: str
    ) -> None:
        error = failing(shop["through_helper"])
        classifier = _hot.Classifier(helper_frames=helpers)
        assert culprit == classifier.facts(error).culprit == classifier.facts(event=recorded(error)).culprit

    @pytest.mark.parametrize("start", range(3))
    def test_where_a_recursion_ends_does_not_matter(self, shop: dict[str, Any], start: int) -> None:
        fail = shop["ping"]
        for _ in range(start):
            fail = functools.partial(called, fail)
        assert "shop.pay:ping" == _hot.Classifier().facts(failing(fail)).culprit


def first(error: BaseException) -> None:
    raise error


def second(error: BaseException) -> None:
    raise error


def thrown(make: Callable[[BaseException], None], error: BaseException) -> BaseException:
    return failing(functools.partial(make, error))


def joined(error: BaseException, other: BaseException, relation: str) -> BaseException:
    if relation == "cause":
        error.__cause__ = other
    else:
        error.__context__ = other
        error.__suppress_context__ = relation == "suppressed"
    return error


SINGLE = st.builds(
    lambda cls, text: cls(text),
    st.sampled_from([ValueError, KeyError, OSError, RecursionError, type("Own", (Exception,), {"__module__": "shop"})]),
    st.sampled_from(
        ["", "no", "two\nlines", 'x\n  File "/evil.py", line 1, in f', "+-+---------------- 1 ----------------"]
    ),
)


def grown(errors: st.SearchStrategy[BaseException]) -> st.SearchStrategy[BaseException]:
    raising = st.builds(thrown, st.sampled_from([first, second]), errors)
    related = st.builds(joined, SINGLE, errors, st.sampled_from(["cause", "context", "suppressed"]))
    if not HAS_GROUPS:
        return raising | related
    members = st.lists(errors, min_size=1, max_size=4)
    return raising | related | st.builds(lambda found: ExceptionGroup("g", found), members)  # type: ignore[name-defined,unused-ignore]  # noqa: F821


@settings(max_examples=300, deadline=None)
@given(st.recursive(SINGLE, grown, max_leaves=8))
def test_whatever_is_raised_its_text_tells_the_same(error: BaseException) -> None:
    error = thrown(first, error)
    classifier = _hot.Classifier(stack_hashes=True)
    live, text = classifier.facts(error), classifier.facts(event=recorded(error))
    assert (live.fingerprint, live.culprit, live.chain) == (text.fingerprint, text.culprit, text.chain)
    assert (live.stack_hash, live.group_size, live.group_types) == (text.stack_hash, text.group_size, text.group_types)


class TestStackHash:
    def test_nobody_gets_one_unasked(self) -> None:
        error = thrown(first, ValueError("x"))
        assert _hot.Classifier().facts(error).stack_hash is None
        assert _hot.Classifier().facts(event=recorded(error)).stack_hash is None

    def test_it_tells_ways_apart_that_one_fingerprint_has_together(self) -> None:
        def pay() -> None:
            raise_it()

        def refund() -> None:
            raise_it()

        def raise_it() -> None:
            raise ValueError("x")

        classifier = _hot.Classifier(stack_hashes=True)
        paid, again, refunded = (classifier.facts(failing(way)) for way in (pay, pay, refund))
        assert paid.fingerprint == refunded.fingerprint
        assert paid.stack_hash == again.stack_hash
        assert paid.stack_hash != refunded.stack_hash

    def test_what_is_beyond_five_functions_and_how_often_one_was_called_does_not_matter(self) -> None:
        def deep(times: int, then: Callable[[], None]) -> None:
            deep(times - 1, then) if times else then()

        def one() -> None:
            two()

        def two() -> None:
            three()

        def three() -> None:
            raise ValueError("x")

        def outer() -> None:
            deep(2, one)

        classifier = _hot.Classifier(stack_hashes=True)
        ways: list[Callable[[], None]] = [outer, lambda: deep(3, outer), lambda: deep(200, outer)]
        assert 1 == len({classifier.facts(failing(way)).stack_hash for way in ways})
        assert 1 == len({classifier.facts(event=recorded(failing(way))).stack_hash for way in ways})
        assert classifier.facts(failing(outer)).stack_hash != classifier.facts(failing(one)).stack_hash

    def test_causes_take_part(self) -> None:
        classifier = _hot.Classifier(stack_hashes=True)
        error = thrown(first, ValueError("x"))
        plain = classifier.facts(error).stack_hash
        error.__cause__ = thrown(second, KeyError("y"))
        assert plain != classifier.facts(error).stack_hash

    def test_without_a_frame_there_is_none(self) -> None:
        assert _hot.Classifier(stack_hashes=True).facts(ValueError("x")).stack_hash is None


class TestGroups:
    @pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
    def test_the_order_of_the_leaves_does_not_matter_and_their_kinds_do(self, errors: dict[str, BaseException]) -> None:
        def leaves(*found: Exception) -> str | None:
            def fail() -> None:
                raise ExceptionGroup("several", found)  # type: ignore[name-defined,unused-ignore]  # noqa: F821

            return _hot.Classifier().facts(failing(fail)).fingerprint

        value, key = ValueError("a"), KeyError("b")
        assert leaves(value, key) == leaves(key, value, ValueError("c"))
        assert leaves(value, key) != leaves(value)
        assert leaves(value, OSError(1, "x")) != leaves(value, key)


def test_a_fingerprint_says_its_version_and_64_bits() -> None:
    text, number = fingerprint.digest(["", "ValueError", "a:b"])
    assert f"1-{number:016x}" == text
