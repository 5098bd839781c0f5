"""Recorded spans: OTLP JSON in files, plain or gzip, and the options of the commands that read them."""

from __future__ import annotations

import argparse
import gzip
import importlib
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from otel_errsample.cli.files import Unreadable, decoded, name_of, opened
from otel_errsample.otlpjson import JsonError, OtlpJsonError, documents, spans_of

# The Collector's batches of 8,192 spans are 10 to 25 MB a line; what is longer is no batch.
MOST_BYTES: Final = 32 << 20
_GZIP: Final = b"\x1f\x8b"


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--head", metavar="RATIO", type=_ratio, help="sample the traces at this ratio, whatever the recording says"
    )
    command.add_argument(
        "--import",
        metavar="MODULE",
        dest="modules",
        action="append",
        default=[],
        help="import a module, so that rules know the base classes of its exceptions; may be repeated",
    )


def prepare(options: argparse.Namespace) -> None:
    """Import what the options name, from the present directory too. Raises Unreadable."""
    here = str(Path.cwd())
    for name in options.modules:
        sys.path.insert(0, here)
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # an import runs any code
            raise Unreadable(f"--import {name}: {type(error).__name__}: {error}") from None
        finally:
            sys.path.remove(here)


def all_spans(path: str) -> list[ReadableSpan]:
    """The spans of a whole file, one TracesData a line or laid out in any other way. Raises Unreadable."""
    name = name_of(path)
    with opened_recording(path) as (stream, _):
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{name}: is expected to have at most {MOST_BYTES} bytes; choose the lines of interest")
    line = 1
    found: list[ReadableSpan] = []
    try:
        for line, document in documents(decoded(data, name)):  # noqa: B007  the place of an error
            found += spans_of(document)
    except JsonError as error:
        raise Unreadable(f"{name}:{error.line}:{error.column}: {error.message}") from None
    except OtlpJsonError as error:
        raise Unreadable(f"{name}:{line}: {error}") from None
    return in_order(found)


def in_order(spans: list[ReadableSpan]) -> list[ReadableSpan]:
    """The spans as they ended, a child before its parent; exporters send errors before others."""
    return sorted(spans, key=lambda span: (span.end_time or 0, -(span.start_time or 0)))


@contextmanager
def opened_recording(path: str) -> Iterator[tuple[io.BufferedIOBase, io.BufferedReader]]:
    """The file's bytes, decompressed where they are gzip, and as they are. Raises Unreadable, also while it is read."""
    with opened(path) as raw:
        packed = raw.peek(len(_GZIP)).startswith(_GZIP)
        try:
            yield gzip.GzipFile(fileobj=raw) if packed else raw, raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Unreadable(f"{name_of(path)}: {str(error)[:1].lower()}{str(error)[1:]}") from None


def lines_of(stream: io.BufferedIOBase, most: int = MOST_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank with its number; None in place of one that is longer than `most` bytes."""
    number = 0
    while line := stream.readline(most + 1):
        number += 1
        if len(line) <= most:
            if not line.isspace():
                yield number, line.rstrip(b"\r\n")
            continue
        while not line.endswith(b"\n") and (line := stream.readline(1 << 16)):
            pass
        yield number, None


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 is expected, got {text}")
    return ratio
