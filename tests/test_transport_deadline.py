"""A watch ends every wait of an exchange: at its deadline, or when another thread says so."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from otel_errsample.transport import deadline
from otel_errsample.transport.deadline import Aborted, TimedSocket, Watch, connect


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that does not answer connection attempts: its backlog is full, and nobody accepts."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        yield full.getsockname()


def connected(listener: socket.socket, watch: Watch) -> tuple[TimedSocket, socket.socket]:
    sock = connect("127.0.0.1", listener.getsockname()[1], None, watch)
    return sock, listener.accept()[0]


def aborted_within(seconds: float, watch: Watch, wait: Callable[[], object]) -> bool:
    """Abort from another thread while this one waits; say whether the wait ended soon with an error."""
    begun = time.monotonic()
    threading.Timer(0.1, watch.abort).start()
    with pytest.raises((Aborted, OSError)):
        wait()
        watch.left()
    return time.monotonic() - begun < seconds


def test_a_watch_counts_down_and_ends() -> None:
    assert 9.0 < Watch(10.0).left() <= 10.0
    with pytest.raises(TimeoutError):
        Watch(0.0).left()


def test_an_aborted_watch_gives_no_time_and_takes_no_socket() -> None:
    watch = Watch(10.0)
    watch.abort()
    with pytest.raises(Aborted):
        watch.left()
    with TimedSocket() as sock, pytest.raises(Aborted):
        watch.guard(sock)


def test_drops_of_data_do_not_extend_a_read(listener: socket.socket) -> None:
    watch = Watch(0.4)
    sock, peer = connected(listener, watch)
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            peer.sendall(b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    begun = time.monotonic()
    try:
        with sock, sock.makefile("rb") as reader, pytest.raises(TimeoutError):
            reader.read(10_000)
        assert time.monotonic() - begun < 2.0
    finally:
        stop.set()
        thread.join()
        peer.close()


def test_a_peer_that_does_not_read_does_not_extend_a_write(listener: socket.socket) -> None:
    sock, peer = connected(listener, Watch(0.3))
    begun = time.monotonic()
    with sock, peer, pytest.raises(TimeoutError):
        sock.sendall(bytes(64 * 1024 * 1024))
    assert time.monotonic() - begun < 2.0


def test_a_watch_knows_whether_anything_was_sent(listener: socket.socket) -> None:
    watch = Watch(5.0)
    sock, peer = connected(listener, watch)
    with sock, peer:
        assert not watch.begun
        sock.sendall(b"request")
        assert watch.begun
        assert b"request" == peer.recv(100)


def test_abort_ends_a_read(listener: socket.socket) -> None:
    watch = Watch(30.0)
    sock, peer = connected(listener, watch)
    with sock, peer:
        assert aborted_within(5.0, watch, lambda: sock.recv_into(bytearray(10)))


def test_abort_ends_a_write(listener: socket.socket) -> None:
    watch = Watch(30.0)
    sock, peer = connected(listener, watch)
    with sock, peer:
        assert aborted_within(5.0, watch, lambda: sock.sendall(bytes(64 * 1024 * 1024)))


def test_abort_ends_a_connection_attempt(silent: tuple[str, int]) -> None:
    watch = Watch(30.0)
    assert aborted_within(5.0, watch, lambda: connect(*silent, None, watch))


def test_a_connection_attempt_ends_with_the_deadline(silent: tuple[str, int]) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        connect(*silent, None, Watch(0.2))
    assert time.monotonic() - begun < 2.0


def test_a_lookup_that_hangs_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(30))
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        connect("collector.example", 4318, None, Watch(0.2))
    assert time.monotonic() - begun < 2.0
    release.set()


def test_abort_ends_a_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(30))
    watch = Watch(30.0)
    assert aborted_within(5.0, watch, lambda: connect("collector.example", 4318, None, watch))
    release.set()


@pytest.mark.parametrize("error", [socket.gaierror("no such name"), UnicodeError("label too long")])
def test_a_failed_lookup_is_a_name_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        connect("collector.example", 4318, None, Watch(5.0))


def test_without_threads_a_name_is_looked_up_in_line(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> None:
    """The interpreter refuses new threads while it ends, when the last spans are drained."""

    def refuse(function: Callable[[], None]) -> int:
        raise RuntimeError("can't start new thread")

    port = listener.getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    monkeypatch.setattr(deadline, "start_os_thread", refuse)
    connect("collector.example", port, None, Watch(5.0)).close()


def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, silent: tuple[str, int]
) -> None:
    """As with a dead IPv6 route in front of a working IPv4 one: the silent address gets only its share of the time."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (silent, listener.getsockname())]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with connect("localhost", 1, None, Watch(1.0)) as sock:
        assert listener.getsockname() == sock.getpeername()


def test_an_idle_connection_is_quiet_until_the_peer_speaks_or_leaves(listener: socket.socket) -> None:
    sock, peer = connected(listener, Watch(5.0))
    with sock, peer:
        assert sock.quiet()
        peer.sendall(b"!")
        sock.settimeout(5.0)
        socket.socket.recv(sock, 1, socket.MSG_PEEK)
        assert not sock.quiet()


def test_abandoning_a_socket_closes_the_descriptor_without_a_word_to_the_peer(listener: socket.socket) -> None:
    sock, peer = connected(listener, Watch(5.0))
    with peer, socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as parents:
        sock.abandon()
        assert -1 == sock.fileno()
        parents.sendall(b"still open")
        assert b"still open" == peer.recv(100)
    sock.abandon()


def test_a_socket_class_that_is_put_in_the_place_of_the_systems_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    """As gevent and eventlet do it, also after the connection was made."""
    sock, peer = connected(listener, Watch(5.0))
    with sock, peer:
        monkeypatch.setattr(socket, "socket", type("Green", (), {}))
        assert sock.quiet()
        sock.cut()
        assert not sock.quiet()
        assert b"" == peer.recv(1)
