"""A deadline that holds for a whole HTTP exchange, and a switch that ends it from another thread.

A socket's own timeout starts afresh with each call, so a server that sends one byte per second is never too late
(44 s were measured for a timeout of 5). Here each call on the socket is given only the time that is left.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Aborted(Exception):
    """The send was ended by `Watch.abort`."""


class Watch:
    """The time left for one send, and the switch that ends it.

    Every wait of a send goes through its watch, on the sending thread. `abort` may be called by any thread; it sets the
    flag before it looks for the socket, and the sending thread stores a socket before it looks at the flag, so one of
    the two always sees the other without a lock (a lock held in a fork would stay locked in the child).
    """

    __slots__ = ("_until", "_wake", "aborted", "begun", "sock")

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self._wake = threading.Event()
        self.aborted = False
        self.begun = False  # a byte of the request has left
        self.sock: TimedSocket | None = None

    def left(self) -> float:
        """Return the seconds left; raises Aborted or TimeoutError when there are none."""
        if self.aborted:
            raise Aborted
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline exceeded")
        return left

    def guard(self, sock: TimedSocket) -> None:
        """Put a socket under this watch."""
        sock.watch = self
        self.sock = sock
        self.left()

    def run(self, work: Callable[[], None]) -> None:
        """Run, for as long as there is time, a function that cannot be interrupted; what it is late with is lost."""

        def run() -> None:
            work()
            self._wake.set()

        try:
            threading.Thread(target=run, name="errsample-resolve", daemon=True).start()
        except RuntimeError:  # no new thread while the interpreter ends
            run()
            return
        self._wake.wait(self.left())
        self.left()

    def abort(self) -> None:
        self.aborted = True
        self._wake.set()
        if self.sock is not None:
            self.sock.cut()


class TimedSocket(socket.socket):
    """A TCP socket whose reads and writes end with its watch."""

    watch: Watch

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.watch.left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, data: Any, flags: int = 0) -> None:
        # The ssl module's sendall gives each of its partial writes the whole timeout again.
        rest = memoryview(data).cast("B")
        while rest:
            self.settimeout(self.watch.left())
            rest = rest[self.send(rest) :]
            self.watch.begun = True

    def cut(self) -> None:
        """Wake a thread that waits on this socket; for TLS too no more than the TCP connection ends."""
        try:
            socket.socket.shutdown(self, socket.SHUT_RDWR)
        except OSError:
            pass

    def quiet(self) -> bool:
        """Say whether an idle connection is still open and has nothing to say; if not, it is of no further use."""
        self.settimeout(0)
        try:
            socket.socket.recv(self, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def abandon(self) -> None:
        """Close the descriptor in a forked child; neither TCP nor TLS tells the peer, the parent's copy stays open."""
        try:
            os.close(self.detach())
        except OSError:
            pass


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """The same over TLS; made by an `SSLContext` whose `sslsocket_class` it is."""


def connect(host: str, port: int, tls: ssl.SSLContext | None, watch: Watch) -> TimedSocket:
    """Open a connection, trying each address in turn; raises OSError, `ssl.SSLError` included, or Aborted.

    A silent address gets only its share of the time, so that the next one (IPv4 behind a dead IPv6) gets a chance.
    """
    failure: OSError = socket.gaierror("no address")
    addresses = _resolve(host, port, watch)
    for position, (family, kind, proto, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, proto)
        try:
            watch.guard(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(watch.left() / (len(addresses) - position))
            sock.connect(address)
            return sock if tls is None else _speak_tls(sock, host, tls, watch)
        except OSError as error:
            sock.close()
            failure = error
            watch.left()
        except BaseException:
            sock.close()
            raise
    try:
        raise failure
    finally:
        # The traceback of `failure` holds this frame, and the frame the request: a cycle would keep its bytes until the
        # garbage collector comes.
        del failure


def _speak_tls(sock: TimedSocket, host: str, tls: ssl.SSLContext, watch: Watch) -> TimedSocket:
    tls.sslsocket_class = TimedTlsSocket
    secure = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    assert isinstance(secure, TimedTlsSocket)
    try:
        watch.guard(secure)
        # One deadline for the whole handshake: _ssl computes it once from the timeout.
        secure.settimeout(watch.left())
        secure.do_handshake()
    except BaseException:
        secure.close()
        raise
    return secure


def _resolve(host: str, port: int, watch: Watch) -> Sequence[tuple[Any, ...]]:
    """Look a name up within the deadline, which getaddrinfo itself knows nothing of (30 s with a dead name server)."""
    found: list[Sequence[tuple[Any, ...]] | OSError] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else socket.gaierror("name is not valid"))

    if host == "localhost" or _is_literal(host):
        look_up()
    else:
        watch.run(look_up)
    answer = found.pop()
    if isinstance(answer, OSError):
        try:
            raise answer
        finally:
            del answer  # as in `connect`
    return answer


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
