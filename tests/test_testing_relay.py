"""A relay forwards, drips, swallows and resets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from otel_errsample.testing.relay import Relay
from tests.ports import refusing


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(echo: int) -> Iterator[Relay]:
    relay = Relay(echo)
    yield relay
    relay.close()


@pytest.fixture
def client(relay: Relay) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5.0) as connection:
        yield connection


def test_it_forwards_both_ways(client: socket.socket) -> None:
    client.sendall(b"hello")
    assert b"hello" == client.recv(100)


def test_it_counts_what_clients_send(relay: Relay, client: socket.socket) -> None:
    client.sendall(b"hello")
    client.recv(100)
    assert 5 == relay.sent_bytes


def test_it_drips(relay: Relay, client: socket.socket) -> None:
    relay.mode = "drip"
    client.sendall(b"abc")
    assert [b"a", b"b", b"c"] == [client.recv(100) for _ in range(3)]


def test_it_swallows_what_the_server_says(relay: Relay, client: socket.socket) -> None:
    relay.mode = "swallow"
    client.sendall(b"hello")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(100)


def test_it_resets(relay: Relay, client: socket.socket) -> None:
    client.sendall(b"hello")
    assert b"hello" == client.recv(100)
    relay.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_a_server_that_leaves_is_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", relay.port), timeout=5.0) as client:
            listener.accept()[0].close()
            assert b"" == client.recv(100)
        relay.close()


def test_without_a_server_connections_end(echo: int) -> None:
    with refusing() as port:
        relay = Relay(port)
        with socket.create_connection(("127.0.0.1", relay.port), timeout=5.0) as client:
            assert b"" == client.recv(100)
        relay.close()
