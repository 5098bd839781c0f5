"""The span processor: settings in, the path on the span's thread, the worker behind it, counts out."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util.types import AnyValue

from otel_errsample import fork
from otel_errsample._hot import (
    Buffer,
    Classifier,
    ErrorFacts,
    Ledger,
    Limits,
    Path,
    Recorder,
    RuleTable,
    Scrubber,
    Tallies,
    Verdict,
    probe,
)
from otel_errsample.choice import RuleChoice, config_file
from otel_errsample.config import Settings
from otel_errsample.errors import ConfigError
from otel_errsample.export import Chore, Worker
from otel_errsample.ledger import ErrorCount, RuleCount, Stats
from otel_errsample.patterns import Patterns
from otel_errsample.readable import enriched
from otel_errsample.reporter import Reporter
from otel_errsample.rules import Rules
from otel_errsample.schedule import Schedule, seconds_of
from otel_errsample.sink import open_sink, same_destination
from otel_errsample.spool import spool_of
from otel_errsample.transport import Transport
from otel_errsample.transport.settings import OtlpSettings

if TYPE_CHECKING:
    from otel_errsample.rules.document import Document

logger = logging.getLogger("otel_errsample")

FLUSH_MS: Final = 30_000  # the SDK's default


class ErrorSpanProcessor(Path, SpanProcessor):
    """Keeps the spans that explain failures and sends them over OTLP, in place of a BatchSpanProcessor.

    Every ended span is classified and decided by the rules on its own thread; what is kept is encoded there and waits
    as bytes, under one byte budget, for a worker thread that is started by the first kept span. Under overload the
    least valuable spans are evicted or refused, and counted; an application thread never waits.

    Args:
        rules: Rule text or `Rules`; default `OTEL_ERRSAMPLE_RULES`, else those of the file, else the default rules.
        config: Path of a YAML file with rules, rows for the taxonomy and settings; default `OTEL_ERRSAMPLE_CONFIG`. It
            is watched: rules and rows that change are exchanged within seconds, settings need a restart.
        exporter: Any `SpanExporter`; default OTLP as `OTEL_EXPORTER_OTLP_*` says.
        scope: What is exported when an error is kept: "span", the failing span alone, "path", also its ancestors up
            to the local root, or "trace", every span of its trace in this process.
        enrich: Called as `enrich(span, facts)` for kept errors; returns attributes to add.
        on_verdict: Called with a `Verdict` for every error, kept or not. What it or `enrich` raises is counted and goes
            no further, the SystemExit of a signal handler that interrupts them included; Ctrl-C reaches the application.
        head_sampled: False to stand beside another processor and export only what the head sampler left out.
        fast_exceptions: False to leave `record_exception` to the SDK, which formats every stack anew.
        dry_run: True to export what the head sampler alone would, with a note of what would have happened to each span.
        scrub: What is taken out of messages and events before they leave: "off", "default" (secrets and e-mail
            addresses) or "strict" (the messages themselves too).
        spool_dir: A directory of the user's own where errors are also written, to survive the process.
        max_buffer_bytes, spool_bytes, flush_errors_ms, shutdown_timeout_ms: As the environment variables of these names.
        flush_on_sigterm: True to make SIGTERM send what waits before it does what it would have done; see
            `otel_errsample.integrations.sigterm`.
        options: Any of the settings a file may have, by the names they have there; an argument of its own wins.
        transport: How OTLP requests travel; for tests and special networks.
        meter_provider: Where to report `otel.sdk.processor.span.*`; default the global one, if
            `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED` is true.
        clock: Monotonic nanoseconds for limits; for tests.

    Raises:
        RuleError: The rules, or the file, given in code are wrong; names every problem with its position.
        ConfigError: Another argument given in code cannot be used.
    """

    def __init__(
        self,
        rules: Rules | str | None = None,
        exporter: SpanExporter | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        scope: str | None = None,
        enrich: Callable[[ReadableSpan, ErrorFacts], Mapping[str, AnyValue] | None] | None = None,
        on_verdict: Callable[[Verdict], None] | None = None,
        head_sampled: bool = True,
        fast_exceptions: bool | None = None,
        dry_run: bool | None = None,
        scrub: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes: int | None = None,
        max_buffer_bytes: int | None = None,
        flush_errors_ms: int | None = None,
        shutdown_timeout_ms: int | None = None,
        flush_on_sigterm: bool | None = None,
        options: Mapping[str, object] | None = None,
        transport: Transport | OtlpSettings | None = None,
        meter_provider: MeterProvider | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        _expect("rules", rules, rules is None or isinstance(rules, (str, Rules)), "rule text or Rules")
        _expect("config", config, config is None or isinstance(config, (str, os.PathLike)), "the path of a file")
        _expect("exporter", exporter, exporter is None or isinstance(exporter, SpanExporter), "a SpanExporter")
        _expect("head_sampled", head_sampled, isinstance(head_sampled, bool), "True or False")
        _expect("options", options, isinstance(options, Mapping | None), "a mapping of settings")
        _expect("transport", transport, transport is None or exporter is None, "None where an exporter is given")
        _expect("meter_provider", meter_provider, isinstance(meter_provider, MeterProvider | None), "a MeterProvider")
        for name, called in (("enrich", enrich), ("on_verdict", on_verdict), ("clock", clock)):
            _expect(name, called, called is None or callable(called), "a callable")
        probe()
        file = config_file(config, _warn)
        document = file.document if file is not None else None
        arguments = {
            "scope": scope,
            "fast_exceptions": fast_exceptions,
            "dry_run": dry_run,
            "scrub": scrub,
            "spool_dir": os.fspath(spool_dir) if isinstance(spool_dir, os.PathLike) else spool_dir,
            "spool_bytes": spool_bytes,
            "max_buffer_bytes": max_buffer_bytes,
            "flush_errors_ms": flush_errors_ms,
            "shutdown_timeout_ms": shutdown_timeout_ms,
            "flush_on_sigterm": flush_on_sigterm,
        }
        given = {**(options or {}), **{name: value for name, value in arguments.items() if value is not None}}
        in_file = document.settings if document is not None else None
        settings = self._settings = Settings.from_env(os.environ, _warn, in_file, **given)
        self._file = file
        self._head_sampled = head_sampled
        self._choice = RuleChoice(rules, settings.rules, document)
        ledger = Ledger()
        mode = settings.scrub if settings.enabled else "off"
        self._scrubber = Scrubber(mode, settings.scrub_also, Patterns.of(settings.scrub_patterns), ledger)
        self._sink, timeout, copies = open_sink(exporter, transport, _warn)
        self._reporter = Reporter(logger, self._sink.endpoint)
        most_bytes = min(settings.max_request_bytes, settings.max_buffer_bytes // 4)
        limits = Limits(clock)
        tallies = Tallies()
        buffer = Buffer(
            ledger,
            limits,
            settings.max_buffer_bytes,
            most_bytes * copies,
            settings.max_export_batch_size,
            most_bytes,
        )
        self._spool = spool_of(settings, buffer, ledger, _warn, holds_bytes=exporter is None)
        named = {"reload": file, "spool": self._spool}
        chores: dict[str, Chore] = {name: chore for name, chore in named.items() if chore is not None}
        self._worker = Worker(
            buffer,
            ledger,
            self._sink,
            Schedule(settings.flush_errors_ms / 1e3, settings.schedule_delay_ms / 1e3),
            most_spans=settings.max_export_batch_size,
            most_bytes=most_bytes,
            timeout=timeout,
            on_alive=self.set_worker_alive,
            chance=random.Random(),  # noqa: S311  jitter is no secret
            reporter=self._reporter,
            chores=chores,
            settle_traces=self.settle_overdue,
        )
        self.prepare(
            ledger,
            limits,
            tallies,
            buffer,
            self._rule_table(self._choice.rules, limits, tallies),
            self._classifier(document),
            scope=settings.scope,
            recorder=_recorder(ledger) if settings.fast_exceptions and settings.enabled else None,
            most_span_bytes=most_bytes,
            most_waiting_ns=settings.trace_wait_ms * 1_000_000,
            enabled=settings.enabled,
            leaves_head_sampled=not head_sampled,
            dry_run=settings.dry_run,
            scrubber=self._scrubber,
            repeats_stacks=settings.propagated_stacks,
            tells_handled=settings.handled and settings.enabled,
            user_enrich=enrich,
            on_verdict=on_verdict,
            rebuild=enriched if exporter is not None else None,
            start_worker=self._start_worker,
            fingerprint_aliases=settings.fingerprint_aliases,
        )
        self._shut_down: bool | None = None
        fork.take_part(self)
        if settings.flush_on_sigterm:
            from otel_errsample.integrations import sigterm  # with signals, for those who ask

            sigterm.flush_on_sigterm()
        self._report(meter_provider)
        self._say_what_is_active()
        if file is not None:
            file.on_change(self._take_over)
        if chores:
            self._start_chores()

    # -- the SDK's hooks besides on_start and on_end, which are Path's

    def force_flush(self, timeout_millis: int = FLUSH_MS) -> bool:
        """Send every span that waits; True when all of them were delivered within the timeout.

        Under the scope "trace" spans that nothing has kept yet go on waiting for the decision on their trace. Spans that were lost before the call, for want of room, do not make it False; `stats()` counts them.
        """
        try:
            self.settle_traces(False)
            return self._worker.flush(seconds_of(timeout_millis, FLUSH_MS))
        except Exception:
            self.ledger.swallow("flush")
            return False

    # The SDK calls shutdown() and ignores the answer; who calls it with a timeout wants to know.
    def shutdown(self, timeout_millis: int | None = None) -> bool:  # type: ignore[override]
        """Flush and end within `timeout_millis` (default `OTEL_ERRSAMPLE_SHUTDOWN_TIMEOUT_MS`) and say the truth.

        Returns True when every span that was still waiting was delivered. Others are counted as `undelivered`,
        `delivery_unknown` where they were sent and never answered, or `spooled` where they wait for the next process.
        What waits for the decision on its trace ends as without it. A second call returns the first one's answer, and
        False at once while there is none: it may come out of a signal's handler, or out of an export. A first call out
        of an export waits for nothing: the answer to that export still counts, what is behind it is not sent.
        """
        if self._shut_down is None:
            timeout = seconds_of(timeout_millis, self._settings.shutdown_timeout_ms)
            self._shut_down = False
            try:
                self._end(timeout)
            except Exception:
                self.ledger.swallow("shutdown")
        return self._shut_down

    def _end(self, timeout: float) -> None:
        self.settle_traces(True)
        self.buffer.close()
        self.settle_traces(True)  # what began to wait in between
        try:
            self._shut_down = self._worker.stop(timeout)
        finally:
            if self._spool is not None:
                self._spool.close()
        self._reporter.gave_up(self.ledger.endings)

    def elder_of(self, span: ReadableSpan) -> ErrorSpanProcessor | None:
        """One that was added to the span's provider before this and sends to the same place: each span would go twice.

        One that was added twice is taken out of the provider's list once.
        """
        several: Any = getattr(span, "_span_processor", None)
        others = getattr(several, "_span_processors", ())
        mine = [place for place, other in enumerate(others) if other is self]
        for place in reversed(mine[1:]):
            several._span_processors = others = (*others[:place], *others[place + 1 :])
        for other in others[: mine[0]] if mine else ():
            if (
                isinstance(other, ErrorSpanProcessor)
                and other._head_sampled
                and not other.buffer.closed
                and same_destination(self._sink, other._sink)
            ):
                logger.warning(
                    "otel-errsample is on this provider already: the one added later leaves every span to it"
                )
                return other
        return None

    # -- the configuration file

    @property
    def rules(self) -> Rules:
        """The rules in force, the default ones included; a change of the file brings others."""
        return self._choice.rules

    def _classifier(self, document: Document | None) -> Classifier:
        rows = document.classify if document is not None else ()
        settings = self._settings
        return Classifier(
            in_app_include=settings.in_app_include,
            helper_frames=settings.helper_frames,
            user_rows=rows,
            stack_hashes=settings.stack_hash,
            scrubber=self._scrubber,
        )

    def _rule_table(self, rules: Rules, limits: Limits, tallies: Tallies) -> RuleTable:
        return RuleTable(rules, limits, tallies, internal_domains=self._settings.internal_domains)

    def _take_over(self, document: Document, former: Document) -> str:
        """Put in force what has changed in the file, on the worker's thread; says what that is."""
        changes = []
        table = classifier = None
        rules, source = self._choice.among(document)
        if rules != self._choice.rules:
            table = self._rule_table(rules, self.limits, self.tallies)
            changes.append(f"rules {', '.join(rules.names)}")
        elif document.rules != former.rules:
            changes.append(f"its rules are not in force, those of {source} are")
        if document.classify != former.classify:
            classifier = self._classifier(document)
            changes.append(f"{len(document.classify)} rows of classify")
        if document.settings != former.settings:
            changes.append("settings, which need a restart")
        self.exchange(table, classifier)
        self._choice.take(rules, source)
        return "; ".join(changes)

    def _start_worker(self) -> None:
        """With our file in the spool, so that a first error is in it when its span has ended, in a forked child too."""
        if self._spool is not None:
            self._spool.open()
        self._worker.start()

    def _start_chores(self) -> None:
        """Start the worker before there is a span for it: a file may change first, or wait to be sent."""
        try:
            self._start_worker()
        except Exception:  # no thread to be had; the first kept span asks again
            self.ledger.swallow("worker")

    # -- counts

    def stats(self) -> Stats:
        """What became of every span so far; a snapshot that balances at any moment."""
        ledger, buffer = self.ledger, self.buffer
        # First, so that they are among those that ended.
        errors, axes, sources, types, codes = ledger.census()
        ended, recovered, endings, deciding, waiting, buffered, in_flight, used, peak = buffer.books()
        state = self._worker.last_failure
        return Stats(
            ended=ended,
            errors=errors,
            error_kinds=tuple(ErrorCount(*counted) for counted in axes),
            error_sources=sources,
            error_types=types,
            error_codes=codes,
            endings=endings,
            recovered=recovered,
            deciding=deciding,
            waiting=waiting,
            buffered=buffered,
            in_flight=in_flight,
            buffer_bytes=used,
            peak_buffer_bytes=peak,
            capacity_bytes=buffer.capacity,
            requests=ledger.requests,
            sent_bytes=ledger.sent_bytes,
            retries=ledger.retries,
            truncated=ledger.truncated,
            cut_short=ledger.cut_short,
            repaired=ledger.repaired,
            scrubbed=ledger.scrubbed,
            internal_errors=dict(ledger.internal_errors),
            rules=tuple(RuleCount(**count) for count in self.tallies.counts(self.table.names)),
            rules_source=self._choice.source,
            rules_version=self._choice.version,
            config_problem=self._file.problem if self._file is not None else "",
            unreported=self.limits.unreported,
            pulled=self.pulled,
            spool=self._spool.count() if self._spool is not None else None,
            dry_run=self.rehearsals() if self._settings.dry_run else None,
            exporter=f"failing: {state}" if state else "ok",
            worker=self._worker.state,
        )

    # -- fork and end

    def flush_before_end(self) -> bool:
        return self.force_flush(self._settings.shutdown_timeout_ms)

    def before_fork(self) -> None:
        self._worker.pause()

    def after_fork_in_parent(self) -> None:
        self._worker.resume()

    def after_fork_in_child(self) -> None:
        self.restart_in_child()
        if self._spool is not None:
            self._spool.forget()
        self._worker.restart_in_child()
        if self._file is not None and self._shut_down is None:
            self._start_chores()

    # -- start

    def _report(self, meter_provider: MeterProvider | None) -> None:
        wanted = os.environ.get("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "").strip().lower() == "true"
        if meter_provider is None and not wanted:
            return
        from otel_errsample.observe import metrics  # the path itself does not know who watches it

        metrics.register(self.stats, meter_provider or get_meter_provider(), metrics.component_name())

    def _say_what_is_active(self) -> None:
        if not self._settings.enabled:
            logger.info("otel-errsample is disabled: the head sample goes out as it is, to %s", self._sink.endpoint)
            return
        ignored = "".join(f"; ignoring {name}" for name in self._settings.ignored)
        logger.info(
            "otel-errsample active%s: rules %s (%s); scope %s; to %s; at most %d bytes%s",
            " in a dry run, the head sampler alone decides" if self._settings.dry_run else "",
            ", ".join(self._choice.rules.names),
            self._choice.source,
            self._settings.scope,
            self._sink.endpoint,
            self._settings.max_buffer_bytes,
            ignored,
        )


def _expect(argument: str, value: object, holds: bool, expectation: str) -> None:
    if not holds:
        raise ConfigError(f"{argument} is expected to be {expectation}, got {value!r}")


def _warn(variable: str, message: str) -> None:
    logger.warning("%s: %s", variable, message)


def _recorder(ledger: Ledger) -> Recorder | None:
    recorder = Recorder(ledger)
    if recorder.usable:
        return recorder
    logger.info(
        "exceptions are recorded by the SDK: another package has changed how, or this version is not known here"
    )
    return None
