"""OTLP JSON, as the Collector's file exporter writes it.

It is protobuf's JSON with two differences: trace and span ids are hexadecimal, and enums are numbers (names are read
too). 64-bit integers come as text or as numbers, bytes as base64; unknown fields are ignored. See "JSON Protobuf
Encoding" in the OTLP specification.
"""

from otel_errsample.otlpjson.documents import JsonError, documents
from otel_errsample.otlpjson.fields import OtlpJsonError
from otel_errsample.otlpjson.spans import spans_of

__all__ = ["JsonError", "OtlpJsonError", "documents", "spans_of"]
