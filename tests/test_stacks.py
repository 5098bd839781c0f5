"""A stack text is parsed once for all the messages that a place raises with, and remembered within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from otel_errsample import _hot, stacktext
from tests.failures import HAS_GROUPS, failing, load, recorded


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(tmp_path))
    return load(tmp_path / "shop" / "pay.py")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    bodies: list[str] = []
    parse = stacktext.parse_stack

    def counted(body: str, *rest: str) -> Any:
        bodies.append(body)
        return parse(body, *rest)

    monkeypatch.setattr(stacktext, "parse_stack", counted)
    return bodies


class TestStacks:
    EVENT: ClassVar = {"exception.type": "ValueError", "exception.message": "no"}

    def stack(self, shop: dict[str, Any]) -> str:
        return recorded(failing(shop["plain"]))["exception.stacktrace"]

    def test_a_stack_is_parsed_once_for_all_its_messages(self, shop: dict[str, Any], parsed: list[str]) -> None:
        classifier = _hot.Classifier()
        expected = _hot.Classifier().facts(failing(shop["plain"])).fingerprint
        stack = self.stack(shop)
        for number in range(50):
            message = f"order {number} of {number * 7919}"
            event = {"exception.type": "ValueError", "exception.message": message}
            event["exception.stacktrace"] = stack.replace("ValueError: no", f"ValueError: {message}")
            assert expected == classifier.facts(event=event).fingerprint
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

    def test_many_new_stacks_forget_the_oldest_alone(self, parsed: list[str]) -> None:
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
        for place in range(256):
            fail_at(place)
        assert 256 - 64 <= len(parsed) <= 256  # all but those whose texts are among the last few

    @pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
    def test_groups_with_other_members_are_told_apart(self, parsed: list[str]) -> None:
        def told(*leaves: Exception) -> str | None:
            def fail() -> None:
                raise ExceptionGroup("g", leaves)  # type: ignore[name-defined,unused-ignore]  # noqa: F821

            return classifier.facts(event=recorded(failing(fail))).fingerprint

        classifier = _hot.Classifier()
        assert told(ValueError("a")) == told(ValueError("a"))
        assert 1 == len(parsed)
        assert told(ValueError("a")) != told(KeyError("a"))
        assert 2 == len(parsed)
