"""Certificates for tests, made by the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

LOCAL_NAMES = "DNS:localhost,IP:127.0.0.1"


class Pair(NamedTuple):
    certificate: str
    key: str


class Authority:
    """A certificate authority in a directory; a peer that trusts `roots` trusts what it issues."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._own = Pair(self._path(name, "pem"), self._path(name, "key"))
        constraint = ("-addext", "basicConstraints=critical,CA:TRUE")
        _openssl("req", "-x509", *_new_key(self._own.key), "-subj", f"/CN={name}", *constraint, "-out", self.roots)

    @property
    def roots(self) -> str:
        return self._own.certificate

    def issue(self, name: str, names: str = LOCAL_NAMES, days: int = 2) -> Pair:
        """Make and sign a certificate for these names; a negative number of days gives an expired one."""
        pair, request = Pair(self._path(name, "pem"), self._path(name, "key")), self._path(name, "csr")
        extension = ("-addext", f"subjectAltName={names}")
        _openssl("req", *_new_key(pair.key), "-subj", f"/CN={name}", *extension, "-out", request)
        signer = ("-CA", self._own.certificate, "-CAkey", self._own.key, "-CAcreateserial")
        lifetime = ("-copy_extensions", "copy", "-days", str(days))
        _openssl("x509", "-req", "-in", request, *signer, *lifetime, "-out", pair.certificate)
        return pair

    def _path(self, name: str, suffix: str) -> str:
        return str(self._directory / f"{name}.{suffix}")


def _new_key(path: str) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _openssl(*arguments: str) -> None:
    subprocess.run(("openssl", *arguments), check=True, capture_output=True, timeout=30)
