"""The same failure has the same fingerprint: live or from its text, inside or outside, on any Python and host."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot, fingerprint
from tests.failing import watch

SHOP = """
import json

class PaymentError(Exception):
    class Declined(ValueError):
        pass

def helper(fail):
    fail()

def plain():
    raise ValueError("no")

def empty():
    raise ValueError

def multiline():
    raise ValueError("first" + chr(10) + '  File "/evil/forged.py", line 1, in forged' + chr(10) + "    last")

def nested_class():
    raise PaymentError.Declined("no")

def through_helper():
    helper(plain)

def in_comprehension():
    return [1 // item for item in [0]]

def in_dict_comprehension():
    return {item: 1 // item for item in [0]}

def in_generator():
    return list(1 // item for item in [0])

def in_lambda():
    return (lambda: 1 // 0)()

def in_library():
    json.loads("{")

def caused():
    try:
        plain()
    except ValueError as error:
        raise PaymentError("paying") from error

def in_context():
    try:
        plain()
    except ValueError:
        raise PaymentError("paying")

def suppressed():
    try:
        plain()
    except ValueError:
        raise PaymentError("paying") from None

def caused_by_unraised():
    raise PaymentError("paying") from KeyError("never raised")

def three_deep():
    try:
        in_context()
    except PaymentError as error:
        raise RuntimeError("outer") from error

def same_type_twice():
    try:
        raise ValueError("inner")
    except ValueError as error:
        raise ValueError from error

def recursive():
    recursive()

def ping():
    pong()

def pong():
    ping()

def generated():
    exec("1 // 0")

def by_name():
    return undefined_name

def by_syntax():
    compile("def (", "<string>", "exec")
"""

# Measured once; equal on every Python, in every directory, wherever the lines stand.
RECORDED = {
    "plain": "1-3e4d0204e12013b9",
    "empty": "1-4e8bc920564fde0f",
    "multiline": "1-d97ab19ce79eedd7",
    "nested_class": "1-d3fa9bb5090933c8",
    "through_helper": "1-3e4d0204e12013b9",
    "in_comprehension": "1-22e33f1f7a80f9c3",
    "in_dict_comprehension": "1-59d16126ebafb323",
    "in_generator": "1-a28c31a0089616ac",
    "in_lambda": "1-a974303c14fc947f",
    "in_library": "1-e458caa4f08aaefb",
    "caused": "1-51a3deeef9923160",
    "in_context": "1-a2f03bf6a751f155",
    "suppressed": "1-e148c021f812a842",
    "caused_by_unraised": "1-9e5f39c0cf2dee84",
    "three_deep": "1-1a7a624d9d121a94",
    "same_type_twice": "1-f0469039de2b7f6a",
    "recursive": "1-42d809a923af0255",
    "ping": "1-5dc0c161fd7e388c",
    "generated": "1-09eb0c2bfce79622",
    "by_name": "1-5d5a0edf91e55736",
    "by_syntax": "1-778b64db1e389c6f",
}


def load(path: Path, source: str = SHOP, name: str = "shop.pay") -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, str(path), "exec"), namespace)  # own source
    return namespace


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(tmp_path))
    return load(tmp_path / "shop" / "pay.py")


def failing(fail: Callable[[], Any]) -> BaseException:
    try:
        fail()
    except Exception as error:  # whatever it is
        return error
    raise AssertionError("did not fail")


def called(fail: Callable[[], Any]) -> Any:
    return fail()


def recorded(error: BaseException) -> dict[str, str]:
    """As the SDK records it."""
    module, qualname = type(error).__module__, type(error).__qualname__
    return {
        "exception.type": qualname if module == "builtins" else f"{module}.{qualname}",
        "exception.message": str(error),
        "exception.stacktrace": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    }


class TestEquality:
    @pytest.mark.parametrize("name", RECORDED)
    def test_it_is_the_recorded_one_on_every_python(self, shop: dict[str, Any], name: str) -> None:
        assert RECORDED[name] == _hot.Classifier().facts(failing(shop[name])).fingerprint

    @pytest.mark.parametrize("name", RECORDED)
    def test_live_exception_and_its_text_have_the_same(self, shop: dict[str, Any], name: str) -> None:
        error = failing(shop[name])
        live, text = _hot.Classifier().facts(error), _hot.Classifier().facts(event=recorded(error))
        assert ("live", "event") == (live.source, text.source)
        assert (live.fingerprint, live.culprit) == (text.fingerprint, text.culprit)
        assert live.chain == text.chain

    def test_failures_in_different_places_have_different_ones(self) -> None:
        same = {"plain", "through_helper", "multiline", "empty"}
        assert 4 <= len(same)
        assert len(RECORDED) == len(set(RECORDED.values())) + 1, "plain and through_helper fail in one place"
        assert RECORDED["plain"] == RECORDED["through_helper"]

    def test_directory_and_lines_do_not_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        elsewhere = tmp_path / "opt" / "release-7"
        monkeypatch.syspath_prepend(str(elsewhere))
        moved = load(elsewhere / "shop" / "pay.py", "\n" * 50 + SHOP)
        for name, expected in RECORDED.items():
            assert expected == _hot.Classifier().facts(failing(moved[name])).fingerprint, name

    def test_a_thousand_errors_of_one_place_have_one(self, shop: dict[str, Any]) -> None:
        classifier = _hot.Classifier()
        assert 1 == len({classifier.facts(failing(shop["caused"])).fingerprint for _ in range(1000)})


class TestPlace:
    LIBRARY = (
        "def call(tracer, fail):\n"
        "    with tracer.start_as_current_span('inner'):\n"
        "        fail()\n"
        "def broken():\n"
        "    raise ConnectionError('down')\n"
        "def serve(tracer):\n"
        "    call(tracer, broken)\n"
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
        assert "tests.test_fingerprint:failing" == facts.culprit
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
        assert "tests.test_fingerprint:failing" == _hot.Classifier(in_app_include=["clien"]).facts(error).culprit

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
        assert "tests.test_fingerprint:failing" == _hot.Classifier().facts(failing(check)).culprit

    def test_a_stack_deeper_than_what_is_walked_keeps_its_innermost_frame(self, shop: dict[str, Any]) -> None:
        def deep(count: int) -> None:
            if count:
                deep(count - 1)
            shop["plain"]()

        error = failing(lambda: deep(300))
        assert "shop.pay:plain" == _hot.Classifier().facts(error).culprit
        assert RECORDED["plain"] == _hot.Classifier().facts(error).fingerprint

    @pytest.mark.parametrize("start", range(3))
    def test_where_a_recursion_ends_does_not_matter(self, shop: dict[str, Any], start: int) -> None:
        fail = shop["ping"]
        for _ in range(start):
            fail = functools.partial(called, fail)
        assert "shop.pay:ping" == _hot.Classifier().facts(failing(fail)).culprit


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with 3.11")
class TestGroups:
    SOURCE = SHOP + (
        "\ndef group():\n    raise ExceptionGroup('several', [ValueError('a'), KeyError('b')])\n"
        "def raised_leaves():\n"
        "    errors = []\n"
        "    for fail in (plain, caused):\n"
        "        try:\n            fail()\n        except Exception as error:\n            errors.append(error)\n"
        "    raise ExceptionGroup('several', [ExceptionGroup('inner', errors), KeyError('x')])\n"
        "def group_as_cause():\n"
        "    try:\n        raised_leaves()\n    except Exception as error:\n        raise PaymentError('p') from error\n"
        "def group_with_cause():\n"
        "    try:\n        plain()\n    except ValueError as error:\n"
        "        raise ExceptionGroup('g', [KeyError(1)]) from error\n"
    )

    @pytest.mark.parametrize("name", ["group", "raised_leaves", "group_as_cause", "group_with_cause"])
    def test_a_group_and_its_text_have_the_same(self, tmp_path: Path, monkeypatch: Any, name: str) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        error = failing(load(tmp_path / "shop" / "pay.py", self.SOURCE)[name])
        live, text = _hot.Classifier().facts(error), _hot.Classifier().facts(event=recorded(error))
        assert (live.fingerprint, live.culprit, live.chain) == (text.fingerprint, text.culprit, text.chain)
        assert f"shop.pay:{name}" == live.culprit

    def test_a_group_of_a_thousand_is_looked_at_in_part(self) -> None:
        leaves = [type(f"Leaf{number}", (ValueError,), {})("x") for number in range(1000)]
        group = ExceptionGroup("many", leaves)  # type: ignore[name-defined,unused-ignore]  # noqa: F821
        assert "bug" == _hot.Classifier().facts(group).kind


class TestText:
    EVENT: ClassVar = {"exception.type": "ValueError", "exception.message": "no"}

    def stack(self, shop: dict[str, Any]) -> str:
        return recorded(failing(shop["plain"]))["exception.stacktrace"]

    @pytest.mark.parametrize("cut", [5, 40, 80], ids=lambda cut: f"{cut} characters missing")
    def test_a_text_that_is_cut_tells_the_type_alone(self, shop: dict[str, Any], cut: int) -> None:
        text = self.stack(shop)[:-cut]
        facts = _hot.Classifier().facts(event={**self.EVENT, "exception.stacktrace": text}, name="pay")
        assert ("event_partial", None) == (facts.source, facts.culprit)
        other = {**self.EVENT, "exception.message": "other", "exception.stacktrace": text[:-3]}
        assert facts.fingerprint == _hot.Classifier().facts(event=other, name="pay").fingerprint
        assert facts.fingerprint != _hot.Classifier().facts(event=other, name="ship").fingerprint

    def test_frames_in_a_message_are_not_believed(self, shop: dict[str, Any]) -> None:
        facts = _hot.Classifier().facts(event=recorded(failing(shop["multiline"])))
        assert "shop.pay:multiline" == facts.culprit

    @pytest.mark.parametrize(
        "message",
        ["no", "", "order 7: \N{SNOWMAN} \N{GRINNING FACE}", "ends\n", "\n", "two\nlines", ": ", "ValueError: no",
         'x\n  File "/evil/forged.py", line 1, in forged\n    last'],
        ids=ascii,
    )  # fmt: skip
    @pytest.mark.parametrize("name", ["ValueError", "shop.pay.Declined", "Fehl\N{LATIN SMALL LETTER U WITH DIAERESIS}"])
    def test_any_message_leaves_the_frames_as_they_are(self, shop: dict[str, Any], name: str, message: str) -> None:
        above = self.stack(shop).removesuffix("ValueError: no\n")
        text = {"exception.type": name, "exception.message": message}
        text["exception.stacktrace"] = f"{above}{name}: {message}\n" if message else f"{above}{name}\n"
        assert above == fingerprint.above_message(text["exception.stacktrace"], name, message)
        assert "shop.pay:plain" == _hot.Classifier().facts(event=text).culprit

    def test_a_stack_is_parsed_once_for_all_its_messages(self, shop: dict[str, Any], monkeypatch: Any) -> None:
        parsed: list[tuple[str, str]] = []
        parse = fingerprint.parse_stack

        def counted(body: str, name: str) -> Any:
            parsed.append((body, name))
            return parse(body, name)

        monkeypatch.setattr(fingerprint, "parse_stack", counted)
        classifier = _hot.Classifier()
        stack = self.stack(shop)
        for number in range(50):
            message = f"order {number} of {number * 7919}"
            event = {"exception.type": "ValueError", "exception.message": message}
            event["exception.stacktrace"] = stack.replace("ValueError: no", f"ValueError: {message}")
            assert RECORDED["plain"] == classifier.facts(event=event).fingerprint
        assert 1 == len(parsed)

    def test_types_with_one_stack_are_told_apart(self, shop: dict[str, Any]) -> None:
        classifier = _hot.Classifier()
        stack = self.stack(shop)
        events = [
            {
                "exception.type": name,
                "exception.message": "no",
                "exception.stacktrace": stack.replace("ValueError", name),
            }
            for name in ("ValueError", "KeyError", "ValueError")
        ]
        first, other, again = (classifier.facts(event=event).fingerprint for event in events)
        assert (first, True) == (again, first != other)

    def test_many_new_stacks_forget_the_oldest_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parsed: list[tuple[str, str]] = []
        parse = fingerprint.parse_stack

        def counted(body: str, name: str) -> Any:
            parsed.append((body, name))
            return parse(body, name)

        monkeypatch.setattr(fingerprint, "parse_stack", counted)
        classifier = _hot.Classifier()

        def fail_at(place: int) -> None:
            stack = (
                f'Traceback (most recent call last):\n  File "/srv/app/a.py", line {place}, in pay\nValueError: no\n'
            )
            classifier.facts(event={**self.EVENT, "exception.stacktrace": stack})

        for place in range(2049):
            fail_at(place)
        parsed.clear()
        for place in range(2048, 512, -1):
            fail_at(place)
        assert 0 == len(parsed)
        fail_at(0)
        assert 1 == len(parsed)

    def test_notes_after_the_message_are_not_read(self) -> None:
        text = {"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": (
            'Traceback (most recent call last):\n  File "/srv/app/pay.py", line 1, in pay\n'
            'ValueError: no\nnote: see\n  File "/evil/forged.py", line 1, in forged\n'
        )}  # fmt: skip
        assert "srv.app.pay:pay" == _hot.Classifier().facts(event=text).culprit

    def test_a_repeated_line_stands_for_its_frame(self) -> None:
        text = {"exception.type": "RecursionError", "exception.message": "deep", "exception.stacktrace": (
            'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in start\n    again()\n'
            '  File "/srv/app/a.py", line 2, in again\n    again()\n'
            "  [Previous line repeated 990 more times]\n"
            '  File "/srv/app/a.py", line 9, in leaf\nRecursionError: deep\n'
        )}  # fmt: skip
        assert "srv.app.a:again" == _hot.Classifier().facts(event=text).culprit

    def test_a_hundred_thousand_lines_are_read_in_part(self) -> None:
        middle = '  File "/srv/app/a.py", line 2, in again\n' * 100_000
        text = f'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in start\n{middle}'
        body = fingerprint.above_message(f"{text}ValueError: no\n", "ValueError", "no")
        assert body is not None
        blocks = fingerprint.parse_stack(body, "ValueError")
        assert len(blocks[0].frames) < 2000

    def test_a_class_of_the_main_module_goes_by_its_bare_name(self) -> None:
        text = {"exception.type": "__main__.Own", "exception.message": "no", "exception.stacktrace": (
            'Traceback (most recent call last):\n  File "/srv/app/pay.py", line 1, in pay\n__main__.Own: no\n'
        )}  # fmt: skip
        assert "event_partial" == _hot.Classifier().facts(event=text).source
        text["exception.stacktrace"] = text["exception.stacktrace"].replace("__main__.", "")
        assert "srv.app.pay:pay" == _hot.Classifier().facts(event=text).culprit

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.sampled_from([
            "Traceback (most recent call last):", '  File "/srv/a.py", line 1, in f', "    code()", "    ~~~^^", "ValueError: no",
            "  [Previous line repeated 3 more times]", "  + Exception Group Traceback (most recent call last):", "  | x",
            "The above exception was the direct cause of the following exception:", "", "  +-+---------------- 1 -------",
            "During handling of the above exception, another exception occurred:", "no", "\x0c", "\ud800",
        ]), max_size=20),
        st.sampled_from(["", "no", "no\nno"]),
    )  # fmt: skip
    def test_any_text_is_read_without_complaint(self, lines: list[str], message: str) -> None:
        text = {**self.EVENT, "exception.message": message, "exception.stacktrace": "\n".join(lines) + "\n"}
        facts = _hot.Classifier().facts(event=text)
        assert facts.source in ("event", "event_partial")
        assert facts.fingerprint is not None
        assert facts.fingerprint.startswith("1-")


@pytest.mark.parametrize(
    ("filename", "module", "in_app"),
    [
        ("/usr/lib/python3.11/json/decoder.py", "json.decoder", False),
        ("/opt/venv/lib/python3.12/site-packages/requests/adapters.py", "requests.adapters", False),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml", False),
        ("/app/vendor/site-packages/x/site-packages/y/z.py", "y.z", False),
        ("/usr/lib/python311.zip/json/decoder.py", "json.decoder", False),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", False),
        ("<frozen os>", "os", False),
        ("<string>", "<generated>", False),
        ("<attrs generated init shop.Pay>", "<generated>", False),
        ("<ipython-input-3-abc>", "<notebook>", True),
        ("/tmp/ipykernel_4242/123456.py", "<notebook>", True),
        ("/deep/down/in/srv/app/shop/pay.py", "app.shop.pay", True),
        ("/pay.py", "pay", True),
        ("/srv/shop/__main__.py", "srv.shop", True),
        (r"C:\srv\app\shop\pay.py", "app.shop.pay", True),
        (r"C:\Python311\Lib\site-packages\requests\api.py", "requests.api", False),
        ("shop/pay.py", "shop.pay", True),
        ("./shop/pay.py", "shop.pay", True),
        ("src/grpc/_cython/cygrpc.pyx", "src.grpc._cython.cygrpc", False),
        ("", "", True),
    ],
)
def test_a_file_tells_its_module_and_whose_it_is(filename: str, module: str, in_app: bool) -> None:
    assert (module, fingerprint.IN_APP if in_app else 0) == fingerprint.module_of(filename)


def test_the_longest_entry_of_the_path_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/srv", "/srv/app", "/srv/application", "", 7])
    assert ("shop.pay", fingerprint.IN_APP) == fingerprint.module_of("/srv/app/shop/pay.py")


def test_compiled_methods_lose_their_class() -> None:
    assert ("pool:query", 0) == fingerprint.Frames().frame("pool.pyx", "pool.Protocol.query")
    assert ("pool:<lambda>", fingerprint.IN_APP) == fingerprint.Frames().frame("pool.py", "<lambda>")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("user 42 not found", "user <number> not found"),
        ("key 'abc' missing in \"x\"", "key <quoted> missing in <quoted>"),
        ("GET https://u:p@h/a?b=c failed", "GET <url> failed"),
        ("mail to bob@example.com bounced", "mail to <email> bounced"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <uuid>"),
        ("peer 10.0.0.1:5432 gone", "peer <ip> gone"),
        ("at 2024-02-03T04:05:06.789Z", "at <date>"),
        ("object at 0x7f00deadbeef", "object at <hex>"),
        ("commit 1f2e3d4c5b6a", "commit <hex>"),
        ("took 1.5 s, -3 left", "took <number> s, <number> left"),
        ("\nfirst line\nsecond", "first line"),
        ("x" * 500, "x" * 200),
        ("", ""),
    ],
)
def test_a_template_keeps_what_does_not_vary(message: str, expected: str) -> None:
    assert expected == fingerprint.template(message)


def test_a_fingerprint_says_its_version_and_64_bits() -> None:
    text, number = fingerprint.digest(["", "ValueError", "a:b"])
    assert f"1-{number:016x}" == text


class TestWithoutFrames:
    def test_a_code_stands_for_the_message(self) -> None:
        classifier = _hot.Classifier()
        codes = {"http.response.status_code": 503, "http.route": "/pay"}
        first = classifier.facts(codes=codes)
        assert first.fingerprint == classifier.facts(codes=dict(codes), name="other").fingerprint
        assert first.fingerprint != classifier.facts(codes={**codes, "http.response.status_code": 500}).fingerprint
        assert first.fingerprint != classifier.facts(codes={**codes, "http.route": "/ship"}).fingerprint

    def test_a_remote_method_is_a_place(self) -> None:
        classifier = _hot.Classifier()
        codes = {"rpc.grpc.status_code": 14, "rpc.service": "Shop", "rpc.method": "Pay"}
        assert (
            classifier.facts(codes=codes, name="a").fingerprint == classifier.facts(codes=codes, name="b").fingerprint
            != classifier.facts(codes={**codes, "rpc.method": "Ship"}).fingerprint
        )  # fmt: skip

    def test_errors_of_a_coded_class_differ_by_code(self) -> None:
        classifier = _hot.Classifier()
        errors = []
        for status in (404, 503, 404):
            response = requests.Response()
            response.status_code = status
            response.url = "https://shop.example/pay"
            errors.append(classifier.facts(failing(response.raise_for_status)).fingerprint)
        assert errors[0] == errors[2] != errors[1]
