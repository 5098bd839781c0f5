"""Spans as the Collector's file exporter writes them: one TracesData in JSON a line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

_IDS = ("traceId", "spanId", "parentSpanId")


def recorded(spans: Iterable[ReadableSpan], enums: str = "numbers") -> dict[str, Any]:
    """The official encoder's TracesData, with its ids in hexadecimal as OTLP wants them."""
    data = MessageToDict(encode_spans(list(spans)), use_integers_for_enums=enums == "numbers")
    _write_ids(data)
    return data


def line_of(*spans: ReadableSpan) -> str:
    return json.dumps(recorded(spans)) + "\n"


def _write_ids(data: Any) -> None:
    if isinstance(data, dict):
        for name, value in data.items():
            if name in _IDS and isinstance(value, str):
                data[name] = base64.b64decode(value).hex()
            else:
                _write_ids(value)
    elif isinstance(data, list):
        for item in data:
            _write_ids(item)
