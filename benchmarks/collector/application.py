"""The application: `python -m benchmarks.collector.application SIDE TRACES PER_SECOND`; its environment says where to.

Ends the traffic at a steady pace, flushes, and prints one line of JSON: what it cost this process, and what it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.collector import SIDES
from benchmarks.collector.policies import RULES
from benchmarks.collector.traffic import SeededIds, Shop
from benchmarks.sides import QUEUE
from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor

SEED: Final = 20


def processor_of(side: str) -> SpanProcessor:
    if side == "ours":
        return ErrorSpanProcessor(RULES)
    # Its default queue of 2,048 drops spans when a core is busy for a second, and their traces are not the same then.
    return BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=QUEUE) if side == "stock" else SpanProcessor()


def provider_of(side: str, ids: SeededIds) -> TracerProvider:
    """Ours samples nothing at the head and leaves all to the rules; stock sends everything, as tail sampling needs it.

    A th of 0 on its spans tells the Collector that nobody has sampled before.
    """
    sampler = ErrorAwareSampler(0 if side == "ours" else 1)
    resource = Resource({"service.name": "shop", "service.version": "1.0"})
    return TracerProvider(sampler, resource, shutdown_on_exit=False, id_generator=ids)


def peak_bytes() -> int:
    """The most memory this process had in use, by Linux's account."""
    return peak_bytes_of(os.getpid())


def peak_bytes_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("traces", type=int)
    parser.add_argument("per_second", type=float)
    options = parser.parse_args()
    ids = SeededIds(SEED)
    provider = provider_of(options.side, ids)
    processor = processor_of(options.side)
    provider.add_span_processor(processor)
    shop = Shop(provider.get_tracer("shop", "1.0"), ids, SEED)
    pause = threading.Event()
    start, before = time.monotonic(), time.process_time()
    spans = 0
    for number, trace in enumerate(shop.traces(options.traces), 1):
        spans += trace.spans
        ahead = number / options.per_second - (time.monotonic() - start)
        if ahead > 0:
            pause.wait(ahead)
    provider.force_flush(60_000)
    provider.shutdown()
    report = {"cpu_s": time.process_time() - before, "peak_bytes": peak_bytes(), "spans": spans}
    if isinstance(processor, ErrorSpanProcessor):
        stats = processor.stats()
        report |= {"exported": stats.endings["delivered"], "balanced": stats.balanced}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
