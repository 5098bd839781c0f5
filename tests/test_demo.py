"""The demo: its failures are the announced ones, its audit notices every false number, its page holds what it says."""

from __future__ import annotations

import io
import itertools
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from demo import __main__ as demo
from demo import simulation
from demo.books import Check, Received, audit
from demo.loopback import services
from demo.pricing import Line, quote
from demo.progress import Progress
from demo.shop import Request, Shop
from demo.text import MOST_WIDTH, Style, bar, cut, table
from demo.traffic import SeededIds, traffic

REQUESTS, STORM = 300, 60


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(scope="module")
def shop(spans: InMemorySpanExporter) -> Iterator[Shop]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with services() as dependencies:
        shop = Shop(provider.get_tracer("shop"), dependencies)
        yield shop
        shop.close()
    provider.shutdown()


def served(shop: Shop, spans: InMemorySpanExporter, answer: str) -> tuple[int, ReadableSpan]:
    spans.clear()
    status = shop.handle(Request("GET", "/route", getattr(Shop, answer)))
    return status, spans.get_finished_spans()[-1]


# -- the application


@pytest.mark.parametrize(("answer", "status"), [("health", 200), ("browse", 200), ("order", 201), ("report", 200)])
def test_a_request_that_succeeds_leaves_no_exception(
    shop: Shop, spans: InMemorySpanExporter, answer: str, status: int
) -> None:
    got, span = served(shop, spans, answer)
    assert status == got
    assert status == (span.attributes or {})["http.response.status_code"]
    assert span.events == ()


@pytest.mark.parametrize(
    ("answer", "exception"),
    [
        ("order_twice", "sqlite3.IntegrityError"),
        ("cart", "KeyError"),
        ("import_nothing", "demo.shop.OrderError"),
        ("pay", "urllib.error.URLError"),
        ("stock", "ExceptionGroup" if sys.version_info >= (3, 11) else "demo.shop.StockError"),
    ],
)
def test_a_failure_is_real_and_answered_with_500(
    shop: Shop, spans: InMemorySpanExporter, answer: str, exception: str
) -> None:
    got, span = served(shop, spans, answer)
    assert got == 500
    assert [exception] == [(event.attributes or {})["exception.type"] for event in span.events]


def test_a_server_that_never_answers_times_out(shop: Shop, spans: InMemorySpanExporter) -> None:
    got, span = served(shop, spans, "track")
    assert got == 500
    assert "timed out" in str((span.events[0].attributes or {})["exception.message"])


def test_a_mistake_of_the_customers_is_answered_and_only_recorded(shop: Shop, spans: InMemorySpanExporter) -> None:
    got, span = served(shop, spans, "order_nothing")
    assert got == 422
    assert span.status.is_unset
    assert [event.name for event in span.events] == ["exception"]


def test_the_missing_rate_lies_more_than_ten_calls_deep() -> None:
    with pytest.raises(KeyError) as caught:
        quote([Line("tea", 1, 1.0)], "XTS")
    assert len(traceback.extract_tb(caught.value.__traceback__)) > 10
    assert quote([Line("tea", 1, 1.0), Line("pot", 1, 6.6)], "EUR") == "12.40 EUR"


# -- traffic


def test_the_seed_alone_decides_the_order() -> None:
    assert traffic(500, 20, seed=7) == traffic(500, 20, seed=7)
    assert traffic(500, 20, seed=7) != traffic(500, 20, seed=8)
    assert Counter(traffic(500, 20, seed=7)) == Counter(traffic(500, 20, seed=8))


@pytest.mark.parametrize(("requests", "storm"), [(0, 0), (3, 0), (0, 5), (1000, 100)])
def test_as_many_requests_arrive_as_were_asked_for(requests: int, storm: int) -> None:
    assert requests + storm == len(traffic(requests, storm, seed=1))


def test_even_few_requests_hold_every_kind() -> None:
    assert set(traffic(5000, 0, seed=1)) == set(traffic(20, 0, seed=1))


def test_the_ids_follow_the_seed() -> None:
    one, other = SeededIds(3), SeededIds(3)
    assert [one.generate_trace_id(), one.generate_span_id()] == [other.generate_trace_id(), other.generate_span_id()]
    assert SeededIds(3).generate_trace_id() != SeededIds(4).generate_trace_id()


# -- the whole run


@pytest.fixture(scope="module")
def run() -> tuple[simulation.Outcome, Received]:
    environ: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch, demo.receiver(environ) as embedded:
        for name, value in environ.items():
            patch.setenv(name, value)
        assert embedded is not None
        # 10 ms pass between two looks at the clock, so a limit of 5 per second lets every twentieth error pass.
        clock = itertools.count(step=10_000_000).__next__
        outcome = simulation.run(REQUESTS, STORM, 1, lambda done, about: None, clock)
        return outcome, Received.of(item.span for item in embedded.spans())


def checks_of(outcome: simulation.Outcome, received: Received | None) -> list[Check]:
    return audit(outcome.answers.total(), outcome.witness, outcome.stats, outcome.groups, received)


def test_the_books_balance_to_the_span(run: tuple[simulation.Outcome, Received]) -> None:
    outcome, received = run
    assert [check for check in checks_of(outcome, received) if not check.agrees] == []
    assert outcome.answers.total() == REQUESTS + STORM
    assert outcome.witness.ended == outcome.stats.ended > REQUESTS + STORM
    assert 0 < received.spans == outcome.stats.endings["delivered"]


def test_the_storm_is_suppressed_and_its_count_arrives(run: tuple[simulation.Outcome, Received]) -> None:
    outcome, _received = run
    storm = outcome.groups.by_size()[0]
    assert (storm.rule, storm.kind) == ("storm", "connection")
    assert storm.seen > STORM
    assert 0 < storm.kept < storm.seen
    assert storm.seen == storm.limited


def test_every_kind_of_failure_has_its_group(run: tuple[simulation.Outcome, Received]) -> None:
    outcome, _ = run
    found = {group.exception for group in outcome.groups.by_size()}
    expected = {"IntegrityError", "KeyError", "OrderError", "URLError", "TimeoutError"}
    expected.add("ExceptionGroup" if sys.version_info >= (3, 11) else "StockError")
    assert expected == found


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"ended": 1}, "spans counted"),
        ({"errors": 1}, "errors in the ledger"),
        ({"internal_errors": {"encode": 1}}, "exceptions swallowed"),
    ],
    ids=["ended", "errors", "swallowed"],
)
def test_a_false_number_in_the_ledger_is_noticed(
    run: tuple[simulation.Outcome, Received], change: dict[str, object], label: str
) -> None:
    outcome, received = run
    false = replace(outcome, stats=replace(outcome.stats, **change))  # type: ignore[arg-type]
    assert label in [check.left_label for check in checks_of(false, received) if not check.agrees]


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"spans": 0}, "spans delivered"),
        ({"kept": Counter[str]()}, "error groups"),
        ({"suppressed": 0}, "errors under a limit"),
    ],
    ids=["span missing", "group missing", "suppressed missing"],
)
def test_what_does_not_arrive_is_noticed(
    run: tuple[simulation.Outcome, Received], change: dict[str, object], label: str
) -> None:
    outcome, received = run
    assert received.suppressed
    false = replace(received, **change)  # type: ignore[arg-type]
    assert [label] == [check.left_label for check in checks_of(outcome, false) if not check.agrees]


def test_a_lost_span_is_noticed_without_a_look_into_the_receiver(run: tuple[simulation.Outcome, Received]) -> None:
    outcome, _ = run
    endings = {**outcome.stats.endings, "evicted": 1}
    false = replace(outcome, stats=replace(outcome.stats, endings=endings))
    labels = [check.left_label for check in checks_of(false, None) if not check.agrees]
    assert labels == ["spans ended", "spans lost on their way"]


# -- the command


def test_the_command_shows_the_run_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert demo.main(["--requests", "60", "--storm", "20", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    for part in ("80 of 80 requests", "not sampled", "storm", "KeyError", "demo.pricing:rate_of", "peak buffer"):
        assert part in out
    assert "Every span is accounted for" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= MOST_WIDTH


def test_a_collector_of_the_users_is_left_to_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with demo.receiver({}) as users:
        assert users is not None
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", users.url)
        assert demo.main(["--requests", "20", "--storm", "0"]) == 0
        assert users.spans()
    out = capsys.readouterr().out
    assert "The receiver's side was not checked" in out
    assert "distinct spans received" not in out


def test_the_environment_is_left_as_it_was() -> None:
    environ = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    with demo.receiver(environ) as embedded:
        assert embedded is not None
        assert embedded.url == environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
        assert environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "grpc"
    assert environ == {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}


def test_what_differs_is_said_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.setattr(Received, "of", classmethod(lambda cls, spans: Received(spans=3)))
    assert demo.main(["--requests", "20", "--storm", "0"]) == 1
    out = capsys.readouterr().out
    assert "DIFFERS" in out
    assert "spans delivered, but 3 distinct spans received." in out


def test_a_negative_number_of_requests_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        demo.main(["--storm", "-1"])
    assert "expected to be at least 0" in capsys.readouterr().err


# -- text


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colour_needs_a_terminal_and_no_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Style(Terminal()).good("ok") == "\x1b[32mok\x1b[0m"
    assert Style(io.StringIO()).good("ok") == "ok"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Style(Terminal()).good("ok") == "ok"


def test_a_table_aligns_numbers_right_and_fits_the_width() -> None:
    style = Style(io.StringIO())
    rows = [(12345, "short", "x" * 200), (6, "longer one", "y")]
    lines = table(style, ("count", "name", "text"), rows)
    assert lines[0] == "   count  name        text"
    assert lines[2] == "       6  longer one  y"
    assert style.width == max(map(len, lines))
    assert lines[1].startswith("  12,345  short       xxx")
    assert lines[1].endswith("x..")


def test_the_smallest_share_still_shows() -> None:
    style = Style(io.StringIO())
    assert [bar(style, part, 1000, 10) for part in (0, 1, 500, 1000)] == ["", "#", "#####", "##########"]


def test_cut_text_is_marked() -> None:
    assert [cut("abcd", width) for width in (4, 3, 2, 1)] == ["abcd", "a..", "..", "."]


def test_progress_rewrites_one_line_on_a_terminal() -> None:
    out, now = Terminal(), iter([1.0, 1.0, 1.05, 2.0, 2.0])
    progress = Progress(out, 10, clock=lambda: next(now))
    for done in (1, 2, 3):
        progress(done, lambda: "things")
    progress.close()
    assert "\n" not in out.getvalue()
    assert [line.partition("] ")[2] for line in out.getvalue().split("\r\x1b[2K") if line] == [
        "1 of 10   things",
        "3 of 10   things",
    ]


def test_progress_elsewhere_is_a_line_for_each_quarter() -> None:
    out = io.StringIO()
    progress = Progress(out, 8)
    for done in range(1, 9):
        progress(done, lambda: "things")
    progress.close()
    assert [int(line.split()[0]) for line in out.getvalue().splitlines()] == [2, 4, 6, 8]
    assert "\x1b" not in out.getvalue()
