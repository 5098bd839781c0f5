"""plugins/otlp_section.py: otlp_grpc and otlp_http of a declarative file, as settings of the transport."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from otel_errsample.plugins.otlp_section import settings_of
from otel_errsample.transport.settings import OtlpSettings


@dataclass
class Pair:
    name: str
    value: str | None


@dataclass
class Section:
    """As the SDK makes it of the file."""

    endpoint: str | None = None
    tls: Any = None
    headers: list[Pair] | None = None
    headers_list: str | None = None
    compression: str | None = None
    timeout: int | None = None


def test_a_whole_section(tmp_path: Path) -> None:
    for name in ("ca", "key", "cert"):
        (tmp_path / name).touch()
    section = {
        "endpoint": "https://collector:4317",
        "tls": {
            "ca_file": str(tmp_path / "ca"),
            "key_file": str(tmp_path / "key"),
            "cert_file": str(tmp_path / "cert"),
        },
        "headers_list": "team=7,tenant=a%20b",
        "headers": [{"name": "api-key", "value": "s,e=cret "}, {"name": "empty", "value": None}],
        "compression": "gzip",
        "timeout": 2500,
    }
    expected = OtlpSettings(
        "grpc",
        "collector:4317",
        secure=True,
        headers=(("team", "7"), ("tenant", "a b"), ("api-key", "s,e=cret "), ("empty", "")),
        timeout=2.5,
        certificate=str(tmp_path / "ca"),
        client_key=str(tmp_path / "key"),
        client_certificate=str(tmp_path / "cert"),
        compression="gzip",
    )
    assert expected == settings_of("otlp_grpc", section, "here")


def test_what_the_sdk_made_of_a_section_reads_the_same() -> None:
    section = Section(endpoint="http://localhost:9/x", headers=[Pair("a", "b")], timeout=1000)
    assert OtlpSettings(
        "http/protobuf", "http://localhost:9/x", headers=(("a", "b"),), timeout=1.0
    ) == settings_of("otlp_http", section, "here")  # fmt: skip


def test_what_is_left_out_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    assert OtlpSettings("grpc", "elsewhere:4317") == settings_of("otlp_grpc", None, "here")


def test_insecure_says_how_an_endpoint_without_scheme_is_meant() -> None:
    for insecure in (True, False):
        section = {"endpoint": "collector:4317", "tls": {"insecure": insecure}}
        assert (not insecure) is settings_of("otlp_grpc", section, "here").secure


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"compression": "deflate"}, "here.otlp_http.compression: is expected to be one of gzip, none; none is used"),
        ({"endpoint": "ftp://x"}, "here.otlp_http.endpoint: "),
        ({"tls": {"ca_file": "/no/such/file"}}, "here.otlp_http.tls.ca_file: is expected to name a readable file"),
        ({"timeout": -1}, "here.otlp_http.timeout: is expected to be a number of seconds"),
    ],
    ids=str,
)
def test_a_bad_value_is_said_with_its_place_in_the_file(
    section: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings_of("otlp_http", section, "here")
    (line,) = caplog.messages
    assert line.startswith(said)
