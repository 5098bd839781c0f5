"""`otlp_grpc` and `otlp_http` of a declarative configuration file, as settings of the transport."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Final
from urllib.parse import quote

from otel_errsample.transport.settings import OtlpSettings

logger = logging.getLogger("otel_errsample")

OTLP_SECTIONS: Final = {"otlp_grpc": "grpc", "otlp_http": "http/protobuf"}
"""The names of the sections, and the protocols they stand for."""

_PREFIX: Final = "OTEL_EXPORTER_OTLP_TRACES_"
# Keys of a section, and the variables that take the same texts.
_SAME: Final = {"endpoint": "ENDPOINT", "compression": "COMPRESSION"}
_TLS: Final = {"ca_file": "CERTIFICATE", "key_file": "CLIENT_KEY", "cert_file": "CLIENT_CERTIFICATE"}
_KEYS: Final = {
    **{variable: key for key, variable in _SAME.items()},
    **{variable: f"tls.{key}" for key, variable in _TLS.items()},
    "HEADERS": "headers",
    "TIMEOUT": "timeout",
    "INSECURE": "tls.insecure",
}


def settings_of(kind: str, section: Any, place: str) -> OtlpSettings:
    """The settings of a section, a mapping or what the SDK made of one; a bad value is said with its place in the file.

    What the section leaves out comes from the environment, as it does in the SDK's exporters.
    """
    given = _texts(kind, _mapping(section))

    def warn(variable: str, message: str) -> None:
        suffix = variable.removeprefix(_PREFIX)
        where = f"{place}.{kind}.{_KEYS[suffix]}" if suffix in given and variable.startswith(_PREFIX) else variable
        logger.warning("%s: %s", where, message)

    return OtlpSettings.from_env({**os.environ, **{_PREFIX + name: text for name, text in given.items()}}, warn)


def _texts(kind: str, section: Mapping[str, Any]) -> dict[str, str]:
    """A section as the variables that say the same."""
    given = {"PROTOCOL": OTLP_SECTIONS[kind]}
    tls = _mapping(section.get("tls"))
    given |= {variable: str(section[key]) for key, variable in _SAME.items() if section.get(key)}
    given |= {variable: str(tls[key]) for key, variable in _TLS.items() if tls.get(key)}
    if isinstance(tls.get("insecure"), bool):
        given["INSECURE"] = str(tls["insecure"]).lower()
    if isinstance(timeout := section.get("timeout"), int):  # milliseconds in the file, seconds in the variable
        given["TIMEOUT"] = str(timeout / 1000)
    if headers := _headers(section):
        given["HEADERS"] = headers
    return given


def _headers(section: Mapping[str, Any]) -> str:
    pairs = [part.strip() for part in str(section.get("headers_list") or "").split(",") if part.strip()]
    for header in section.get("headers") or ():
        pair = _mapping(header)
        if pair.get("name"):
            pairs.append(f"{pair['name']}={quote(str(pair.get('value') or ''), safe='')}")
    return ",".join(pairs)


def _mapping(section: Any) -> Mapping[str, Any]:
    if is_dataclass(section) and not isinstance(section, type):
        return asdict(section)
    return section if isinstance(section, Mapping) else {}
