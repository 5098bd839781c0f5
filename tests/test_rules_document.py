"""Configuration files: rules with their places in the file, settings, everything that is wrong at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document, load, read
from otel_errsample.taxonomy import UserRow

WHOLE = """\
# What this service keeps
rules: |
  health: drop if http.route in ("/healthz", "/readyz")
  storm:  keep 5 per second by fingerprint if error   # by fingerprint
classify:
  - {exception: shop.errors.CardError, kind: business, severity: warn}
settings:
  max_buffer_bytes: 1048576
  in_app_include: [shop, "123"]
"""


def refused(text: str, source: str = "app.yaml") -> list[str]:
    with pytest.raises(RuleError) as caught:
        read(text, source)
    return str(caught.value).splitlines()


def test_a_document_says_rules_rows_and_settings() -> None:
    rules = Rules.parse(
        'health: drop if http.route in ("/healthz", "/readyz")\nstorm: keep 5 per second by fingerprint if error'
    )
    rows = (UserRow(exception="shop.errors.CardError", kind="business", severity="warn"),)
    settings = {"max_buffer_bytes": 1048576, "in_app_include": ("shop", "123")}
    assert Document("app.yaml", rules, rows, settings) == read(WHOLE, "app.yaml")


def test_what_a_document_leaves_out_it_does_not_say() -> None:
    assert Document("app.yaml", None, (), {"flush_errors_ms": 5}) == read("settings: {flush_errors_ms: 5}", "app.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "rules: |\n  a: drop if root; b: keep 5% if error\n",
        "rules: 'a: drop if root; b: keep 5% if error'",
        "rules:\n  - 'a: drop if root'\n  - \"b: keep 5% if error\"",
        "rules: ['a: drop if root', 'b: keep 5% if error']",
        "rules:\n  - |\n    a: drop if root\n  - >\n    b: keep 5%\n    if error",
        '{"rules": ["a: drop if root  # comment", "b: keep 5% if error"]}',
    ],
    ids=["literal", "quoted", "list", "flow", "blocks", "JSON"],
)
def test_rules_are_one_text_or_a_list_of_texts(text: str) -> None:
    rules = read(text, "app.yaml").rules
    assert Rules.parse("a: drop if root; b: keep 5% if error") == rules
    assert rules is not None
    assert rules == Rules.parse(rules.text)


@pytest.mark.parametrize("text", ["rules: []", "rules: ''", "rules: |\n  # none yet\n"])
def test_a_document_may_have_no_rule(text: str) -> None:
    assert Rules.parse("") == read(text, "app.yaml").rules


def test_rules_without_a_name_are_numbered_over_the_whole_list() -> None:
    rules = read("rules:\n  - drop if root\n  - keep if error", "app.yaml").rules
    assert rules is not None
    assert ("rule_1", "rule_2") == rules.names


def test_a_problem_of_a_rule_has_its_place_in_the_file() -> None:
    text = """\
rules:
  - 'a: keep if kind == "timeot"'
  - "b: keep if kind == \\"timeot\\""
  - keep if
       kind == "timeot"
  - >-
     keep if
     kind == "timeot"
  - |2
      keep if kind == "timeot"
  - keep if (kind == "timeout"
  - keep if kind ==
"""
    message = "'kind' is never \"timeot\" (did you mean 'timeout'?)"
    assert [
        f"app.yaml:2:25: {message}",
        f"app.yaml:3:25: {message}",
        f"app.yaml:5:16: {message}",
        f"app.yaml:8:14: {message}",
        f"app.yaml:10:23: {message}",
        "app.yaml:11:13: '(' is never closed (add ))",
        "app.yaml:12:20: expected a value after '==', got the end of the rule",
    ] == refused(text)


def test_a_rule_left_open_does_not_swallow_the_next() -> None:
    text = "rules:\n  - keep if (root\n  - or error)\n"
    assert ["app.yaml:2:13", "app.yaml:3:5"] == [line.split(": ")[0] for line in refused(text)]


def test_problems_of_rules_in_a_block_scalar_with_windows_line_ends() -> None:
    text = "rules: |\r\n\r\n    keep if eror\r\n    drop if x\r\n"
    assert ["app.yaml:3:13", "app.yaml:4:13"] == [line.split(": ")[0] for line in refused(text)]


def test_all_that_is_wrong_in_a_document_is_reported_at_once() -> None:
    text = """\
rule: x
rules: [keep if kind == "timeot", {health: drop}, [drop], ~]
classify:
  - {exception: shop.E, kind: busines}
settings:
  max_buffer: 1
  OTEL_BSP_SCHEDULE_DELAY: 5
  rules: keep
  max_buffer_bytes: 12
  in_app_include: shop
  internal_domains: [example.com, "*.example.org"]
  flush_errors_ms: '5'
max_request_bytes: 65536
"""
    mapping_hint = "put a rule that contains ': ' in quotes, or write all of them below 'rules: |'"
    assert [
        "app.yaml:1:1: unknown key 'rule' (did you mean 'rules'?)",
        "app.yaml:2:25: 'kind' is never \"timeot\" (did you mean 'timeout'?)",
        f"app.yaml:2:35: a rule is expected to be text, got a mapping ({mapping_hint})",
        "app.yaml:2:51: a rule is expected to be text, got a list",
        "app.yaml:2:59: a rule is expected to be text, got nothing",
        "app.yaml:4:31: 'kind' is never 'busines' (did you mean 'business'?)",
        "app.yaml:6:3: unknown setting 'max_buffer' (did you mean 'max_buffer_bytes'?)",
        "app.yaml:7:3: unknown setting 'OTEL_BSP_SCHEDULE_DELAY' (write: schedule_delay_ms)",
        "app.yaml:8:3: unknown setting 'rules' ('rules' is a key of its own, beside 'settings')",
        "app.yaml:9:21: 'max_buffer_bytes' is expected to be a whole number of bytes from 65536 to 4294967296, got '12'",
        "app.yaml:10:19: 'in_app_include' is expected to be a list of texts, got 'shop'",
        "app.yaml:11:21: 'internal_domains' is expected to be a list of domains and networks, got a list",
        (
            "app.yaml:12:20: 'flush_errors_ms' is expected to be a whole number of milliseconds from 0 to 60000, got '5'"
            " (write it without quotes)"
        ),
        "app.yaml:13:1: unknown key 'max_request_bytes' (write it below 'settings:')",
    ] == refused(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "app.yaml:1:1: the file is empty (expected keys: rules, classify, settings)"),
        (
            "keep if error",
            (
                "app.yaml:1:1: a mapping with the keys rules, classify, settings is expected "
                "(rules go below 'rules: |', or into a file whose name ends in .rules)"
            ),
        ),
        ("rules:", "app.yaml:1:7: 'rules' is expected to be text or a list of texts, got nothing"),
        ("rules: {a: b}", "app.yaml:1:8: 'rules' is expected to be text or a list of texts, got a mapping"),
        ("settings: [a]", "app.yaml:1:11: 'settings' is expected to be a mapping, got a list"),
        ("elephant: 1", "app.yaml:1:1: unknown key 'elephant' (one of rules, classify, settings)"),
    ],
)
def test_a_document_of_another_shape_is_refused(text: str, message: str) -> None:
    assert [message] == refused(text)


LINES = st.sampled_from(
    ["rules:", "rules: |", "- ", "  - ", "  keep if error", "classify:", "settings:", "  max_buffer_bytes: 5", "{", "}",
     "[", "]", "'", '"', ": ", "a", "\n", "\t", "#", "&a", "*a", "!!x", "|", ">", "?", "\\x", "é", "\0", "---", "%T", "@"]
)  # fmt: skip


@given(st.lists(LINES | st.text(max_size=5), max_size=12).map("".join), st.sampled_from(["f.yaml", "f.rules"]))
def test_whatever_the_text_it_is_a_document_or_refused_with_places_inside_it(text: str, source: str) -> None:
    try:
        assert isinstance(read(text, source), Document)
    except RuleError as error:
        lines = text.split("\n")
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 2


class TestLoad:
    @given(data=st.binary(max_size=60))
    def test_whatever_the_bytes_it_is_a_document_or_refused(
        self, data: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.yaml"
        path.write_bytes(data)
        try:
            assert isinstance(load(path), Document)
        except RuleError as error:
            assert error.problems

    def test_reads_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "errsample.yaml"
        path.write_text("\ufeffrules: keep if error  # é\n", encoding="utf-8")
        assert Document(str(path), Rules.parse("keep if error")) == load(path)
        assert Rules.parse("keep if error") == Rules.load(path) == Rules.load(str(path))

    def test_reads_rule_text_where_the_name_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "app.rules"
        path.write_text("pay: keep if error\ndrop\n", encoding="utf-8")
        assert ("pay", "rule_2") == Rules.load(path).names
        path.write_text("pay: kep", encoding="utf-8")
        with pytest.raises(RuleError, match=r"app\.rules:1:6: expected an action, got 'kep'"):
            load(path)

    def test_a_file_without_rules_has_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text("settings: {}", encoding="utf-8")
        assert Rules.parse("") == Rules.load(path)

    def test_a_problem_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text("rules: |\n  kep if error", encoding="utf-8")
        with pytest.raises(RuleError) as caught:
            Rules.load(path)
        assert f"{path}:2:3: expected an action, got 'kep' (did you mean 'keep'?)" == str(caught.value)

    @pytest.mark.parametrize(
        ("text", "place"),
        [("rules: |\n  # é", "2:6"), ("\ufeffrules: |\n  # é", "2:6"), ("\ufeffé", "1:2"), ("", "1:1")],
    )
    def test_what_is_not_utf_8_is_refused_with_its_place(self, tmp_path: Path, text: str, place: str) -> None:
        path = tmp_path / "a.yaml"
        path.write_bytes(text.encode() + b"\xff")
        with pytest.raises(RuleError, match=rf"a\.yaml:{place}: the file is expected to be UTF-8"):
            load(path)

    def test_a_file_that_is_too_long_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        with path.open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(RuleError, match="a file is expected to have at most 262144 characters"):
            load(path)

    def test_a_pipe_or_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match=r"it is not a regular file: '.*pipe'$"):
            load(tmp_path / "pipe")
        with pytest.raises(FileNotFoundError):
            Rules.load(tmp_path / "missing.yaml")
