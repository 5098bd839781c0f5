"""What is active in this environment, and why: the facts behind `otel-errsample doctor`."""

from __future__ import annotations

import logging
import os
import platform
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import get_tracer_provider

from otel_errsample.config import OTLP_VARIABLES, SETTINGS, Settings
from otel_errsample.plugins.masking import told, without_values
from otel_errsample.processor import ErrorSpanProcessor
from otel_errsample.transport.settings import OtlpSettings

_PACKAGES: Final = (
    "otel-errsample",
    "opentelemetry-sdk",
    "opentelemetry-distro",
    "opentelemetry-instrumentation",
    "opentelemetry-configuration",
)
_SWITCHES: Final = (
    "OTEL_PYTHON_CONFIGURATOR",
    "OTEL_ERRSAMPLE_ENABLED",
    "OTEL_CONFIG_FILE",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_PYTHON_DISTRO",
    "OTEL_SDK_DISABLED",
)
# What the SDK does not read where a file configures it.
_LEFT_TO_THE_FILE: Final = ("OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG")
# Other exporters go through these; ours knows the endpoint alone.
_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "GRPC_PROXY")
_USER: Final = re.compile(r"//[^/\s@]+@")
_QUERY: Final = re.compile(r"(//[^\s?#]*)\?\S*")


@dataclass
class Active:
    """What was found; `problems` are the reasons why nothing, or not everything, is kept."""

    versions: dict[str, str]
    switches: dict[str, str]
    configured_by: str
    provider: str = ""
    service: str = ""
    sampler: str = ""
    sees_unsampled: bool = False
    processors: list[str] = field(default_factory=list)
    endpoint: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    rules_source: str = ""
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, value and where it is from."""
    overrides: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was logged meanwhile."""
    problems: list[str] = field(default_factory=list)


def look() -> tuple[Active, ErrorSpanProcessor]:
    """Configure this process as opentelemetry-instrument would, if nobody has, and look at what came of it.

    The span processor is the active one, or where there is none, one as `ErrorSpanProcessor()` in code makes it.
    """
    environ = dict(os.environ)  # as the user has set it: a distribution adds defaults of its own
    with heard() as said:
        configured_by, failure = _configured()
        provider = get_tracer_provider()
        active = Active(_versions(), _switches(environ), configured_by, type(provider).__name__)
        if failure:
            active.problems.append(failure)
        ours = _look_at_provider(active, provider)
        processor = ours or ErrorSpanProcessor()
    if ours is None:
        active.problems.append(
            "no ErrorSpanProcessor is active; OTEL_PYTHON_CONFIGURATOR=errsample or OTEL_ERRSAMPLE_ENABLED=true switch it on"
        )
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        active.problems.append("OTEL_SDK_DISABLED is true: no span is recorded")
    _look_at_processor(active, processor)
    active.overrides += _overrides(processor, {name for name, value in environ.items() if value.strip()})
    active.said += [mask(line) for line in said]
    return active, processor


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile, instead of on stderr."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(" ".join(record.getMessage().split()))

    ear = Ear(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("opentelemetry", "otel_errsample")]
    former = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(ear)
        logger.propagate = False
    try:
        yield lines
    finally:
        for logger, propagate in zip(loggers, former, strict=True):
            logger.removeHandler(ear)
            logger.propagate = propagate


def mask(text: str) -> str:
    """The text without the values of headers and variables, and without user information and queries in URLs."""
    return _QUERY.sub(r"\1?***", _USER.sub("//***@", without_values(text)))


def _configured() -> tuple[str, str]:
    """Who has configured the SDK, and what went wrong."""
    if isinstance(get_tracer_provider(), TracerProvider):
        return "the program that runs this command", ""
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize
    except ImportError:
        return "nobody", "opentelemetry-instrumentation is not installed, so nothing is configured without code"
    former = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "*"  # the libraries of this command are nobody's business
    try:
        initialize(swallow_exceptions=False)
    except Exception as error:
        return "opentelemetry-instrument", f"the SDK could not be configured: {mask(told(error))}"
    finally:
        if former is None:
            del os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"]
        else:
            os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = former
    return "opentelemetry-instrument", ""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _switches(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: mask(environ[name]) for name in _SWITCHES if environ.get(name)}


def _look_at_provider(active: Active, provider: object) -> ErrorSpanProcessor | None:
    if not isinstance(provider, TracerProvider):
        return None
    active.service = str(provider.resource.attributes.get("service.name", ""))
    active.sampler = provider.sampler.get_description()
    active.sees_unsampled = isinstance(getattr(provider.sampler, "recorded_from", None), int)
    found: tuple[SpanProcessor, ...] = getattr(provider._active_span_processor, "_span_processors", ())
    active.processors = [_described(processor) for processor in found]
    return next((processor for processor in found if isinstance(processor, ErrorSpanProcessor)), None)


def _described(processor: SpanProcessor) -> str:
    if isinstance(processor, ErrorSpanProcessor):
        return f"ErrorSpanProcessor to {processor._sink.endpoint}"
    exporter = getattr(processor, "span_exporter", None)
    return type(processor).__name__ + (f" to {type(exporter).__name__}" if exporter is not None else "")


def _look_at_processor(active: Active, processor: ErrorSpanProcessor) -> None:
    target = processor._sink.destination
    if isinstance(target, OtlpSettings):
        active.endpoint = {
            "protocol": target.protocol,
            "endpoint": mask(target.endpoint),
            "tls": str(target.secure or target.endpoint.startswith("https:")).lower(),
            "headers": ", ".join(f"{name}=***" for name, _ in target.headers) or "none",
            "compression": target.compression,
            "timeout": f"{target.timeout:g} s",
        }
    else:
        active.endpoint = {"exporter": type(target).__name__}
    stats = processor.stats()
    active.rules = [rule.name for rule in stats.rules]
    active.rules_source = stats.rules_source
    if stats.config_problem:
        active.problems.append(stats.config_problem)
    in_file = processor._file.document.settings if processor._file is not None else {}
    refused: set[str] = set()
    expected = Settings.from_env(os.environ, lambda variable, _: refused.add(variable), in_file)
    without = Settings.from_env({}, lambda *_: None, in_file)
    # One that is out of range counts with the nearest bound, any other bad one not at all.
    unused = {row.variable for row in SETTINGS if getattr(expected, row.argument) == getattr(without, row.argument)}
    for row in SETTINGS:
        value = getattr(processor._settings, row.argument)
        if row.argument not in ("rules", "config"):
            source = _source(row.argument, value, expected, in_file, refused & unused)
            active.settings.append((row.argument, _text(value), source))


def _source(
    argument: str, value: object, expected: Settings, in_file: Mapping[str, object], unused: Container[str]
) -> str:
    (row,) = (row for row in SETTINGS if row.argument == argument)
    if value != getattr(expected, argument):
        return "code, or OTEL_CONFIG_FILE"
    if os.environ.get(row.variable, "").strip() and row.variable not in unused:
        return row.variable
    if argument in in_file:
        return os.environ.get("OTEL_ERRSAMPLE_CONFIG", "the file")
    return "default"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _overrides(processor: ErrorSpanProcessor, named: set[str]) -> list[str]:
    """Which of the variables that are set do not count, and what counts instead."""
    lines = []
    for row in OTLP_VARIABLES:
        one, all_ = (f"OTEL_EXPORTER_OTLP_{signal}{row.suffix}" for signal in ("TRACES_", ""))
        if {one, all_} <= named:
            lines.append(f"{one} overrides {all_}")
    if "OTEL_CONFIG_FILE" in named:
        lines += [f"OTEL_CONFIG_FILE overrides {name}" for name in _LEFT_TO_THE_FILE if name in named]
    if processor._file is not None and processor._file.document.rules is not None:
        source = processor.stats().rules_source
        if source != processor._file.document.source:
            lines.append(f"the rules of {source} override those of {processor._file.path}")
    if processor._file is not None:
        for argument in processor._file.document.settings:
            (row_,) = (row_ for row_ in SETTINGS if row_.argument == argument)
            if row_.variable in named:
                lines.append(f"{row_.variable} overrides {argument} of {processor._file.path}")
    lines += [f"{name} has no meaning here" for name in processor._settings.ignored]
    if isinstance(processor._sink.destination, OtlpSettings):
        lines += [f"{name} is not used: spans take no proxy" for name in sorted(named) if name.upper() in _PROXIES]
    return lines


def as_json(active: Active) -> dict[str, Any]:
    """Everything as values that JSON has."""
    settings = [{"name": name, "value": value, "from": source} for name, value, source in active.settings]
    return {**vars(active), "settings": settings}
