"""A configuration file in force, and its exchange for another under load."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_errsample import ErrorSpanProcessor, Rules, Verdict
from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.rules.document import Document, read
from otel_errsample.testing import CollectingTransport
from tests.making import Make, attributes_of, fail
from tests.waiting import eventually


class TestConfigFile:
    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr("otel_errsample.watch.EVERY", 0.01)
        path = tmp_path / "errsample.yaml"
        path.write_text("rules: 'first: drop'\nsettings: {max_buffer_bytes: 131072, flush_errors_ms: 1}\n")
        return path

    def test_rules_rows_and_settings_come_from_the_file_of_the_environment(
        self, make: Make, memory: InMemorySpanExporter, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.write_text(
            "rules: keep if kind == 'business'\nclassify: [{exception: KeyError, kind: business}]\n"
            "settings: {max_buffer_bytes: 131072, flush_errors_ms: 77}"
        )
        monkeypatch.setenv("OTEL_ERRSAMPLE_CONFIG", f" {path} ")
        monkeypatch.setenv("OTEL_ERRSAMPLE_FLUSH_ERRORS_MS", "5")
        tracer, processor = make(exporter=memory)
        fail(tracer)
        assert processor.force_flush(5_000)
        (exported,) = memory.get_finished_spans()
        assert "business" == attributes_of(exported)["errsample.kind"]
        assert "rule_1" == attributes_of(exported)["errsample.rule"]
        stats = processor.stats()
        assert (131072, str(path), 1, "") == (
            stats.capacity_bytes, stats.rules_source, stats.rules_version, stats.config_problem
        )  # fmt: skip
        assert 5 == processor._settings.flush_errors_ms

    def test_domains_of_the_users_own_hold_for_rules_that_come_later_too(
        self, make: Make, memory: InMemorySpanExporter, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_ERRSAMPLE_INTERNAL_DOMAINS", "shop.example, 203.0.113.0/24")
        tracer, processor = make(exporter=memory, config=path)

        def kept() -> list[Any]:
            memory.clear()
            for host in ("pay.example", "db.shop.example", "203.0.113.9"):
                with tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes={"server.address": host}):
                    trace.get_current_span().set_attribute("http.response.status_code", 503)
            assert processor.force_flush(5_000)
            return [attributes_of(span)["server.address"] for span in memory.get_finished_spans()]

        path.write_text("rules: 'keep if kind in third_party; drop'")
        eventually(lambda: processor.stats().rules_version == 2)
        assert ["pay.example"] == kept()
        path.write_text("rules: 'keep if kind not in third_party; drop'")
        eventually(lambda: processor.stats().rules_version == 3)
        assert ["db.shop.example", "203.0.113.9"] == kept()

    def test_rules_in_code_and_in_the_environment_go_before_those_of_the_file(
        self, make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_ERRSAMPLE_RULES", "second: drop")
        assert ("second",) == make(config=path)[1].rules.names
        assert ("third",) == make("third: drop", config=str(path))[1].rules.names
        monkeypatch.delenv("OTEL_ERRSAMPLE_RULES")
        assert ("first",) == make(config=path)[1].rules.names

    def test_a_file_named_in_code_raises_what_is_wrong_with_it(self, path: Path) -> None:
        path.write_text("rules: kep\nsetings: {}\n")
        with pytest.raises(RuleError) as caught:
            ErrorSpanProcessor(config=path)
        assert [
            f"{path}:1:8: expected an action, got 'kep' (did you mean 'keep'?)",
            f"{path}:2:1: unknown key 'setings' (did you mean 'settings'?)",
        ] == str(caught.value).splitlines()
        with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read"):
            ErrorSpanProcessor(config=path.with_name("missing.yaml"))

    def test_a_bad_file_of_the_environment_warns_once_with_its_name_and_positions(
        self,
        make: Make,
        memory: InMemorySpanExporter,
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        path.write_text("rules: kep\nsettings: {max_buffer_bytes: 1}\n")
        monkeypatch.setenv("OTEL_ERRSAMPLE_CONFIG", str(path))
        with caplog.at_level(logging.WARNING):
            _, processor = make(exporter=memory)
        [record] = caplog.records
        problem = (
            f"{path}:1:8: expected an action, got 'kep' (did you mean 'keep'?); {path}:2:30: 'max_buffer_bytes' is "
            "expected to be a whole number of bytes from 65536 to 4294967296, got '1'"
        )
        assert f"OTEL_ERRSAMPLE_CONFIG: {problem}; nothing of it is used until it is mended" == record.getMessage()
        assert Rules.default() == processor.rules
        stats = processor.stats()
        assert (16 << 20, "default", problem) == (stats.capacity_bytes, stats.rules_source, stats.config_problem)
        path.write_text("rules: 'mended: keep'")
        assert eventually(lambda: ("mended",) == processor.rules.names)
        assert "" == processor.stats().config_problem

    def test_a_change_comes_into_force_without_a_span_and_is_said_in_one_line(
        self, make: Make, memory: InMemorySpanExporter, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        tracer, processor = make(exporter=memory, config=path)
        assert "running" == processor.stats().worker
        fail(tracer)
        assert 1 == processor.stats().endings["dropped_by_rule"]
        with caplog.at_level(logging.INFO):
            path.write_text(
                "rules: 'second: keep'\nclassify: [{exception: KeyError, kind: data}]\nsettings: {flush_errors_ms: 9}"
            )
            assert eventually(lambda: bool(caplog.records))
        assert [f"{path} has changed: rules second; 1 rows of classify; settings, which need a restart"] == [
            record.getMessage() for record in caplog.records
        ]
        fail(tracer)
        assert processor.force_flush(5_000)
        (exported,) = memory.get_finished_spans()
        assert ("second", "data") == tuple(attributes_of(exported)[f"errsample.{name}"] for name in ("rule", "kind"))
        stats = processor.stats()
        assert [("second", 1), ("first", 1)] == [(rule.name, rule.matched) for rule in stats.rules]
        assert (2, str(path), 1) == (stats.rules_version, stats.rules_source, processor._settings.flush_errors_ms)

    def test_a_change_of_rules_that_are_not_in_force_is_said(
        self, make: Make, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, processor = make("mine: drop", config=path)
        with caplog.at_level(logging.INFO):
            path.write_text("rules: drop\nsettings: {max_buffer_bytes: 131072, flush_errors_ms: 1}\n")
            assert eventually(lambda: bool(caplog.records))
        assert f"{path} has changed: its rules are not in force, those of code are" == caplog.records[0].getMessage()
        assert (("mine",), 1) == (processor.rules.names, processor.stats().rules_version)

    @pytest.mark.scenario("I5")
    def test_a_broken_file_leaves_the_last_good_rules(
        self, make: Make, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, processor = make(config=path)
        with caplog.at_level(logging.INFO):
            path.write_text("rules: 'second: drp'")
            assert eventually(lambda: bool(caplog.records))  # the last of what it does
        problem = f"{path}:1:17: expected an action, got 'drp' (did you mean 'drop'?)"
        assert (problem, ("first",)) == (processor.stats().config_problem, processor.rules.names)
        assert f"configuration file: {problem}" in str(processor.stats()).splitlines()
        assert [f"{problem}; what was in force before stays"] == [record.getMessage() for record in caplog.records]

    @pytest.mark.scenario("A5")
    def test_a_process_that_may_have_no_thread_goes_on(
        self, make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(function: Callable[[], None]) -> int:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr("otel_errsample.export.start_os_thread", refuse)
        _, processor = make(config=path)
        stats = processor.stats()
        assert ({"worker": 1}, "failed: no thread could be started") == (dict(stats.internal_errors), stats.worker)


# Every variant decides every span; the limits of `storm` differ, `burst` comes and goes, rows come and go.
VARIANTS = [
    "rules: |\n  storm: keep 2 per hour by name if error\n  rest: drop",
    "rules: |\n  storm: keep 3 per hour if error\n  rest: drop",
    "rules: |\n  burst: keep first 1 per hour then 0% if exception is KeyError\n  rest: drop",
    "rules: |\n  storm: keep 2 per hour by fingerprint if error\n  rest: drop\nclassify: [{exception: KeyError, kind: data}]",
    "rules: |\n  storm: keep if error and name == 's1'\n  rest: drop",
]


class TestExchange:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "errsample.yaml"
        path.write_text("rules: 'first: drop'")
        return path

    @pytest.mark.scenario("I5")
    @pytest.mark.usefixtures("eager_threads")
    def test_hundreds_of_exchanges_under_load_lose_no_verdict(
        self, make: Make, memory: InMemorySpanExporter, path: Path
    ) -> None:
        verdicts: list[Verdict] = []
        tracer, processor = make(exporter=memory, config=path, on_verdict=verdicts.append)
        documents = [read(text, "f.yaml") for text in VARIANTS]
        enough = threading.Event()

        def end_spans() -> None:
            number = 0
            while not enough.is_set():
                number += 1
                fail(tracer, f"s{number % 7}")
                tracer.start_span("healthy").end()

        threads = [threading.Thread(target=end_spans) for _ in range(3)]
        for thread in threads:
            thread.start()
        former = Document("f.yaml")
        for number in range(400):
            document = documents[number % len(documents)]
            processor._take_over(document, former)
            former = document
            threading.Event().wait(0.001)
        enough.set()
        for thread in threads:
            thread.join()
        assert processor.force_flush(10_000)
        stats = processor.stats()
        assert stats.balanced
        assert {} == dict(stats.internal_errors)
        assert (401, "f.yaml") == (stats.rules_version, stats.rules_source)
        assert stats.ended // 2 == stats.errors == len(verdicts) > 400
        # One rule decided each span, and its outcome is the span's.
        rules = {rule.name: rule for rule in stats.rules}
        assert stats.ended == sum(rule.matched for rule in stats.rules)
        assert all(rule.matched == rule.kept + rule.dropped + rule.suppressed for rule in stats.rules)
        assert stats.endings["suppressed"] == sum(rule.suppressed for rule in stats.rules)
        assert {"first", "storm", "burst", "rest"} >= set(rules)
        # What was suppressed is on an exported span, waits for one, or is told as unreported.
        exported = memory.get_finished_spans()
        assert sum(rule.kept for rule in stats.rules) == len(exported) == stats.endings["delivered"]
        carried = sum(int(str(attributes_of(span).get("errsample.suppressed", 0))) for span in exported)
        waiting = sum(processor.limits.pending().values())
        assert stats.endings["suppressed"] == carried + waiting + stats.unreported
        assert min(carried, stats.unreported) > 0

    def test_exchanges_take_no_memory(self, make: Make, path: Path) -> None:
        _, processor = make(config=path)

        def exchange(first: int, last: int) -> None:
            for number in range(first, last):
                text = f"b: keep {number} per hour by name if root\na{number}: keep {number} per hour by name"
                processor._take_over(Document("f", Rules.parse(text)), Document("f"))

        exchange(1, 50)
        before = psutil.Process().memory_info().rss
        exchange(50, 600)
        # Each exchange makes two limits of 24 KiB: a leak of them is 25 MiB.
        assert 8 << 20 > psutil.Process().memory_info().rss - before


class TestSpool:
    def test_without_a_directory_there_is_none(self, make: Make, memory: InMemorySpanExporter) -> None:
        _, processor = make("keep", memory)
        assert processor.stats().spool is None

    def test_an_error_is_in_the_file_when_its_span_has_ended(self, make: Make, tmp_path: Path) -> None:
        tracer, processor = make(
            "keep if error", spool_dir=tmp_path / "spool", transport=CollectingTransport(), flush_errors_ms=60_000
        )
        fail(tracer, "charge")
        (file,) = (tmp_path / "spool").iterdir()
        assert b"charge" in file.read_bytes()
        spool = processor.stats().spool
        assert spool is not None
        assert ("ok", 1, 1) == (spool.state, spool.written, spool.waiting)
        assert processor.shutdown(5_000)
        assert [] == list((tmp_path / "spool").iterdir())

    def test_an_exporter_of_the_users_gets_spans_from_memory_alone(
        self, make: Make, memory: InMemorySpanExporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, processor = make("keep", memory, spool_dir=str(tmp_path / "spool"))
        assert processor.stats().spool is None
        assert "OTEL_ERRSAMPLE_SPOOL_DIR: is for spans that go out over OTLP" in caplog.text
        assert not (tmp_path / "spool").exists()

    def test_a_directory_that_cannot_be_used_is_said_once_and_costs_nothing(
        self, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        transport = CollectingTransport()
        (tmp_path / "spool").mkdir(mode=0o755)
        tracer, processor = make("keep if error", spool_dir=tmp_path / "spool", transport=transport)
        fail(tracer)
        assert processor.force_flush(5_000)
        assert ["OTEL_ERRSAMPLE_SPOOL_DIR"] == [
            record.getMessage().split(":")[0] for record in caplog.records if record.levelno >= logging.WARNING
        ]
        spool = processor.stats().spool
        assert spool is not None
        assert "other users may enter it; it is expected to have mode 0700" == spool.state

    def test_a_path_that_is_none_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="spool_dir is expected to be text, got 3"):
            ErrorSpanProcessor(spool_dir=3)  # type: ignore[arg-type]
