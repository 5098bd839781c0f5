"""What hostile rules cost: `python -m benchmarks.hostile` prints milliseconds to refuse and microseconds a span.

CPU time of the thread, the least of several: refusals are to take less than 50 ms, a span less than 1 ms while other
threads run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from benchmarks.arms import work
from otel_errsample import ErrorSpanProcessor
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.testing.transport import CollectingTransport

_BIG: Final = 256 * 1024


def _many(count: int, rule: Callable[[int], str]) -> str:
    return "\n".join(map(rule, range(count)))


REFUSED: Final = {
    "brackets": "(" * _BIG,
    "nested nots": "keep if " + "not " * 60_000,
    "one long condition": "keep if " + "a.b == 1 and " * 20_000,
    "one long list": "keep if a.b in (" + "1," * 100_000,
    "a hundred thousand rules": "keep if error\n" * 100_000,
    "ten thousand rules": "keep;" * 10_000,
    "a thousand rules alike": "keep if error\n" * 1000,
    "a mistake at the end": _many(999, lambda n: f'r{n}: keep if error and http.route == "/{n}"') + "\nkep",
    "words upon words": "\n".join(["keep if " + " and ".join(["a.b == 1"] * 99)] * 60),
    "misspelt facts": "keep if seventy == 5\n" * 999,
    "misspelt classes": "keep if exception is TimeotErrr\n" * 999,
    "misspelt names of forty characters": f"keep if {'severitx' * 5} == 5\n" * 999,
    "a long number": "keep " + "9" * (_BIG - 5),
    "exponents": "keep " + "1e+" * 80_000,
    "an open quote": "keep if a.b == '" + "x" * 200_000,
    "quotes": "keep if a.b == " + '"' * (_BIG - 20),
    "backslashes": 'keep if name == "' + "\\" * (_BIG - 20),
    "a long name": "a" * _BIG,
    "dots": "keep if a.b" + ".c" * 100_000,
    "strays": "$" * _BIG,
    "invisible characters": 'keep if name == "\u202e"' * 10_000,
    "an open bracket and lines": "keep if (" + "\nx" * 100_000,
    "many attributes": _many(3, lambda n: "keep if " + " or ".join(f"a.b{n}_{m} exists" for m in range(99))),
    "many classes": _many(3, lambda n: "drop if " + " or ".join(f"cause is a.B{n}_{m}" for m in range(99))),
    "contradictory lists": "keep if a.b in ("
    + ",".join(map(str, range(250)))
    + ") and "
    + " and ".join(f"a.b not in ({n}, {','.join(map(str, range(90)))})" for n in range(90)),
}
"""Name of a trick -> a text that is refused."""

EVALUATED: Final = {
    "globs that nearly match": _many(300, lambda n: f'keep if message like "*{"a" * 100}b{"?" * (n % 7)}*{n}"'),
    "globs of stars": _many(300, lambda n: f'keep if message like "{"*a?" * 60}{n}"'),
    "texts that nearly occur": _many(300, lambda n: f'keep if message contains "{"a" * 120}b{n}"'),
    "texts that do not occur": _many(999, lambda n: f'keep if message contains "b{n}"'),
    "comparisons": _many(
        20, lambda n: "keep if " + " or ".join(f"a.b{(m + n) % 64} == {1000 + n * 100 + m}" for m in range(90))
    ),
    "classes": _many(128, lambda n: f"keep if exception is a{n}.B"),
    "facts": _many(700, lambda n: f"keep if error and duration == {1000 + n}"),
    "keys": _many(200, lambda n: f"shadow keep 1 per hour by {', '.join(f'a.b{(8 * n + m) % 64}' for m in range(8))}"),
}
"""Name of a trick -> rules that are accepted, and are asked about an error with a message of 1 MB."""


def main() -> None:
    stop = threading.Event()
    others = [threading.Thread(target=_work_until, args=(stop,)) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        for name, text in REFUSED.items():
            seconds = _least(partial(_refuse, text), 5)
            print(f"{name:38} {seconds * 1e3:8.1f} ms to refuse {len(text):,} characters")
        for name, text in EVALUATED.items():
            print(f"{name:38} {_span_seconds(text) * 1e6:8.1f} us a span")
    finally:
        stop.set()


def _span_seconds(rules: str) -> float:
    processor = ErrorSpanProcessor(f"{rules}\nlast: drop", transport=CollectingTransport())
    span = ReadableSpan(
        "s",
        context=SpanContext(1, 2, False, TraceFlags(1)),
        attributes={f"a.b{number}": number for number in range(64)},
        status=Status(StatusCode.ERROR, "a" * 10**6),
        start_time=1,
        end_time=2,
    )
    seconds = _least(partial(processor.on_end, span), 200)
    processor.shutdown(1000)
    return seconds


def _least(run: Callable[[], None], times: int) -> float:
    least = 1e9
    for _ in range(times):
        begun = time.thread_time()
        run()
        least = min(least, time.thread_time() - begun)
    return least


def _refuse(text: str) -> None:
    try:
        Rules.parse(text)
    except RuleError:
        return
    raise AssertionError("accepted")


def _work_until(stop: threading.Event) -> None:
    while not stop.is_set():
        work(1000)


if __name__ == "__main__":
    main()
