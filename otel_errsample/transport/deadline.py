"""A deadline that holds for a whole HTTP exchange, and a switch that ends it from another thread.

A socket's own timeout starts afresh with each call, so a server that sends one byte per second is never too late
(44 s were measured for a timeout of 5). Here each call on the socket is given only the time that is left.

The sockets are the system's and TLS is spoken between two buffers, whatever gevent and eventlet make of `socket` and
`ssl`, before or after this is imported: the worker that waits here is a real thread. A class made of the SSLSocket of
before does not work any more once another has taken its place.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from otel_errsample.greenlets import original, os_lock, start_os_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket as Socket  # noqa: N812  a class
else:
    Socket = original("socket", "socket", "socket") or socket.socket

_Done = TypeVar("_Done")

# A record of TLS has at most 16 KiB; some at once cost fewer system calls.
_TLS_PIECE: Final = 1 << 16


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
        self._wake = os_lock()  # held until there is something to wake for
        self._wake.acquire()
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
            self._stop_waiting()

        try:
            start_os_thread(run)
        except RuntimeError:  # no new thread while the interpreter ends
            run()
            return
        self._wake.acquire(timeout=self.left())
        self.left()

    def abort(self) -> None:
        self.aborted = True
        self._stop_waiting()
        if self.sock is not None:
            self.sock.cut()

    def _stop_waiting(self) -> None:
        with suppress(RuntimeError):  # somebody did
            self._wake.release()


class TimedSocket(Socket):
    """A TCP socket whose reads and writes end with its watch."""

    watch: Watch

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.watch.left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, data: Any, flags: int = 0) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            self.settimeout(self.watch.left())
            rest = rest[Socket.send(self, rest) :]
            self.watch.begun = True

    def cut(self) -> None:
        """Wake a thread that waits on this socket; for TLS too no more than the TCP connection ends."""
        with suppress(OSError):
            Socket.shutdown(self, socket.SHUT_RDWR)

    def quiet(self) -> bool:
        """Say whether an idle connection is still open and has nothing to say; if not, it is of no further use."""
        self.settimeout(0)
        try:
            Socket.recv(self, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def abandon(self) -> None:
        """Close the descriptor in a forked child; neither TCP nor TLS tells the peer, the parent's copy stays open."""
        with suppress(OSError):
            os.close(self.detach())


class TimedTlsSocket(TimedSocket):
    """The same over TLS, once `shake_hands` has returned."""

    _tls: ssl.SSLObject

    def shake_hands(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS and verify the server as the context says; raises SSLError, another OSError, or Aborted."""
        self._heard, self._said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._shaken = False
        self._tls = context.wrap_bio(self._heard, self._said, server_hostname=host)
        self._speak(self._tls.do_handshake)
        self._shaken = True

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        room = memoryview(buffer).cast("B")
        try:
            # Into a buffer it returns their number, of which the stubs do not know.
            return cast("int", self._speak(lambda: self._tls.read(len(room), room)))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0  # an end without a good-bye, too: a body that is cut short is known by its length

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part of the data, at least a byte; returns how much."""
        return self._speak(lambda: self._tls.write(data[:_TLS_PIECE]))

    def sendall(self, data: Any, flags: int = 0) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.send(rest) :]

    def quiet(self) -> bool:
        return not self._heard.pending and super().quiet()

    def _speak(self, step: Callable[[], _Done]) -> _Done:
        """Take a step of TLS, with what has to be said and heard on the way."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._say()
                self._hear()
                continue
            except ssl.SSLError:
                with suppress(OSError):
                    self._say()  # why, in an alert
                raise
            self._say()
            return done

    def _say(self) -> None:
        rest = memoryview(self._said.read())
        while rest:
            self.settimeout(self.watch.left())
            rest = rest[Socket.send(self, rest) :]
            self.watch.begun |= self._shaken

    def _hear(self) -> None:
        self.settimeout(self.watch.left())
        if data := Socket.recv(self, _TLS_PIECE):
            self._heard.write(data)
        else:
            self._heard.write_eof()


def connect(host: str, port: int, tls: ssl.SSLContext | None, watch: Watch) -> TimedSocket:
    """Open a connection, trying each address in turn; raises OSError, `ssl.SSLError` included, or Aborted.

    A silent address gets only its share of the time, so that the next one (IPv4 behind a dead IPv6) gets a chance.
    """
    failure: OSError = socket.gaierror("no address")
    addresses = _resolve(host, port, watch)
    for position, (family, kind, proto, _, address) in enumerate(addresses):
        sock = (TimedSocket if tls is None else TimedTlsSocket)(family, kind, proto)
        try:
            watch.guard(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(watch.left() / (len(addresses) - position))
            sock.connect(address)
            if tls is not None and isinstance(sock, TimedTlsSocket):
                sock.shake_hands(tls, host)
            return sock
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


def _resolve(host: str, port: int, watch: Watch) -> Sequence[tuple[Any, ...]]:
    """Look a name up within the deadline, which getaddrinfo itself knows nothing of (30 s with a dead name server)."""
    found: list[Sequence[tuple[Any, ...]] | OSError] = []
    ask: Callable[..., Sequence[tuple[Any, ...]]] = original("socket", "socket", "getaddrinfo") or socket.getaddrinfo

    def look_up() -> None:
        try:
            found.append(ask(host, port, type=socket.SOCK_STREAM))
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
