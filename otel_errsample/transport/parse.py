"""Read the values of OTLP variables: header lists, gRPC targets and HTTP URLs.

Errors are `ValueError`s whose text says what was expected and never holds the value, which may be a secret.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

DEFAULT_GRPC_PORT = 4317
TRACES_PATH = "/v1/traces"

# RFC 9110 section 5.6.2 (token) and 5.5 (field value); gRPC's own, narrower set of key characters.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_GRPC_KEY = re.compile(r"[0-9a-z_.\-]+").fullmatch
_VALUE = re.compile(r"[\t\x20-\x7e]*").fullmatch
_VISIBLE = re.compile(r"[\x21-\x7e]+").fullmatch

# Written by the transports themselves: a second value would break the framing of the request.
_RESERVED = frozenset({"connection", "content-encoding", "content-length", "content-type", "te", "transfer-encoding"})

# gRPC name resolver schemes that are handed on as they are.
_RESOLVERS = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")


class Address(NamedTuple):
    """A destination: gRPC target or URL, whether TLS is spoken, whether it is this host, and a login if one was given."""

    target: str
    secure: bool
    loopback: bool
    authorization: str = ""


def headers(text: str, grpc: bool) -> tuple[dict[str, str], list[int]]:
    """Read a list `key=value,key2=value2`, percent-encoded; keys become lower case, the last of a key wins.

    Returns the headers and the positions, counted from 1, of the items that cannot be used: no `=`, a key or value with
    characters a header cannot hold (a line break above all), or a key the transport writes itself.
    """
    found: dict[str, str] = {}
    unusable: list[int] = []
    for position, item in enumerate(text.split(","), start=1):
        if not item.strip():
            continue
        key, equals, value = item.partition("=")
        key, value = unquote(key.strip()).lower(), unquote(value.strip())
        if equals and _usable_key(key, grpc) and _VALUE(value):
            found[key] = value
        else:
            unusable.append(position)
    return found, unusable


def _usable_key(key: str, grpc: bool) -> bool:
    if key in _RESERVED:
        return False
    if not grpc:
        return _TOKEN(key) is not None
    # "-bin" marks values that are bytes, "grpc-" is reserved for the protocol (PROTOCOL-HTTP2.md of gRPC).
    return _GRPC_KEY(key) is not None and not key.endswith("-bin") and not key.startswith("grpc-")


def grpc_address(text: str, insecure: bool) -> Address:
    """Read `host:port`, a URL, or a gRPC target with a resolver scheme; the port defaults to 4317, to 443 for https.

    A URL's scheme decides about TLS; `insecure` decides where there is none.
    """
    if text.startswith(_RESOLVERS):
        return Address(text, not insecure, text.startswith("unix"))
    scheme, separator, _ = text.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise ValueError("is expected to be host:port or a URL with the scheme http or https")
    parts = _split(text if separator else "//" + text)
    host, secure = parts.hostname or "", parts.scheme == "https" if separator else not insecure
    port = parts.port or (443 if parts.scheme == "https" else DEFAULT_GRPC_PORT)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Address(target, secure, _is_loopback(host), _login(parts))


def http_address(text: str, base: bool) -> Address:
    """Read an http or https URL; to a `base` URL, which stands for all signals, the path of traces is appended."""
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("is expected to be a URL with the scheme http or https")
    parts = _split(text)
    path = parts.path.rstrip("/") + TRACES_PATH if base else parts.path or "/"
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, parts.query, ""))
    return Address(url, parts.scheme == "https", _is_loopback(parts.hostname or ""), _login(parts))


def _split(text: str) -> SplitResult:
    """Split a URL and touch what urllib checks lazily; every error becomes one without the value in its text."""
    try:
        parts = urlsplit(text)
        usable = bool(_VISIBLE(text) and parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("is expected to name a host, with a port between 1 and 65535 if any, in visible ASCII")
    return parts


def _login(parts: SplitResult) -> str:
    """Return the Basic authorization that user information in a URL stands for (RFC 7617), or nothing."""
    userinfo, at, _ = parts.netloc.rpartition("@")
    return "Basic " + base64.b64encode(unquote(userinfo).encode()).decode() if at and userinfo else ""


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or host == "::1" or host.startswith("127.")
