"""The export stage: one worker thread drains the buffer, sends, and settles what was sent."""

from __future__ import annotations

import _thread
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

from otel_errsample._hot import take
from otel_errsample.greenlets import os_lock, rest, start_os_thread, wait_for
from otel_errsample.reporter import Reporter
from otel_errsample.schedule import BackOff, Schedule
from otel_errsample.transport import Answer, Outcome

if TYPE_CHECKING:
    from otel_errsample._hot import Batch, Buffer, Ledger
    from otel_errsample.sink import Sink

# Requests one refused batch may cost: finding one bad span among 512 takes 18, three take about 50.
MOST_BISECTIONS = 128
# What a caller of flush or shutdown sleeps between two looks, at first and at most. The worker rings for a flush, but
# where the caller may be a greenlet there are only looks: no primitive of `threading` is promised to work across that
# border. A look costs 40 us and takes the GIL from the worker that is looked for, hence pauses of 1/64 of the time it
# took so far: with 1/16 the end of a flush of 40 ms was seen up to 2.5 ms late, 7 % of what sending a span took.
GLANCE = 0.001
LONGEST_GLANCE = 0.01
# Seconds between two attempts to start the thread.
START_AGAIN = 1.0
# How long a fork waits for the answer to a request before it aborts it. A receiver nearby answers in that; what is
# aborted arrived perhaps, and is sent again.
ANSWER_PATIENCE = 0.02
# How long a shutdown waits for an aborted request to come back.
ABORT_PATIENCE = 0.1
# What an exporter or a logging filter may raise on the caller's thread; Ctrl-C and the time-out of a greenlet are the
# caller's own.
THEIRS = (Exception, SystemExit, GeneratorExit)


class Chore(Protocol):
    """What else the worker's thread looks after, between requests."""

    def seconds_left(self, now: float) -> float:
        """Until the next look."""

    def look(self, now: float) -> None:
        """Do what there is to do, if it is time."""


class Worker:
    """Sends what the buffer holds, and does its chores between requests; what they raise is counted by their names.

    `flush` and `stop` may be called from any thread and return in time; `pause`, `resume` and `restart_in_child` are
    the fork hooks. Only one thread at a time is inside `_drain`.
    """

    def __init__(
        self,
        buffer: Buffer,
        ledger: Ledger,
        sink: Sink,
        schedule: Schedule,
        *,
        most_spans: int,
        most_bytes: int,
        timeout: float,
        on_alive: Callable[[bool], None],
        chance: random.Random,
        reporter: Reporter,
        chores: Mapping[str, Chore] | None = None,
        settle_traces: Callable[[], float | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buffer = buffer
        self._ledger = ledger
        self._sink = sink
        self._schedule = schedule
        self._back_off = BackOff(chance)
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._timeout = timeout
        self._on_alive = on_alive
        self._chance = chance
        self._reporter = reporter
        self._chores = chores or {}
        self._settle_traces = settle_traces
        self._monotonic = monotonic
        self._reset()

    def _reset(self) -> None:
        self._start_lock = threading.Lock()
        self._drain_lock = threading.Lock()
        self._drainer: int | None = None  # the thread that holds it
        self._thread: int | None = None
        self._next_start = 0.0
        self._flush_upto = 0
        self._flushing: dict[_thread.LockType, int] = {}  # what each flush waits for, by what to ring
        self._stopping = False
        # The threads that fork just now: os.fork lets others run, and a handler may call it inside another one's hooks.
        self._forking: list[int] = []
        self._sending = False
        self._traces_due: float | None = None
        self.state = "not started"
        self.last_failure = ""

    # -- the thread

    def start(self) -> None:
        """Start the thread; raises RuntimeError where the system has none to give, and then waits before the next try.

        Called from on_end, perhaps from a signal handler inside this very function: nobody waits for the lock.
        """
        now = self._monotonic()
        if self._stopping or now < self._next_start or not self._start_lock.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                self._next_start = now + START_AGAIN
                self.state = "failed: no thread could be started"
                self._thread = start_os_thread(self._run)
                self.state = "running"
                self._on_alive(True)
        finally:
            self._start_lock.release()

    def _run(self) -> None:
        self._thread = _thread.get_ident()  # `start` may not have come to know it when an exporter flushes us
        _keep_freed_pages(4 * self._most_bytes)
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            while not self._stopping:
                try:
                    self._loop()
                except BaseException:  # a KeyboardInterrupt or SystemExit out of an exporter must not end the worker
                    self._ledger.swallow("worker")
                    self._back_off.failed(self._monotonic(), None)
            self._close_sink()
        finally:
            detach(token)
            self.state = "stopped"
            self._thread = None
            self._on_alive(False)

    def _loop(self) -> None:
        while not self._stopping:
            if self._forking:
                self._buffer.sleep(0.01, False, False, False)
                continue
            self._ring_for_flushes()
            now = self._monotonic()
            self._do_chores(now)
            self._look_at_traces()
            self._report(self._reporter.crowded, self._count("buffer_full", "evicted"))
            if self._back_off.until > now:
                self._sleep(self._back_off.until - now, now, False, False, False)
            elif not self._buffer.settled(self._flush_upto):
                self._drain(self._flush_upto, errors_only=False)
            else:
                self._work_or_sleep(now)

    def _work_or_sleep(self, now: float) -> None:
        buffer, schedule = self._buffer, self._schedule
        errors, spans = buffer.errors_waiting, buffer.spans_waiting
        schedule.look(now, errors, spans)
        if schedule.is_due(now):
            # Before a batch is complete again: the least valuable would be its rest each time.
            self._drain(buffer.newest, errors_only=schedule.only_errors(now) and not buffer.full)
        elif buffer.full:
            self._drain(buffer.newest, errors_only=False, one_batch=True)
        else:
            self._sleep(schedule.seconds_left(now), now, not spans, not errors, True)

    def _sleep(self, seconds: float, now: float, first: bool, error: bool, full: bool) -> None:
        for chore in self._chores.values():
            seconds = min(seconds, chore.seconds_left(now))
        if self._traces_due is not None:
            seconds = min(seconds, max(self._traces_due, LONGEST_GLANCE))
        self._buffer.sleep(seconds, first, error, full)

    def _do_chores(self, now: float) -> None:
        for name, chore in self._chores.items():
            try:
                chore.look(now)
            except Exception:  # no memory for the new rules, say: the former ones stay
                self._ledger.swallow(name)

    def _look_at_traces(self) -> None:
        try:
            self._traces_due = self._settle_traces()
        except Exception:  # a clock of the user's
            self._ledger.swallow("scope")

    # -- sending

    def _drain(self, upto: int, *, errors_only: bool, one_batch: bool = False, deadline: float | None = None) -> None:
        """Send what was admitted up to `upto`; stops at the first failure that is worth a retry.

        `one_batch`: nothing behind the first batch, and the timers of what waits there go on. Under load what arrived
        while one was sent made a request of its own, the fifth part of all, and each costs 0.3 ms however short it is.
        """
        lock = self._drain_lock  # a child that comes back from `_send` has another one
        left = -1.0 if deadline is None else max(0.0, deadline - self._monotonic())
        if not lock.acquire(timeout=min(left, threading.TIMEOUT_MAX)):
            return
        try:
            self._drainer = _thread.get_ident()
            if not one_batch:
                if not errors_only:
                    self._schedule.all_due = None
                self._schedule.errors_due = None
            while batch := take(self._buffer, self._most_spans, self._most_bytes, upto, errors_only):
                try:
                    sent = self._send(batch, deadline)
                except BaseException:
                    # Somebody may keep the exception, and with its traceback our frames and the batch.
                    batch.put_back(0, len(batch), True)
                    raise
                if not sent:
                    self._schedule.overdue(self._monotonic(), errors_only=errors_only)
                    return
                if one_batch:
                    return
        finally:
            self._drainer = None
            lock.release()

    def _send(self, batch: Batch, deadline: float | None) -> bool:
        """Deliver a batch, in halves where it is refused for its content; False when the rest has to wait.

        A batch of which no half was taken was not refused for its content: a receiver with a limit of its own, that
        says no more than RESOURCE_EXHAUSTED, is not asked a hundred times for each batch without a pause.
        """
        pieces = [(0, len(batch))]
        requests = 0
        in_vain = True
        while pieces:
            start, stop = pieces.pop()
            answer = self._deliver(batch, start, stop, deadline)
            requests += 1
            if answer.outcome is Outcome.RETRY:
                self._put_back(batch, pieces, maybe_delivered=False)
                self._put_back(batch, [(start, stop)], maybe_delivered=answer.maybe_delivered)
                if not self._forking:
                    self._ledger.retries += 1
                    self._back_off.failed(self._monotonic(), answer.retry_after)
                return False
            if answer.outcome is Outcome.REFUSED and stop - start > 1 and requests < MOST_BISECTIONS:
                middle = (start + stop) // 2
                pieces += [(middle, stop), (start, middle)]
            else:
                self._settle(batch, start, stop, answer)
                in_vain = in_vain and answer.outcome is Outcome.REFUSED
        if in_vain and requests > 1:
            self._back_off.failed(self._monotonic(), None)
            return False
        return True

    @staticmethod
    def _put_back(batch: Batch, pieces: list[tuple[int, int]], *, maybe_delivered: bool) -> None:
        """Return pieces to the front of their lanes; the first of the list holds the last records."""
        for start, stop in pieces:
            batch.put_back(start, stop, maybe_delivered)

    def _settle(self, batch: Batch, start: int, stop: int, answer: Answer) -> None:
        if answer.outcome is Outcome.ACCEPTED:
            self._back_off.succeeded()
            # A partial success names a number, not the spans.
            rejected = min(answer.rejected, stop - start)
            batch.end(start, stop - rejected, "delivered")
            batch.end(stop - rejected, stop, "rejected")
        elif answer.outcome is Outcome.REFUSED:
            batch.end(start, stop, "rejected")
        else:
            batch.end(start, stop, "export_failed")

    def _deliver(self, batch: Batch, start: int, stop: int, deadline: float | None) -> Answer:
        timeout = self._timeout if deadline is None else min(self._timeout, deadline - self._monotonic())
        self._sending = True  # before the look at _forking, so that pause() misses neither
        try:
            if self._forking or self._stopping or timeout <= 0:
                return Answer(Outcome.RETRY, cause="interrupted")
            self._ledger.requests += 1
            answer = self._sink.deliver(batch, start, stop, timeout)
        finally:
            self._sending = False
        if taken := answer.outcome is Outcome.ACCEPTED and not answer.rejected:
            self.last_failure = ""
        if (answer.cause or not taken) and not (self._forking or self._stopping):
            if not taken:
                self.last_failure = answer.cause
            self._report(self._reporter.answered, answer, stop - start)
        return answer

    def _report(self, say: Callable[..., None], *what: object) -> None:
        try:
            say(*what)
        except BaseException as error:  # of a filter on the application's loggers, say: deliveries go on
            self._ledger.swallow("report")
            if self._thread != _thread.get_ident() and not isinstance(error, THEIRS):
                raise

    # -- flush and stop, from other threads

    def flush(self, timeout: float) -> bool:
        """Send all that was admitted before the call; whether all of it was delivered within `timeout` seconds."""
        deadline = self._monotonic() + timeout
        target = self._buffer.newest
        lost = self._lost()
        if _thread.get_ident() in (self._thread, self._drainer, *self._forking):
            # An exporter that flushes us, or a signal handler inside our own request or pause: it would wait for itself.
            return self._buffer.settled(target)
        self._back_off.hurry()
        rung = os_lock()
        rung.acquire()
        started = self._monotonic()
        try:
            self._flushing[rung] = target
            while not self._buffer.settled(target) and (left := deadline - self._monotonic()) > 0:
                # In the loop, because two flushing threads may overwrite each other's number.
                self._flush_upto = max(self._flush_upto, target)
                if self._has_thread():
                    self._buffer.wake()
                    waited = self._monotonic() - started
                    glance = min(max(waited / 64, GLANCE), LONGEST_GLANCE, left)
                    wait_for(rung, min(LONGEST_GLANCE, left), glance)
                else:
                    self._flush_here(target, deadline)
        finally:
            self._flushing.pop(rung, None)
        return self._buffer.settled(target) and self._lost() == lost

    def _ring_for_flushes(self) -> None:
        # For an end only: where the receiver is away, worker and caller would wake each other 10,000 times a second.
        for rung, target in self._flushing.copy().items():
            if self._buffer.settled(target):
                with suppress(RuntimeError):  # it was rung before
                    rung.release()

    def _has_thread(self) -> bool:
        if self._thread is None and not self._stopping:
            try:
                self.start()
            except Exception:  # no more threads, or the interpreter is leaving
                self._ledger.swallow("worker")
        return self._thread is not None

    def _flush_here(self, target: int, deadline: float) -> None:
        """Drain on the caller's thread, where no worker can be had."""
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            self._drain(target, errors_only=False, deadline=deadline)
        except THEIRS:
            self._ledger.swallow("worker")
            self._back_off.failed(self._monotonic(), None)
        finally:
            detach(token)
        rest(max(0.0, min(self._back_off.until, deadline) - self._monotonic()))

    def _lost(self) -> int:
        return self._count("evicted", "rejected", "export_failed", "undelivered", "delivery_unknown", "spooled")

    def _count(self, *names: str) -> int:
        endings = self._ledger.endings
        return sum(endings[name] for name in names)

    def stop(self, timeout: float) -> bool:
        """Flush, end the thread, and give every span that is left its ending; True when nothing was lost."""
        deadline = self._monotonic() + timeout
        lost = self._lost()
        try:
            self.flush(timeout)
        finally:  # Ctrl-C may come out of any wait here
            self._stopping = True
            try:
                self._end_thread(deadline)
            finally:
                self._buffer.give_up()
        return self._buffer.settled(self._buffer.newest) and self._lost() == lost

    def _end_thread(self, deadline: float) -> None:
        if self._thread is None:
            self._close_sink()
        patience = max(deadline, self._monotonic() + ABORT_PATIENCE)
        # It may be an exporter on the thread that ends us: the thread follows when its request is answered.
        while self._thread not in (None, _thread.get_ident()) and self._monotonic() < patience:
            self._interrupt()
            rest(GLANCE)

    def _close_sink(self) -> None:
        try:
            self._sink.close()
        except BaseException as error:  # a user's exporter may raise in shutdown()
            self._ledger.swallow("exporter")
            if self._thread is None and not isinstance(error, THEIRS):
                raise

    # -- fork

    def pause(self) -> None:
        """Before a fork: no request in flight and no connection open, or 20 ms and the sink's patience were spent.

        A child forked while gRPC is sending can hang inside os.fork (grpc #18075), or end by SIGABRT when it sends.
        """
        if self._thread == _thread.get_ident():
            return  # an exporter that forks: the request in flight is its own
        self._forking.append(_thread.get_ident())
        patience = self._monotonic() + ANSWER_PATIENCE
        while self._sending and (now := self._monotonic()) < patience + self._sink.patience:
            if now >= patience:
                self._interrupt()
            rest(GLANCE)
        if not self._sending:
            self._sink.release()

    def resume(self) -> None:
        """In the parent after a fork, by the thread that forked; another one may be about to."""
        if (thread := _thread.get_ident()) in self._forking:
            self._forking.remove(thread)
        self._buffer.wake()

    def restart_in_child(self) -> None:
        """Start from nothing: no thread, no lock and no request survives a fork."""
        self._reset()
        self._chance.seed()
        self._reporter.restart_in_child()
        self._sink.forget()

    def _interrupt(self) -> None:
        """Bring the thread back from a request or from sleep; said again and again, since it may be just before one."""
        if self._sending:
            self._sink.abort()
        self._buffer.wake()


def _keep_freed_pages(size: int) -> None:
    """Let malloc keep the memory of what was sent, and of the transport's copy of it, for what comes next.

    glibc gives memory back to the system from twice the size of the largest block that it ever mapped and unmapped.
    That is the size of a request and of its copy: their pages were faulted in anew for each one, 1.5 us of the 8 us that
    an error span took over gRPC; and where 4,096 of them waited and were sent, those of the spans too, 1.1 us of 6.5.
    A block of `size` bytes, mapped and not touched, raises the bound to twice that: four times the largest request, to
    the default budget. Bounds that were set by hand stay, and other mallocs do not care.
    """
    bytes(size)
