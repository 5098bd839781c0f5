"""The OTLP exporter's settings, and how they are read from `OTEL_EXPORTER_OTLP_*`.

For each setting the variable of the traces signal, `OTEL_EXPORTER_OTLP_TRACES_*`, is preferred to the general one. An
empty variable counts as unset. Nothing here raises: a value that cannot be used costs one warning, and the default is
taken.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_errsample.places import fixed
from otel_errsample.transport import parse

_GENERAL = "OTEL_EXPORTER_OTLP_"
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"

_DEFAULT_ENDPOINTS = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318/v1/traces"}
_DEFAULT_TIMEOUT = 10.0
# The Python exporters read seconds where the specification has milliseconds: 10000 meant as 10 s would be 2.8 hours.
_SUSPICIOUS_TIMEOUT = 60.0
_LONGEST_TIMEOUT = 86400.0
# Names of headers that usually hold a credential.
_CREDENTIAL = re.compile(r"auth|key|token|secret|passw|credential|team|cookie")

Warn = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where and how requests are sent.

    `protocol` is "grpc" or "http/protobuf". `endpoint` is a gRPC target (`host:port`) or a whole URL; `secure` says
    whether gRPC speaks TLS, for HTTP the URL's scheme does. `headers` are sent with each request, names in lower case.
    `timeout` is in seconds, `compression` "gzip" or "none". The certificate paths are PEM files, read again when they
    change; `client_key` and `client_certificate` come together or not at all. A file that cannot be read is warned of,
    and sends then fail with the cause "certificate": no request ever goes out unverified or in plain text instead.
    """

    protocol: str = "grpc"
    endpoint: str = "localhost:4317"
    secure: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = _DEFAULT_TIMEOUT
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    compression: str = "none"

    def __repr__(self) -> str:
        shown = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        shown["headers"] = tuple((name, "***") for name, _ in self.headers)
        return f"OtlpSettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str], warn: Warn) -> OtlpSettings:
        """Read the settings from `environ`.

        `warn(variable, message)` is called at most once for a variable; the message never holds the variable's value.
        """
        env = _Environment(environ, warn)
        # Receivers take http/json and http/protobuf at the same address; gRPC would find nobody there.
        over_http = env.get("PROTOCOL").lower().startswith("http")
        choices = {"grpc": "grpc", "http/protobuf": "http/protobuf"}
        protocol = env.choice("PROTOCOL", choices, "http/protobuf" if over_http else "grpc")
        address = _endpoint(env, protocol)
        headers = _headers(env, protocol, address)
        client_key, client_certificate = env.file("CLIENT_KEY"), env.file("CLIENT_CERTIFICATE")
        if (client_key is None) != (client_certificate is None):
            lone = "CLIENT_KEY" if client_key else "CLIENT_CERTIFICATE"
            env.complain(lone, "is ignored: a client needs both its key and its certificate")
            client_key = client_certificate = None
        return cls(
            protocol=protocol,
            endpoint=address.target,
            secure=address.secure,
            headers=tuple(headers.items()),
            timeout=_timeout(env),
            certificate=env.file("CERTIFICATE"),
            client_key=client_key,
            client_certificate=client_certificate,
            compression=env.choice("COMPRESSION", {"gzip": "gzip", "none": "none"}, "none"),
        )


class _Environment:
    """The OTLP variables of one environment, with one warning for each that cannot be used."""

    def __init__(self, environ: Mapping[str, str], warn: Warn) -> None:
        self._environ = environ
        self._warn = warn
        self._warned: set[str] = set()

    def name(self, suffix: str) -> str:
        """Return the variable that decides about a setting: the one of the traces signal if it is set."""
        traces = _TRACES + suffix
        return traces if self._environ.get(traces, "").strip() else _GENERAL + suffix

    def get(self, suffix: str) -> str:
        return self._environ.get(self.name(suffix), "").strip()

    def complain(self, suffix: str, message: str) -> None:
        name = self.name(suffix)
        if name not in self._warned:
            self._warned.add(name)
            self._warn(name, message)

    def choice(self, suffix: str, choices: Mapping[str, str], default: str) -> str:
        value = self.get(suffix).lower()
        if value and value not in choices:
            self.complain(suffix, f"is expected to be one of {', '.join(choices)}; {default} is used")
        return choices.get(value, default)

    def file(self, suffix: str) -> str | None:
        """Return a path. One that cannot be read now is kept: without it the transport would verify less than asked."""
        path = self.get(suffix)
        if not path:
            return None
        try:
            with Path(path).open("rb"):
                pass
        except (OSError, ValueError):
            self.complain(suffix, "is expected to name a readable file; nothing is sent until it does")
        return fixed(path)


def _endpoint(env: _Environment, protocol: str) -> parse.Address:
    default = _DEFAULT_ENDPOINTS[protocol]
    if protocol == "grpc":
        insecure = env.choice("INSECURE", {"true": "true", "false": "false"}, "false") == "true"
        try:
            return parse.grpc_address(env.get("ENDPOINT") or default, insecure)
        except ValueError as error:
            env.complain("ENDPOINT", f"{error}; the default is used")
            return parse.grpc_address(default, insecure)
    try:
        general = env.name("ENDPOINT") == _GENERAL + "ENDPOINT"
        text = env.get("ENDPOINT")
        return parse.http_address(text, base=general) if text else parse.http_address(default, base=False)
    except ValueError as error:
        env.complain("ENDPOINT", f"{error}; the default is used")
        return parse.http_address(default, base=False)


def _headers(env: _Environment, protocol: str, address: parse.Address) -> dict[str, str]:
    headers, unusable = parse.headers(env.get("HEADERS"), grpc=protocol == "grpc")
    if unusable:
        items = ", ".join(map(str, unusable[:10]))
        env.complain("HEADERS", f"is expected to be key=value,key=value in printable ASCII; item {items} is ignored")
    if address.authorization:
        headers.setdefault("authorization", address.authorization)
    if not address.secure and not address.loopback and any(map(_CREDENTIAL.search, headers)):
        env.complain("ENDPOINT", "leads to another host without TLS: credentials in the headers travel in the clear")
    return headers


def _timeout(env: _Environment) -> float:
    text = env.get("TIMEOUT")
    if not text:
        return _DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        env.complain("TIMEOUT", f"is expected to be a number of seconds such as 10; {_DEFAULT_TIMEOUT:g} is used")
        return _DEFAULT_TIMEOUT
    if seconds > _SUSPICIOUS_TIMEOUT:
        env.complain("TIMEOUT", f"is in seconds, and above {_SUSPICIOUS_TIMEOUT:g}: was it meant in milliseconds?")
    return seconds
