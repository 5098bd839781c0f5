"""Files of every version that was ever released are sent by this one, and those of a later one harm nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from otel_errsample._hot import Remains
from otel_errsample.spool.directory import BAD
from tests.model import remains
from tests.spools import a_ring
from tests.test_spool import Process, files

# Made by that version: four errors of a service, "pay" twice, and one that was acknowledged before. Never made anew:
# what changes the layout gets another number, and a file of its own here.
GOLDEN = sorted((Path(__file__).parent / "data").glob("spool_version_*.bin"))
VERSION_AT = 8

pytestmark = [
    pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs file locks"),
    pytest.mark.skipif(sys.byteorder != "little", reason="a file is read by machines like the one that wrote it"),
]


def version_of(image: bytes) -> int:
    return int.from_bytes(image[VERSION_AT : VERSION_AT + 4], "little")


def left_behind(directory: Path, image: bytes) -> Process:
    """A process that finds the file in its directory, while its spans are young."""
    directory.mkdir(mode=0o700)
    path = directory / "1-golden.spool"
    path.write_bytes(image)
    path.chmod(0o600)
    created = float(int.from_bytes(image[40:48], "little"))
    process = Process(directory, wall=lambda: created)
    process.spool.open()
    return process


def said(attributes: list[KeyValue], key: str) -> object:
    (value,) = (item.value for item in attributes if item.key == key)
    return getattr(value, value.WhichOneof("value") or "")


def test_the_present_version_has_a_file_here(tmp_path: Path) -> None:
    a_ring(tmp_path / "a.spool").close()
    assert [number + 1 for number in range(len(GOLDEN))] == [version_of(path.read_bytes()) for path in GOLDEN]
    assert len(GOLDEN) == version_of((tmp_path / "a.spool").read_bytes()) == remains.VERSION


@pytest.mark.scenario("J3")
@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_the_errors_in_a_file_of_any_version_are_sent(tmp_path: Path, golden: Path) -> None:
    process = left_behind(tmp_path / "spool", golden.read_bytes())
    process.looks()
    request = ExportTraceServiceRequest.FromString(process.sends())
    (resource,) = request.resource_spans
    assert "1.4.2" == said(list(resource.resource.attributes), "service.version")
    (scope,) = resource.scope_spans
    assert ("shop.pay", "2.0") == (scope.scope.name, scope.scope.version)
    assert ["pay", "pay", "refund", "ship"] == sorted(span.name for span in scope.spans)
    for span in scope.spans:
        assert said(list(span.attributes), "errsample.recovered") is True
        assert 7 == said(list(span.attributes), "order")
        (event,) = span.events
        assert said(list(event.attributes), "exception.type") == ("KeyError" if span.name == "ship" else "ValueError")
    process.looks(1.0)
    assert 1 == len(files(tmp_path / "spool")), "our own"


@pytest.mark.scenario("J3")
def test_a_file_of_a_later_version_is_set_aside_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = bytearray(GOLDEN[-1].read_bytes())
    image[VERSION_AT] += 1
    later = bytes(image)
    with pytest.raises(ValueError, match=f"it has version {len(GOLDEN) + 1}, and this is version {len(GOLDEN)}"):
        Remains(later)
    process = left_behind(tmp_path / "spool", later)
    process.looks()
    assert b"" == process.sends()
    assert f"it has version {len(GOLDEN) + 1}, and this is version {len(GOLDEN)}" in caplog.text
    (aside,) = [path for path in files(tmp_path / "spool") if path.name.endswith(BAD)]
    assert later == aside.read_bytes(), "for whoever knows it"
    process.fails(b"ours")
    assert b"ours" in process.sends()
    count = process.spool.count()
    assert ("ok", 1, 0) == (count.state, count.damaged, count.waiting)
