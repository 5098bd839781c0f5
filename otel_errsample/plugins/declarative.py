"""A declarative configuration file (`OTEL_CONFIG_FILE`): our entries are taken out of it, the SDK does the rest.

The SDK knows no span processors but its own, and refuses a file that names another one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import get_tracer_provider

from otel_errsample.config import SETTINGS
from otel_errsample.plugins.declared_sampler import declaring
from otel_errsample.plugins.exporters import uses_credential_plugin
from otel_errsample.plugins.masking import told
from otel_errsample.plugins.options import arguments, build
from otel_errsample.plugins.otlp_section import OTLP_SECTIONS, settings_of
from otel_errsample.plugins.switch import NAME, switched

logger = logging.getLogger("otel_errsample")

_PROCESSORS: Final = "tracer_provider.processors"
_DISTRIBUTION: Final = f"distribution.{NAME}"
_INSTRUMENTATION: Final = f"instrumentation/development.python.{NAME}"
# What a batch processor is told in the file, and the setting that means the same here.
_BATCH: Final = {"schedule_delay": "schedule_delay_ms", "max_export_batch_size": "max_export_batch_size"}
_BOUNDS: Final = {row.argument: (row.low, row.high) for row in SETTINGS if row.argument in _BATCH.values()}


class Entry(NamedTuple):
    """One span processor to be made: where it stands in the file, its options, and its exporter as the file has it."""

    place: str
    options: dict[str, Any]
    exporter: Any


def configure(config: Any) -> bool:
    """Configure the SDK by a parsed file; False, after saying why, where the rest of the file cannot be used.

    A processor `errsample` stands where the file has it among those that export. Where there is none, but options in
    `distribution` or `instrumentation/development`, ours take the place of the batch processors.
    """
    from opentelemetry.configuration import configure_sdk

    entries = _taken_out(config)
    try:
        with declaring(_additional(getattr(config.tracer_provider, "sampler", None)).get(NAME)):
            configure_sdk(config)
    except Exception as error:
        reason = told(error)
        if not isinstance(get_tracer_provider(), TracerProvider):
            logger.error("OTEL_CONFIG_FILE cannot be used, the environment is instead: %s", reason)
            return False
        logger.error("OTEL_CONFIG_FILE: only traces are configured: %s", reason)  # they came first and stand
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        for entry in entries:
            provider.add_span_processor(_made(entry))
    return True


def _taken_out(config: Any) -> list[Entry]:
    """Our entries, which the configuration then has no more."""
    shared: dict[str, Any] = {}
    wanted = False
    instrumentation = getattr(config.instrumentation_development, "python", None)
    for place, section in ((_INSTRUMENTATION, instrumentation), (_DISTRIBUTION, config.distribution)):
        if isinstance(section, dict) and NAME in section:
            own = arguments(section.pop(NAME), place)
            if place == _INSTRUMENTATION and _is_off(own):
                continue  # the SDK's configurator would not even call us
            wanted = True
            shared = _merged(shared, own)
    wanted = wanted and not _is_off(shared) and switched() is not False
    provider = config.tracer_provider
    if provider is None:
        return []
    named = any(NAME in _additional(processor) for processor in provider.processors)
    entries: list[Entry] = []
    others = []
    for number, processor in enumerate(provider.processors):
        place = f"{_PROCESSORS}[{number}].{NAME}"
        if NAME in _additional(processor):
            section = _additional(processor)[NAME]
            exporter = section.get("exporter") if isinstance(section, Mapping) else None
            entries.append(Entry(place, _merged(shared, arguments(section, place)), exporter))
        elif wanted and not named and processor.batch is not None:
            options = _merged(_settings_of(processor.batch), shared)
            entries.append(Entry(_DISTRIBUTION, options, processor.batch.exporter))
        else:
            others.append(processor)
    provider.processors = others
    return entries


def _additional(component: Any) -> Mapping[str, Any]:
    return getattr(component, "additional_properties", None) or {}


def _is_off(options: Mapping[str, Any]) -> bool:
    return options.get("options", {}).get("enabled") is False


def _merged(general: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    settings = {**general.get("options", {}), **own.get("options", {})}
    return {**general, **own, **({"options": settings} if settings else {})}


def _settings_of(batch: Any) -> dict[str, Any]:
    settings = {}
    for theirs, ours in _BATCH.items():
        value = getattr(batch, theirs, None)
        if isinstance(value, int):
            low, high = _BOUNDS[ours]
            settings[ours] = min(max(value, low), high)
    return {"options": settings} if settings else {}


def _made(entry: Entry) -> SpanProcessor:
    """The span processor of an entry, else the SDK's own: never none."""
    exporter = None
    try:
        if entry.exporter is None:
            return build(entry.place, **entry.options)
        kind, section = _kind_of(entry.exporter)
        if kind in OTLP_SECTIONS and not uses_credential_plugin():
            return build(entry.place, **entry.options, transport=settings_of(kind, section, f"{entry.place}.exporter"))
        exporter = _exporter(entry.exporter)
        return build(entry.place, **entry.options, exporter=exporter)
    except Exception as error:
        if exporter is None:
            logger.error("%s.exporter cannot be used, spans go over OTLP: %s", entry.place, told(error))
            return build(entry.place, **entry.options)
        logger.error("%s fails, a batch processor takes its place: %s", entry.place, told(error))
        return BatchSpanProcessor(exporter)


def _kind_of(exporter: Any) -> tuple[str, Any]:
    """The name of the exporter in the file, and what stands under it."""
    if isinstance(exporter, Mapping):
        return next(iter(exporter.items())) if exporter else ("", None)
    for kind in OTLP_SECTIONS:
        if (section := getattr(exporter, kind, None)) is not None:
            return kind, section
    return "", None


def _exporter(exporter: Any) -> SpanExporter:
    """An exporter that is not ours to replace, as the SDK makes it."""
    from opentelemetry.configuration import _tracer_provider
    from opentelemetry.configuration._conversion import _dict_to_dataclass
    from opentelemetry.configuration.models import SpanExporter as Section

    if isinstance(exporter, Mapping):
        # `console:` without anything under it is None here, and to the SDK means that it is not there.
        filled = {name: {} if section is None else section for name, section in exporter.items()}
        exporter = _dict_to_dataclass(filled, Section)
    made: SpanExporter = _tracer_provider._create_span_exporter(exporter)
    return made
