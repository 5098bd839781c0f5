"""`otel-errsample explain`: which rule decides about a recorded span, and why the others do not."""

from __future__ import annotations

import argparse
from typing import Any

from otel_errsample.cli import recording
from otel_errsample.cli.explanation import CERTAIN_LOSS, Explanation, explain
from otel_errsample.cli.files import Unreadable, name_of
from otel_errsample.cli.rulefile import load
from otel_errsample.cli.terminal import Screen
from otel_errsample.cli.trial import Trial
from otel_errsample.cli.witness import Witness, shown


def add(commands: Any) -> None:
    command = commands.add_parser(
        "explain",
        help="which rule decides about a recorded span, and why",
        description="Every limit counts as unspent.",
    )
    command.add_argument(
        "file",
        metavar="FILE",
        help="a YAML file, rule text in a file named *.rules, or - for rule text from the standard input",
    )
    command.add_argument(
        "--span", metavar="SPANS", required=True, help="OTLP JSON, as the Collector's file exporter writes it"
    )
    command.add_argument("--span-id", metavar="ID", help="only this span")
    recording.add_options(command)
    command.add_argument("--json", action="store_true", help="print a list of explanations")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Explain every span of the file, or the one that was asked for."""
    if options.file == options.span == "-":
        raise Unreadable("the standard input can be the rules or the spans, not both")
    recording.prepare(options)
    document = load(options.file, options.texts)
    spans = recording.all_spans(options.span)
    trial = Trial(document, options.head)
    witness = Witness(trial.rules, trial.internal_domains)
    # The others end too: a kept error pulls in the spans above it.
    explanations = _chosen([explain(span, trial, witness) for span in spans], options)
    if options.json:
        screen.json([explanation.as_dict() for explanation in explanations])
    else:
        for place, explanation in enumerate(explanations):
            if place:
                screen.line()
            show(explanation, screen)
    return 0


def _chosen(explanations: list[Explanation], options: argparse.Namespace) -> list[Explanation]:
    name = name_of(options.span)
    if not explanations:
        raise Unreadable(f"{name}: has no spans")
    if options.span_id is None:
        return explanations
    found = [it for it in explanations if it.span_id == options.span_id.lower()]
    if not found:
        raise Unreadable(f"{name}: has no span with the id {options.span_id}")
    return found


# Text


def show(it: Explanation, screen: Screen) -> None:
    """The explanation as lines: the span, what failed, every rule that was asked, what comes of it."""
    _show_span(it, screen)
    width = max((len(str(answer.rule.name)) for answer in it.answers), default=0)
    for answer in it.answers:
        name, style = str(answer.rule.name), "good"
        if answer.matches:
            mark, text = "yes", str(answer.rule).removeprefix(f"{name}: ")
            if name in it.would:
                style, text = "dim", f"{text} (would be {it.would[name]}; the next rule is asked)"
        else:
            mark, style, text = "no ", "dim", f"{answer.failing}: {', '.join(answer.seen)}"
        screen.wrapped([("  " + name.ljust(width) + "  ", "name"), (mark + "  ", style)], text)
    if it.unasked:
        screen.wrapped([("  not asked: ", "dim")], ", ".join(it.unasked))
    screen.wrapped([("exported: " if it.exported else "not exported: ", "strong")], _because(it))
    width = max(map(len, it.added), default=0)
    for name, value in it.added.items():
        screen.line("  added ", (name.ljust(width), "name"), "  ", shown(value))
    if it.trace_state is not None:
        screen.line("  trace state ", it.trace_state or "none")


def _show_span(it: Explanation, screen: Screen) -> None:
    span, facts = it.span, it.facts
    parts = [span.kind.name.lower(), "sampled" if it.sampled else "not sampled"]
    if span.start_time is not None and span.end_time is not None:
        parts.insert(1, f"{(span.end_time - span.start_time) / 1e9:.6g} s")
    screen.line((span.name or "(no name)", "strong"), f"  {', '.join(parts)}")
    screen.line(f"  trace {it.trace_id}, span {it.span_id}")
    if facts is None:
        screen.line("  nothing failed")
        return
    what = ": ".join(part for part in (facts.exception or facts.code, facts.message) if part)
    lead = ("  error ", "bad") if facts.error else ("  no error, downgraded ", "dim")
    screen.wrapped([lead], what or "by its status")
    known = ("kind", "fault", "severity", "recovery", "code", "domain", "fingerprint", "culprit")
    told = [f"{name} {value}" for name in known if (value := getattr(facts, name)) is not None]
    screen.wrapped(["  "], ", ".join(told))


def _because(it: Explanation) -> str:
    rule = it.rule and it.rule.rule
    if it.pulled:
        return f"with an error below it in its trace, which {it.added.get('errsample.rule', 'a rule')} kept"
    if rule is None:
        if it.action == "head":
            return f"no rule matches, and the head sampler {'sampled' if it.sampled else 'did not sample'} it"
        return f"errsample.keep is {str(it.action == 'keep').lower()} on the span, which decides before any rule"
    by = f"by {rule.name}"
    if it.action == "head":
        return f"{by}, which leaves it to the head sampler, and that {'sampled' if it.sampled else 'did not sample'} it"
    if it.action == "keep" and it.weight == "erased":
        return f"{by}, while its limit lasts; the next one kept says how many were left out"
    if it.action == "keep":
        weight = CERTAIN_LOSS / (CERTAIN_LOSS - it.threshold)
        return f"{by}; it stands for {weight:.6g} span{'' if weight == 1 else 's'}"
    return f"{by}, which drops it" if it.action == "drop" else f"{by}, its trace is not in the percentage"
