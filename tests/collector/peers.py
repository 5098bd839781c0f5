"""Receivers that others wrote, in processes of their own: the OpenTelemetry Collector, and rotel."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from otel_errsample.testing.store import unpack
from tests.waiting import eventually
from tools.collector import binary

WRITES_ALL: Final[Mapping[str, Any]] = {"traces": {"receivers": ["otlp"], "exporters": ["file/spans"]}}
STARTS_IN: Final = 60.0
ANSWERS_IN: Final = 60.0
ENDS_IN: Final = 60.0


def free_port() -> int:
    """A port for a server that has to be told one, and that comes back to it after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Peer(ABC):
    """A receiver's process; it may be started again on the same ports.

    Its own log says when it is ready: `ready` is the text that it prints then.
    """

    ready: str

    def __init__(self) -> None:
        self.ports = {"grpc": free_port(), "http/protobuf": free_port()}
        self.process: subprocess.Popen[str] | None = None
        self.log: list[str] = []

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def payloads(self) -> list[bytes]:
        """What it received, as it wrote it or passed it on."""

    @abstractmethod
    def has(self, spans: int) -> bool:
        """Whether it wrote or passed on so many spans; waits, since it may do that after its answer."""

    def environ(self, protocol: str = "grpc", compression: str = "none") -> dict[str, str]:
        """The variables that lead an exporter here."""
        return {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.ports[protocol]}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        }

    def start(self) -> None:
        """Return when it receives; an AssertionError has its log where it does not come up."""
        process = self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        is_ready = threading.Event()
        threading.Thread(target=self._read, args=(process, is_ready), daemon=True).start()
        assert is_ready.wait(STARTS_IN), "".join(self.log)
        assert process.poll() is None, "".join(self.log)

    def _read(self, process: subprocess.Popen[str], is_ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.log.append(line)
                if self.ready in line:
                    is_ready.set()
        is_ready.set()  # it has ended: there is nothing to wait for

    def terminate(self) -> None:
        """Let it finish what it has (SIGTERM)."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(ENDS_IN)

    def kill(self) -> None:
        """End it between two instructions (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(ENDS_IN)

    @contextmanager
    def running(self) -> Iterator[Peer]:
        self.start()
        try:
            yield self
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()


class Collector(Peer):
    """The Collector with an OTLP receiver, which writes what its pipelines give to file exporters.

    `sections` are further parts of its configuration by name (processors, connectors), and `pipelines` its pipelines;
    without any, all that comes in is written as it came. `receiver` are settings of its protocols. An exporter `file/NAME` writes what `payloads(NAME)` reads. It
    answers after it wrote: where no batch processor is between, what is acknowledged is in the file, also when the
    Collector is killed.
    """

    ready = "Everything is ready."

    def __init__(
        self,
        folder: Path,
        sections: Mapping[str, Any] = MappingProxyType({}),
        pipelines: Mapping[str, Any] = WRITES_ALL,
        arguments: tuple[str, ...] = (),
        receiver: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._folder = folder
        self._receiver = receiver
        self._sections = sections
        self._pipelines = pipelines
        self._arguments = arguments
        self._runs = 0

    def command(self) -> list[str]:
        self._runs += 1
        self._folder.mkdir(exist_ok=True)
        config = self._folder / "collector.yaml"
        config.write_text(json.dumps(self._document(), indent=2), encoding="utf-8")  # YAML has all of JSON
        return [str(binary()), "--config", str(config), *self._arguments]

    def _document(self) -> dict[str, Any]:
        protocols: dict[str, Any] = {}
        for name, port in self.ports.items():
            protocol = name.partition("/")[0]
            protocols[protocol] = {"endpoint": f"127.0.0.1:{port}", **self._receiver.get(protocol, {})}
        used = {name for pipeline in self._pipelines.values() for name in pipeline["exporters"]}
        files = {name: self._file_exporter(name) for name in used if name.startswith("file/")}
        return {
            **self._sections,
            "receivers": {"otlp": {"protocols": protocols}},
            "exporters": {**self._sections.get("exporters", {}), **files},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": self._pipelines},
        }

    def _file_exporter(self, name: str) -> dict[str, Any]:
        """One that writes at once: without rotation it would write through a buffer that dies with the process."""
        return {"path": str(self._file(name, self._runs)), "format": "proto", "rotation": {"max_megabytes": 4096}}

    def _file(self, name: str, run: int) -> Path:
        """Each run has a file of its own: what it was writing when it was killed may not be whole."""
        return self._folder / f"{name.partition('/')[2]}-{run}.binpb"

    def has(self, spans: int) -> bool:
        return eventually(lambda: sum(len(list(unpack(payload))) for payload in self.payloads()) >= spans, ANSWERS_IN)

    def payloads(self, name: str = "spans") -> list[bytes]:
        files = [self._file(f"file/{name}", run) for run in range(1, self._runs + 1)]
        return [message for path in files if path.exists() for message in messages(path.read_bytes())]


def messages(data: bytes) -> list[bytes]:
    """What a file exporter wrote with `format: proto`: each message after its length in four bytes, big-endian."""
    found, position = [], 0
    while position + 4 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        position += 4
        if position + length <= len(data):  # else it was killed while it wrote, before it answered
            found.append(data[position : position + length])
        position += length
    return found


class Rotel(Peer):
    """rotel, which passes on to a receiver in this process what it received."""

    ready = "Starting Rotel"

    def __init__(self, folder: Path, *arguments: str) -> None:
        super().__init__()
        self._folder = folder
        self._arguments = arguments
        self._payloads: list[bytes] = []
        self._behind = Receiver("grpc", self._take)

    def _take(self, payload: bytes) -> Reply:
        self._payloads.append(payload)
        return Reply()

    def payloads(self) -> list[bytes]:
        return list(self._payloads)

    def command(self) -> list[str]:
        spec = find_spec("rotel")
        assert spec is not None
        assert spec.origin is not None
        return [
            str(Path(spec.origin).with_name("rotel-agent")), "start", "--pid-file", str(self._folder / "rotel.pid"),
            "--otlp-grpc-endpoint", f"127.0.0.1:{self.ports['grpc']}",
            "--otlp-http-endpoint", f"127.0.0.1:{self.ports['http/protobuf']}",
            "--disable-batching", "--exporter", "otlp", "--otlp-exporter-protocol", "grpc",
            "--otlp-exporter-endpoint", self._behind.url, *self._arguments,
        ]  # fmt: skip

    def has(self, spans: int) -> bool:
        return self._behind.wait_for(spans, ANSWERS_IN)

    @contextmanager
    def running(self) -> Iterator[Peer]:
        with self._behind, super().running():
            yield self
