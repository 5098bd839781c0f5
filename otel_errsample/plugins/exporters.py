"""A span processor for each exporter that OTEL_TRACES_EXPORTER names."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util._importlib_metadata import entry_points

from otel_errsample.plugins.masking import told
from otel_errsample.plugins.options import build
from otel_errsample.plugins.switch import NAME
from otel_errsample.processor import ErrorSpanProcessor
from otel_errsample.transport.settings import OtlpSettings

logger = logging.getLogger("otel_errsample")

VARIABLE: Final = "OTEL_TRACES_EXPORTER"
_GROUP: Final = "opentelemetry_traces_exporter"
# The exporters whose work is done from the span processor itself, and the protocol each name stands for.
_OTLP: Final = {"otlp": "", NAME: "", "otlp_proto_grpc": "grpc", "otlp_proto_http": "http/protobuf"}
_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
# A plug-in that makes channel credentials or a session for the stock exporters only.
_CREDENTIALS: Final = ("OTEL_PYTHON_EXPORTER_OTLP_", "CREDENTIAL_PROVIDER")


def from_environment(options: Mapping[str, Any]) -> list[ErrorSpanProcessor]:
    """The span processors; none only where the variable says `none`. Unset it means `otlp`, as in the specification."""
    text = os.environ.get(VARIABLE, "").strip()
    if text.lower() == "none":
        return []
    made: dict[object, ErrorSpanProcessor] = {}
    for name in (part.strip() for part in text.split(",")):
        target = otlp_of(name) if name else None
        if target is not None and target not in made:
            made[target] = build(VARIABLE, **options, transport=target)
        elif name and target is None and (exporter := _loaded(name)) is not None:
            made[name] = build(VARIABLE, **options, exporter=exporter)
    if not made:
        made[NAME] = build(VARIABLE, **options)
    return list(made.values())


def otlp_of(name: str) -> OtlpSettings | None:
    """Where the OTLP exporter of this name sends to; None for other exporters, and where only the stock one can."""
    if name not in _OTLP or uses_credential_plugin():
        return None
    environ = {**os.environ, _PROTOCOL: _OTLP[name]} if _OTLP[name] else os.environ
    return OtlpSettings.from_env(environ, _warn)


def uses_credential_plugin() -> bool:
    """Whether credentials come from a plug-in, which hands them to the stock exporter alone."""
    prefix, ending = _CREDENTIALS
    return any(name.startswith(prefix) and name.endswith(ending) and os.environ[name] for name in os.environ)


def _loaded(name: str) -> SpanExporter | None:
    """The exporter of an entry point, or None after saying what is wrong with it."""
    names = [point.name for point in entry_points(group=_GROUP)]
    if name in ("otlp", NAME):  # only the stock one has the credentials
        http = (
            os.environ.get(_PROTOCOL) or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
        ).strip() == "http/protobuf"
        name = "otlp_proto_http" if http else "otlp_proto_grpc"
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        logger.warning("%s: an exporter that it names is not installed and is left out%s", VARIABLE, hint)
        return None
    point = next(iter(entry_points(group=_GROUP, name=name)))
    try:
        exporter = point.load()()
        if not isinstance(exporter, SpanExporter):
            raise TypeError(f"{type(exporter).__name__} is no SpanExporter")
    except Exception as error:
        logger.warning("%s: the exporter %s cannot be used and is left out (%s)", VARIABLE, point.value, told(error))
        return None
    return exporter


def _warn(variable: str, message: str) -> None:
    logger.warning("%s: %s", variable, message)
