"""A configuration file: what is good in it comes into force, what is wrong is said once and changes nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from otel_errsample.configfile import MOST_SAID, ConfigFile
from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document


class Used:
    """A configuration file in use; `write` lets so much time pass that it is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = ConfigFile(str(path))
        self.now = 0.0
        self.applied: list[tuple[Document, Document]] = []

    def start(self) -> None:
        try:
            self.file.read()
        finally:
            self.file.on_change(self.apply)
            self.pass_time()

    def apply(self, document: Document, former: Document) -> str:
        self.applied.append((document, former))
        return f"{len(document.rules or ())} rules"

    def pass_time(self) -> None:
        for _ in range(3):
            self.now += 1.0
            self.file.look(self.now)

    def write(self, text: str) -> None:
        self.path.write_text(text)
        self.pass_time()


@pytest.fixture
def used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Used:
    path = tmp_path / "a.yaml"
    path.write_text("rules: keep")
    made = Used(path)
    made.start()
    assert ([], "", "") == (made.applied, made.file.problem, caplog.text)
    caplog.set_level(logging.INFO)
    return made


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of what was said since the last call."""
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return said


def test_what_is_new_and_good_is_put_in_force_and_said_in_one_line(
    used: Used, caplog: pytest.LogCaptureFixture
) -> None:
    used.write("rules: drop")
    first, second = (Document(str(used.path), Rules.parse(text)) for text in ("keep", "drop"))
    assert [(second, first)] == used.applied
    assert second == used.file.document
    assert [("INFO", f"{used.path} has changed: 1 rules")] == messages(caplog)


def test_a_file_named_from_the_directory_of_the_start_is_found_after_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("rules: keep")
    used = Used(Path("a.yaml"))
    used.start()
    monkeypatch.chdir("/")
    used.path = tmp_path / "a.yaml"
    used.write("rules: drop")
    assert "" == used.file.problem
    assert Rules.parse("drop") == used.file.document.rules


def test_a_file_that_says_the_same_changes_nothing(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    used.write("rules: keep  # touched")
    assert ([], []) == (used.applied, messages(caplog))


@pytest.mark.scenario("I5")
def test_what_is_wrong_is_said_once_and_leaves_the_last_good_content(
    used: Used, caplog: pytest.LogCaptureFixture
) -> None:
    used.write("rules: kep")
    problem = f"{used.path}:1:8: expected an action, got 'kep' (did you mean 'keep'?)"
    assert problem == used.file.problem
    assert [("WARNING", f"{problem}; what was in force before stays")] == messages(caplog)
    used.write("rules: kep ")
    used.write("rules: [kep, dop]")
    assert 1 == len(messages(caplog))
    used.write("rules: kep")
    assert ([], []) == (used.applied, messages(caplog))
    assert Rules.parse("keep") == used.file.document.rules
    used.write("rules: keep")
    assert ([], "") == (used.applied, used.file.problem)
    assert [("INFO", f"{used.path} is again what is in force")] == messages(caplog)
    used.write("rules: kep")
    assert 1 == len(messages(caplog)), "after a good one it is news again"


@pytest.mark.scenario("I5")
def test_a_file_that_is_being_written_is_left_alone(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    used.write("")
    problem = f"{used.path}:1:1: the file is empty (expected keys: rules, classify, settings)"
    assert [("WARNING", f"{problem}; what was in force before stays")] == messages(caplog)
    assert [] == used.applied


def test_a_file_that_goes_is_said_and_leaves_what_is_in_force(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    used.path.unlink()
    used.pass_time()
    problem = f"{used.path}: cannot be read (No such file or directory)"
    assert [("WARNING", f"{problem}; what was in force before stays")] == messages(caplog)
    assert (problem, Rules.parse("keep")) == (used.file.problem, used.file.document.rules)


def test_the_different_mistakes_that_are_said_are_bounded(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MOST_SAID + 10):
        used.write(f"rules: kep{number}")
    assert MOST_SAID == len(messages(caplog))
    assert f"'kep{MOST_SAID + 9}'" in used.file.problem


def test_what_fails_to_come_into_force_stays_as_it_was_and_is_tried_again(used: Used) -> None:
    def fail(document: Document, former: Document) -> str:
        raise MemoryError

    used.file.on_change(fail)
    with pytest.raises(MemoryError):
        used.write("rules: drop")
    assert Rules.parse("keep") == used.file.document.rules
    with pytest.raises(MemoryError):
        used.pass_time()
    used.file.on_change(used.apply)
    used.pass_time()
    assert Rules.parse("drop") == used.file.document.rules


class TestStart:
    def test_a_missing_file_raises_and_is_used_when_it_comes(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        used = Used(tmp_path / "a.yaml")
        with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read \(No such file or directory\)"):
            used.start()
        assert [] == messages(caplog), "it is not said again"
        used.write("rules: drop")
        assert [(Document(str(used.path), Rules.parse("drop")), Document(str(used.path)))] == used.applied

    def test_a_wrong_file_raises_and_is_used_when_it_is_mended(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        used = Used(tmp_path / "a.yaml")
        used.path.write_text("rules: kep")
        with pytest.raises(RuleError, match=r"a\.yaml:1:8: expected an action"):
            used.start()
        assert (Document(str(used.path)), []) == (used.file.document, messages(caplog))
        used.write("rules: keep")
        assert 1 == len(used.applied)

    @pytest.mark.parametrize(
        ("text", "strict"),
        [
            ("scrub_also: [x]", True),
            ('"scrub" : "strict"', True),
            ("scrub: Strict", True),
            ("scrub:\n  # nothing\n  strict", True),
            ("scrub: default", False),
            ("scrub: off", False),
            ("a: [", False),
        ],
    )
    def test_a_wrong_file_that_asks_for_scrubbing_gets_all_of_it(self, tmp_path: Path, text: str, strict: bool) -> None:
        used = Used(tmp_path / "a.yaml")
        used.path.write_text(f"rules: kep\nsettings: {{{text}}}\n")
        with pytest.raises(RuleError):
            used.start()
        assert ({"scrub": "strict"} if strict else {}) == used.file.document.settings

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
    def test_so_does_one_in_another_encoding(self, tmp_path: Path, encoding: str) -> None:
        used = Used(tmp_path / "a.yaml")
        used.path.write_text("# für alle\nsettings: {scrub: strict}\n", encoding=encoding)
        with pytest.raises(RuleError, match="is expected to be UTF-8"):
            used.start()
        assert {"scrub": "strict"} == used.file.document.settings

    def test_nothing_is_looked_at_before_somebody_can_take_it_over(self, tmp_path: Path) -> None:
        used = Used(tmp_path / "a.yaml")
        used.pass_time()
        assert 0.0 == used.file.seconds_left(used.now)
