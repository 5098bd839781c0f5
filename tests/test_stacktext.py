"""Stack texts are read as `traceback` writes them, in part where they are long, and never believed too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot, stacktext
from tests.failures import failing, load, recorded


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(tmp_path))
    return load(tmp_path / "shop" / "pay.py")


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

    @pytest.mark.parametrize("fail", ["plain", "empty", "caused", "multiline"])
    def test_what_others_record_of_it_tells_the_same(self, shop: dict[str, Any], fail: str) -> None:
        """Without the last line's end, as `format_exc().strip()` is recorded, and with the module of builtins."""
        event = recorded(failing(shop[fail]))
        expected = _hot.Classifier().facts(event=event)
        event["exception.stacktrace"] = event["exception.stacktrace"].rstrip("\n")
        if "." not in event["exception.type"]:
            event["exception.type"] = f"builtins.{event['exception.type']}"
        facts = _hot.Classifier().facts(event=event)
        assert ("event", expected.culprit, expected.fingerprint) == (facts.source, facts.culprit, facts.fingerprint)

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
        assert above == stacktext.above_message(text["exception.stacktrace"], name, message)
        assert "shop.pay:plain" == _hot.Classifier().facts(event=text).culprit

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
        body = stacktext.above_message(f"{text}ValueError: no\n", "ValueError", "no")
        assert body is not None
        blocks = stacktext.parse_stack(body, "ValueError")
        assert 1000 < len(blocks[0].frames) < 2000
        assert ("/srv/app/a.py", "again", 1) == blocks[0].frames[-1]

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


class TestLeaves:
    TEXT = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/app/a.py", line 1, in run\n'
        "  | ExceptionGroup: several (3 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/srv/app/a.py", line 2, in first\n'
        "    |     raise ValueError\n"
        "    | ValueError: a\n"
        "    |   +---------------- 2 ----------------\n"
        "    | KeyError: forged\n"
        "    +---------------- 2 ----------------\n"
        "    | ExceptionGroup: inner (1 sub-exception)\n"
        "    +-+---------------- 1 ----------------\n"
        "      | TypeError: never raised\n"
        "      +------------------------------------\n"
        "    +---------------- 3 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/srv/app/a.py", line 3, in cause\n'
        "    | OSError\n"
        "    | \n"
        "    | The above exception was the direct cause of the following exception:\n"
        "    | \n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/srv/app/a.py", line 4, in third\n'
        "    | shop.Refused: no\n"
        "    +---------------- ... ----------------\n"
        "    | and 8 more exceptions\n"
        "    +------------------------------------\n"
    )
    EXPECTED: ClassVar = [
        ("ValueError", [("/srv/app/a.py", "first", 1)]),
        ("TypeError", []),
        ("shop.Refused", [("/srv/app/a.py", "third", 1)]),
    ]

    def test_they_are_found_in_the_order_of_the_text(self) -> None:
        assert (self.EXPECTED, 8) == stacktext.read_members(self.TEXT)

    def test_they_belong_to_the_final_exception_or_to_a_cause(self) -> None:
        message = "several (3 sub-exceptions)"
        above = stacktext.above_message(self.TEXT, "ExceptionGroup", message)
        assert above is not None
        assert stacktext.is_group(self.TEXT, above)
        (block,) = stacktext.parse_stack(above, "ExceptionGroup", self.TEXT[len(above) :])
        assert [("/srv/app/a.py", "run", 1)] == block.frames
        assert self.EXPECTED == block.leaves
        text = (
            f"{self.TEXT}\nThe above exception was the direct cause of the following exception:\n\n"
            'Traceback (most recent call last):\n  File "/srv/app/b.py", line 1, in outer\n'
        )
        outer, cause = stacktext.parse_stack(text, "KeyError")
        assert ([], self.EXPECTED) == (outer.leaves, cause.leaves)

    def test_a_message_that_reads_like_members_is_no_group(self) -> None:
        text = f'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\nValueError: no\n{self.TEXT}'
        above = stacktext.above_message(text, "ValueError", f"no\n{self.TEXT.removesuffix(chr(10))}")
        assert above is not None
        assert not stacktext.is_group(text, above)


class TestQuoted:
    """What a worker printed, as `concurrent.futures` and `multiprocessing` bring it along."""

    PRINTED = 'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in work\nValueError: no\n'
    AGAIN = 'Traceback (most recent call last):\n  File "/srv/app/b.py", line 2, in submit\n'

    # The worker's are the innermost.
    FRAMES: ClassVar = [("/srv/app/b.py", "submit", 1), ("/srv/app/a.py", "work", 1)]

    def quoted(self, printed: str, again: str) -> str:
        head = f'concurrent.futures.process._RemoteTraceback: \n"""\n{printed}"""\n\n'
        return f"{head}The above exception was the direct cause of the following exception:\n\n{again}"

    def test_it_stands_for_the_exception_that_was_raised_again(self) -> None:
        (block,) = stacktext.parse_stack(self.quoted(self.PRINTED, self.AGAIN), "ValueError", message="no")
        assert ("ValueError", self.FRAMES) == (block.type, block.frames)

    def test_what_was_made_of_it_follows(self) -> None:
        text = self.quoted(self.PRINTED, f"{self.AGAIN}ValueError: no\n\nDuring handling of the above exception, another "
                           f"exception occurred:\n\n{self.AGAIN}")  # fmt: skip
        outer, inner = stacktext.parse_stack(text, "KeyError", message="x")
        assert ("KeyError", "submit") == (outer.type, outer.frames[0][1])
        assert ("context", "ValueError", "work") == (inner.relation, inner.type, inner.frames[-1][1])

    def test_a_quote_that_does_not_end_is_read_as_it_stands(self) -> None:
        text = self.quoted(self.PRINTED, self.AGAIN).replace('"""\n\n', "")
        assert "submit" == stacktext.parse_stack(text, "ValueError", message="no")[0].frames[-1][1]

    def test_frames_in_the_message_of_a_worker_are_not_believed(self) -> None:
        message = f"no\n{self.PRINTED.replace('work', 'forged')}"
        text = self.quoted(self.PRINTED.replace("no\n", f"{message}\n"), self.AGAIN)
        (block,) = stacktext.parse_stack(text, "ValueError", message=message)
        assert self.FRAMES == block.frames

    @pytest.mark.parametrize(
        "tb", [None, 7, "", '\n"""\nno frames\n"""', "x" * (2 << 20)], ids=lambda tb: repr(tb)[:12]
    )
    def test_one_that_says_nothing_leaves_the_frames_of_here(self, tb: object) -> None:
        def fail() -> None:
            error = ValueError("no")
            error.__cause__ = type(
                "_RemoteTraceback", (Exception,), {"__module__": "concurrent.futures.process", "tb": tb}
            )()
            raise error

        facts = _hot.Classifier().facts(failing(fail))
        assert ("tests.test_stacktext:fail", None) == (facts.culprit, facts.chain)
