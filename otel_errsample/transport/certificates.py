"""The TLS files of a transport: loaded for each new connection, noticed when they are replaced on disk."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import NamedTuple

from otel_errsample.transport.settings import OtlpSettings


class CertificateError(Exception):
    """The TLS files cannot be used: unreadable, not PEM, or a key that does not belong to its certificate."""


class Pem(NamedTuple):
    """File contents as grpcio takes them; None where the setting is absent."""

    roots: bytes | None
    key: bytes | None
    chain: bytes | None


_Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """What one transport knows of its TLS files.

    Not thread-safe in itself: a race costs a second load, never a mix of old and new files that is kept.
    """

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        paths = (settings.certificate, settings.client_key, settings.client_certificate)
        self._paths = [path for path in paths if path]
        self._loaded: _Stamp | None = None

    def changed(self) -> bool:
        """Say whether the files are others than those last loaded.

        A file that is missing just now counts as unchanged: it is being replaced, and the open connection still works.
        """
        if not self._paths or self._loaded is None:
            return False
        stamp = self._stamp()
        return stamp is not None and stamp != self._loaded

    def context(self) -> ssl.SSLContext:
        """Load the files for the ssl module; raises CertificateError. Without a CERTIFICATE the system's roots count."""
        stamp = self._stamp()
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.certificate)
            if settings.client_certificate:
                # Without a password function OpenSSL would ask for one on the terminal.
                context.load_cert_chain(settings.client_certificate, settings.client_key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise CertificateError(f"TLS files: {error}") from error
        self._loaded = stamp
        return context

    def pem(self) -> Pem:
        """Load the files for grpcio; raises CertificateError.

        grpcio takes any bytes and fails later with UNAVAILABLE, so the ssl module checks them first.
        """
        self.context()
        settings = self._settings
        return Pem(_read(settings.certificate), _read(settings.client_key), _read(settings.client_certificate))

    def _stamp(self) -> _Stamp | None:
        try:
            return tuple((found.st_mtime_ns, found.st_size, found.st_ino) for found in map(os.stat, self._paths))
        except (OSError, ValueError):
            return None


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"TLS files: {error}") from error
