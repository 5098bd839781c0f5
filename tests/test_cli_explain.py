"""`otel-errsample explain` on recorded spans, and on what is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.command import Command
from tests.failing import event, make_span
from tests.recorded import line_of, recorded

RULES = """\
health: drop if http.route in ("/healthz", "/readyz")
noise:  drop if exception is django.http.Http404
pay:    keep if exception is shop.PaymentError and severity >= "error"
try:    shadow drop if message contains "declined"
storm:  keep 5 per second by fingerprint if error and kind in transient
client: keep 100% if fault == "caller"
"""
FAILED = make_span(
    name="GET /checkout",
    kind="SERVER",
    status="ERROR",
    attributes={"http.route": "/checkout", "http.response.status_code": 402},
    events=[event("shop.PaymentError", "card declined")],
    span_id=5,
)
FINE = make_span(name="GET /healthz", kind="SERVER", attributes={"http.route": "/healthz"}, span_id=0xABC)
LEFT = make_span(name="plain", attributes={"a.b": "x"}, span_id=7)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


@pytest.fixture
def rules(command: Command) -> str:
    return command.write("rules.rules", RULES)


def test_an_error_is_explained_rule_by_rule(command: Command, rules: str) -> None:
    done = command("explain", rules, "--span", "-", stdin=line_of(FAILED))
    fingerprint = next(word for word in done.out.split() if word.startswith("1-"))
    assert (0, "") == (done.code, done.err)
    assert (
        f"""\
GET /checkout  server, 1e-09 s, sampled
  trace 00000000000000000000000000000003, span 0000000000000005
  error shop.PaymentError: card declined
  kind business, fault caller, severity info, recovery none, code http:402, fingerprint {fingerprint}
  health  no   http.route in ("/healthz", "/readyz"): http.route is "/checkout"
  noise   no   exception is django.http.Http404: exception is shop.PaymentError, whose base classes are not imported
  pay     no   severity >= "error": severity is "info"
  try     yes  shadow drop if message contains "declined" (would be dropped; the next rule is asked)
  storm   no   kind in transient: kind is "business"
  client  yes  keep 100% if fault == "caller"
  not asked: default.errors
exported: by client; it stands for 1 span
  added error.type             "shop.PaymentError"
  added errsample.fingerprint  "{fingerprint}"
  added errsample.kind         "business"
  added errsample.rule         "client"
  added errsample.scope        "span"
  added errsample.severity     "info"
  added errsample.fault        "caller"
  added errsample.code         "http:402"
  added errsample.recovery     "none"
  added errsample.source       "event"
  trace state ot=th:0
"""
        == done.out
    )


def test_every_span_of_a_file_is_explained_however_it_is_laid_out(command: Command, rules: str, tmp_path: Path) -> None:
    text = line_of(FAILED, FINE) + json.dumps(recorded([LEFT]), indent=2)
    path = tmp_path / "spans.json.gz"
    path.write_bytes(gzip.compress(text.encode()))
    done = command("explain", rules, "--span", str(path))
    assert [
        "exported: by client; it stands for 1 span",
        "not exported: by health, which drops it",
        "exported: no rule matches, and the head sampler sampled it",
    ] == [line for line in done.out.splitlines() if "exported: " in line]
    assert ["drop", "head"] == [
        command("explain", rules, "--span", str(path), "--span-id", span_id, "--json").json[0]["action"]
        for span_id in ("0000000000000ABC", "0000000000000007")
    ]
    assert 3 == len(command("explain", rules, "--span", str(path), "--json").json)


@pytest.mark.parametrize(
    ("rule", "attributes", "head", "said"),
    [
        ("a: keep 5 per hour", {}, "1", "exported: by a, while its limit lasts; the next one kept says how many were left out"),
        ("a: keep 50%", {}, "1", "not exported: by a, its trace is not in the percentage"),
        ("a: keep first 1 per hour then 5%", {}, "0", "exported: by a, while its limit lasts; the next one kept says how many were left out"),
        ("a: head", {}, "1", "exported: by a, which leaves it to the head sampler, and that sampled it"),
        ("a: head", {}, "0", "not exported: by a, which leaves it to the head sampler, and that did not sample it"),
        ("a: keep if error", {}, "0", "not exported: no rule matches, and the head sampler did not sample it"),
        ("a: drop", {"errsample.keep": True}, "0", "exported: errsample.keep is true on the span, which decides before any rule"),
        ("a: keep", {"errsample.keep": False}, "1", "not exported: errsample.keep is false on the span, which decides before any rule"),
    ],
)  # fmt: skip
def test_what_comes_of_a_span_is_said(
    command: Command, rule: str, attributes: dict[str, object], head: str, said: str
) -> None:
    line = line_of(make_span(attributes=attributes))
    done = command("explain", command.write("r.rules", rule), "--span", "-", "--head", head, stdin=line)
    assert said in done.out.splitlines()


def test_a_span_above_a_kept_error_is_said_to_be_pulled_in(command: Command) -> None:
    failing, parent = make_span(name="query", status="ERROR"), make_span(name="request", span_id=0x77)
    failing._parent = parent.get_span_context()
    failing._end_time = 1  # before its parent, which an exporter may send first all the same
    rules = command.write("r.rules", "a: keep if error; b: drop")
    for more in ([], ["--span-id", "0000000000000077"]):
        done = command("explain", rules, "--span", "-", "--head", "0", *more, stdin=line_of(parent, failing))
        assert ("  error by its status" in done.out.splitlines()) == (not more)
        assert "  b  yes  drop" in done.out.splitlines()
        assert "exported: with an error below it in its trace, which a kept" in done.out.splitlines()
    (it,) = command(
        "explain", rules, "--span", "-", "--span-id", "0000000000000077", "--json", stdin=line_of(parent, failing)
    ).json
    assert ("drop", True, True) == (it["action"], it["exported"], it["pulled"])


def test_a_percentage_says_how_many_spans_are_meant(command: Command) -> None:
    data = recorded([make_span()])
    data["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "f" * 32
    done = command("explain", command.write("r.rules", "a: keep 25%"), "--span", "-", stdin=json.dumps(data))
    assert "exported: by a; it stands for 4 spans" in done.out
    assert "  trace state ot=th:c" in done.out.splitlines()


def test_a_named_module_makes_its_classes_known(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.write("bakery_of_tests.py", "class BakeryError(Exception): ...\nclass BurntError(BakeryError): ...\n")
    command.write("broken_of_tests.py", "raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    rules = command.write("r.rules", "a: drop if exception is bakery_of_tests.BakeryError; b: keep")
    line = line_of(make_span(status="ERROR", events=[event("bakery_of_tests.BurntError")]))
    assert "b" == command("explain", rules, "--span", "-", "--json", stdin=line).json[0]["rule"]
    known = command("explain", rules, "--span", "-", "--json", "--import", "bakery_of_tests", stdin=line)
    assert "a" == known.json[0]["rule"]
    for name, reason in (("no_such_module", "ModuleNotFoundError: "), ("broken_of_tests", "SystemExit: 0")):
        done = command("explain", rules, "--span", "-", "--import", name, stdin=line)
        assert (2, "") == (done.code, done.out)
        assert f"otel-errsample: --import {name}: {reason}" in done.err


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        pytest.param("", "has no spans", id="empty"),
        pytest.param('{"resourceLogs": []}', "has no spans", id="logs"),
        pytest.param("{}\n{", "2:2: expecting property name enclosed in double quotes", id="no JSON"),
        pytest.param("{}\n[" + "[" * 100_000, "2:1: brackets are nested too deeply", id="nested"),
        pytest.param("5", "1: is expected to be an object, got 5", id="number"),
        pytest.param("{}\n" + '{"resourceSpans": {"\x7f": 1}}', "2: resourceSpans is expected to be a list, got an object", id="type"),
        pytest.param(b'{"a": "\xff"}', "1:8: is expected to be UTF-8, got the byte 0xff", id="encoding"),
        pytest.param(gzip.compress(b"x" * 1000)[:20], "compressed file ended before the end-of-stream marker was reached", id="half"),
        pytest.param(b"\x1f\x8bxx" + bytes(20), "unknown compression method", id="no gzip"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_one_line_with_its_position(
    command: Command, rules: str, stdin: str | bytes, said: str
) -> None:
    done = command("explain", rules, "--span", "-", stdin=stdin)
    assert (2, "") == (done.code, done.out)
    (line,) = done.err.splitlines()
    assert line.startswith("otel-errsample: <stdin>:")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--span", "-", "--span-id", "12"], "<stdin>: has no span with the id 12"),
        (["--span", "-", "--head", "1.5"], "argument --head: a number from 0 to 1 is expected, got 1.5"),
        (["--span", "-", "--head", "x"], "argument --head: a number from 0 to 1 is expected, got x"),
        ([], "the following arguments are required: --span"),
    ],
)
def test_wrong_arguments_are_refused(command: Command, rules: str, arguments: list[str], said: str) -> None:
    done = command("explain", rules, *arguments, stdin=line_of(FINE))
    assert (2, "") == (done.code, done.out)
    assert said in done.err


def test_the_standard_input_is_read_once(command: Command) -> None:
    done = command("explain", "-", "--span", "-", stdin="keep")
    assert (2, "otel-errsample: the standard input can be the rules or the spans, not both\n") == (done.code, done.err)


def test_a_span_cannot_speak_to_the_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    evil = "\x1b]0;evil\x07\r\n\x9b31m\u202e"
    span = make_span(
        name=evil,
        status="ERROR",
        description=evil,
        attributes={"a.b": evil},
        events=[event(evil, evil, **{evil: evil})],
    )
    rules = command.write("r.rules", 'a: drop if a.b == "x" or exception is ValueError; b: keep if message exists')
    for terminal in (False, True):
        done = command("explain", rules, "--span", "-", stdin=line_of(span), terminal=terminal)
        assert 0 == done.code
        assert all(line.isprintable() for line in done.out.splitlines())
        assert r"\x1b]0;evil\x07\r\n\x9b31m\u202e" in done.out


def test_on_a_terminal_long_lines_are_broken_under_their_beginning(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    done = command("explain", command.write("r.rules", RULES), "--span", "-", stdin=line_of(FAILED), terminal=True)
    lines = done.out.splitlines()
    assert 80 >= max(map(len, lines))
    at = next(place for place, line in enumerate(lines) if line.startswith("  noise"))
    assert "               whose base classes are not imported" == lines[at + 1]
