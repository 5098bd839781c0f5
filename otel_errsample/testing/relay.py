"""A TCP relay in front of a server, to break connections where a server itself cannot."""

from __future__ import annotations

import socket
import struct
import threading

_DRIP_INTERVAL = 0.05


class Relay:
    """Forwards connections to a port of this host, and misbehaves on request.

    `mode` counts for what the server sends: "pass" forwards it, "swallow" takes it and delivers nothing (a half-open
    connection, a firewall that forgot), "drip" forwards one byte every 50 ms. `sent_bytes` is what clients sent so far.
    """

    def __init__(self, upstream_port: int) -> None:
        self.mode = "pass"
        self.sent_bytes = 0
        self._upstream_port = upstream_port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def reset(self) -> None:
        """Break the connections there are with a TCP RST towards the client."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            try:
                # Linger on with time 0: close() sends RST instead of FIN (socket(7)).
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                continue
            # Wakes the thread that reads; only the last close, which is its, sends anything.
            _shut(client, socket.SHUT_RD)
            _shut(server, socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing.set()
        _shut(self._listener, socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream_port))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            down = threading.Thread(target=self._downwards, args=(server, client), daemon=True)
            down.start()
            threading.Thread(target=self._upwards, args=(client, server, down), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket, down: threading.Thread) -> None:
        try:
            while data := client.recv(65536):
                with self._lock:
                    self.sent_bytes += len(data)
                server.sendall(data)
        except OSError:
            pass
        _shut(server, socket.SHUT_RDWR)
        down.join()
        server.close()
        client.close()

    def _downwards(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                if self.mode == "pass":
                    client.sendall(data)
                elif self.mode == "drip":
                    for byte in data:
                        client.sendall(bytes((byte,)))
                        if self._closing.wait(_DRIP_INTERVAL):
                            return
        except OSError:
            pass
        _shut(client, socket.SHUT_RD)


def _shut(sock: socket.socket, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        pass
