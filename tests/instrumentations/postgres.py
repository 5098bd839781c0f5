"""A PostgreSQL server on loopback: the real one where it is installed, else a stand-in that speaks its protocol."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler

from tests.instrumentations import peers

USER = "shop"
_STARTS_IN = 60.0
_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104  # codes in place of a protocol version, src/include/libpq/pqcomm.h
_SQLSTATE = re.compile(rb"-- ([0-9A-Z]{5})")


def installed() -> Path | None:
    """Where the server's programs are: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextmanager
def real(programs: Path) -> Iterator[int]:
    """The port of a fresh PostgreSQL without durability."""
    as_user = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}  # it refuses to run as root
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        if as_user:
            shutil.chown(name, "nobody")
        data = f"{name}/data"
        initdb = [f"{programs}/initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=name, timeout=_STARTS_IN, **as_user)  # type: ignore[call-overload]  # a user where root
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": port}
        command = [f"{programs}/postgres", "-D", data, *(f"--{key}={value}" for key, value in settings.items())]
        server = subprocess.Popen(command, cwd=name, stderr=subprocess.PIPE, text=True, **as_user)  # type: ignore[call-overload]  # a user where root
        too_late = threading.Timer(_STARTS_IN, server.kill)
        too_late.start()
        try:
            # What it logs later, a few lines of errors, fits the pipe.
            assert any("ready to accept connections" in line for line in server.stderr), "PostgreSQL did not start"
            too_late.cancel()
            yield port
        finally:
            too_late.cancel()
            server.send_signal(signal.SIGINT)  # fast shutdown: disconnect everybody
            server.communicate(timeout=30)


def stand_in() -> peers.Port:
    """The port of a server to which every statement succeeds but one that ends in a comment with an SQLSTATE."""
    return peers.conversation(_converse)


def _converse(client: StreamRequestHandler) -> None:
    """Frontend/Backend Protocol 3.0, as far as a driver needs it to have a statement refused."""
    send = client.wfile.write
    while _start_up(client) in (_SSL_REQUEST, _GSS_REQUEST):
        send(b"N")
    send(_message(b"R", struct.pack("!i", 0)))
    for name, value in ((b"server_version", b"15.0"), (b"client_encoding", b"UTF8"), (b"DateStyle", b"ISO, MDY")):
        send(_message(b"S", name + b"\0" + value + b"\0"))
    send(_ready)
    refused = False  # after an error everything up to Sync is skipped
    while (kind := client.rfile.read(1)) not in (b"", b"X"):
        body = client.rfile.read(struct.unpack("!i", client.rfile.read(4))[0] - 4)
        if kind == b"S":
            send(_ready)
            refused = False
        elif kind in b"QP" and (sqlstate := _SQLSTATE.search(body)):
            fields = (b"SERROR", b"VERROR", b"C" + sqlstate[1], b"Mrefused", b"")
            send(_message(b"E", b"\0".join(fields) + b"\0") + (_ready if kind == b"Q" else b""))
            refused = kind == b"P"
        elif kind in _answers and not refused:
            send(_answers[kind])


def _start_up(client: StreamRequestHandler) -> int:
    length, code = struct.unpack("!ii", client.rfile.read(8))
    client.rfile.read(length - 8)
    return int(code)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


_ready = _message(b"Z", b"I")
_complete = _message(b"C", b"DO\0")
_answers = {
    b"Q": _complete + _ready,
    b"P": _message(b"1", b""),
    b"B": _message(b"2", b""),
    b"D": _message(b"t", struct.pack("!h", 0)) + _message(b"n", b""),
    b"E": _complete,
}
