"""The variables: which one counts, what is warned of, and that no value is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.transport.settings import OtlpSettings

_SUFFIXES = (
    "PROTOCOL",
    "ENDPOINT",
    "HEADERS",
    "TIMEOUT",
    "CERTIFICATE",
    "CLIENT_KEY",
    "CLIENT_CERTIFICATE",
    "INSECURE",
    "COMPRESSION",
)


def read(**variables: str) -> tuple[OtlpSettings, dict[str, str]]:
    """Read settings from variables without their common prefix; return them and the warnings by variable."""
    warnings: dict[str, str] = {}

    def warn(variable: str, message: str) -> None:
        assert variable not in warnings, "one warning for each variable"
        warnings[variable] = message

    environ = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    return OtlpSettings.from_env(environ, warn), warnings


def test_without_variables_spans_go_to_this_host_over_grpc() -> None:
    assert (OtlpSettings("grpc", "localhost:4317", secure=False, timeout=10.0, compression="none"), {}) == read()


def test_http_has_its_own_default_endpoint() -> None:
    settings, warnings = read(PROTOCOL="http/protobuf")
    assert ("http://localhost:4318/v1/traces", {}) == (settings.endpoint, warnings)


@pytest.mark.parametrize(
    ("suffix", "general", "traces", "field", "expected"),
    [
        pytest.param("PROTOCOL", "grpc", "http/protobuf", "protocol", "http/protobuf", id="protocol"),
        pytest.param("ENDPOINT", "http://a:1", "http://b:2", "endpoint", "b:2", id="endpoint"),
        pytest.param("HEADERS", "a=1", "b=2", "headers", (("b", "2"),), id="headers"),
        pytest.param("TIMEOUT", "5", "7", "timeout", 7.0, id="timeout"),
        pytest.param("CERTIFICATE", "/nowhere", __file__, "certificate", __file__, id="certificate"),
        pytest.param("COMPRESSION", "none", "gzip", "compression", "gzip", id="compression"),
    ],
)
def test_the_traces_variable_wins(suffix: str, general: str, traces: str, field: str, expected: object) -> None:
    settings, warnings = read(**{suffix: general, f"TRACES_{suffix}": traces})
    assert (expected, {}) == (getattr(settings, field), warnings)


def test_an_empty_variable_counts_as_unset() -> None:
    settings, warnings = read(TRACES_TIMEOUT=" ", TIMEOUT="3", PROTOCOL="", ENDPOINT="")
    assert (3.0, {}) == (settings.timeout, warnings)


def test_only_the_general_http_endpoint_gets_the_path_of_traces() -> None:
    assert "http://c/a/v1/traces" == read(PROTOCOL="http/protobuf", ENDPOINT="http://c/a")[0].endpoint
    assert "http://c/a" == read(PROTOCOL="http/protobuf", TRACES_ENDPOINT="http://c/a")[0].endpoint


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        pytest.param("PROTOCOL", "SECRET", "protocol", id="protocol"),
        pytest.param("ENDPOINT", "ftp://SECRET:1", "endpoint", id="scheme"),
        pytest.param("ENDPOINT", "http://SECRET:99999", "endpoint", id="port"),
        pytest.param("TRACES_ENDPOINT", "SECRET SECRET", "endpoint", id="blank"),
        pytest.param("TIMEOUT", "10s", "timeout", id="timeout with a unit"),
        pytest.param("TIMEOUT", "-1", "timeout", id="negative timeout"),
        pytest.param("TIMEOUT", "0", "timeout", id="no time at all"),
        pytest.param("TIMEOUT", "nan", "timeout", id="no number"),
        pytest.param("TIMEOUT", "1e18", "timeout", id="for ever"),
        pytest.param("INSECURE", "SECRET", "secure", id="insecure"),
        pytest.param("COMPRESSION", "deflate", "compression", id="deflate"),
        pytest.param("COMPRESSION", "zstd", "compression", id="zstd"),
        pytest.param("HEADERS", "Bearer SECRET", "headers", id="headers"),
    ],
)
def test_a_bad_value_costs_one_warning_and_the_default_is_taken(variable: str, value: str, field: str) -> None:
    settings, warnings = read(**{variable: value})
    assert getattr(OtlpSettings(), field) == getattr(settings, field)
    assert [f"OTEL_EXPORTER_OTLP_{variable}"] == list(warnings)
    assert "SECRET" not in "".join(warnings.values())
    assert value not in "".join(warnings.values()) or value in ("0", "none", "-1")


def test_another_protocol_over_http_stays_on_http() -> None:
    settings, warnings = read(PROTOCOL="http/json", ENDPOINT="http://c:4318")
    assert ("http/protobuf", "http://c:4318/v1/traces") == (settings.protocol, settings.endpoint)
    expected = "is expected to be one of grpc, http/protobuf; http/protobuf is used"
    assert {"OTEL_EXPORTER_OTLP_PROTOCOL": expected} == warnings


def test_good_headers_survive_a_bad_neighbour() -> None:
    settings, warnings = read(HEADERS="api-key=k,SECRET,x-tenant=t")
    assert (("api-key", "k"), ("x-tenant", "t")) == settings.headers
    assert "item 2 is ignored" in warnings["OTEL_EXPORTER_OTLP_HEADERS"]


def test_a_timeout_that_looks_like_milliseconds_is_kept_with_a_warning() -> None:
    settings, warnings = read(TIMEOUT="10000")
    assert 10000.0 == settings.timeout
    assert "milliseconds" in warnings["OTEL_EXPORTER_OTLP_TIMEOUT"]


def test_a_file_that_cannot_be_read_is_warned_of_and_kept(tmp_path: Path) -> None:
    """Dropping it would mean to verify less than was asked for."""
    missing = str(tmp_path / "missing.pem")
    settings, warnings = read(CERTIFICATE=missing)
    assert missing == settings.certificate
    assert (
        "is expected to name a readable file; nothing is sent until it does"
        == warnings["OTEL_EXPORTER_OTLP_CERTIFICATE"]
    )


def test_a_file_named_from_the_directory_of_the_start_stays_the_same_after_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roots.pem").touch()
    monkeypatch.chdir(tmp_path)
    settings, warnings = read(CERTIFICATE="roots.pem")
    assert (str(tmp_path / "roots.pem"), {}) == (settings.certificate, warnings)


def test_a_client_key_alone_is_ignored_with_a_warning() -> None:
    settings, warnings = read(CLIENT_KEY=__file__)
    assert settings.client_key is None
    assert ["OTEL_EXPORTER_OTLP_CLIENT_KEY"] == list(warnings)


@pytest.mark.scenario("I7")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_credentials_in_the_clear_are_warned_of_unless_they_stay_on_this_host(protocol: str) -> None:
    def warned(endpoint: str) -> bool:
        return bool(read(PROTOCOL=protocol, HEADERS="Authorization=Bearer%20SECRET", ENDPOINT=endpoint)[1])

    assert warned("http://collector:4318")
    assert not warned("https://collector:4318")
    assert not warned("http://localhost:4318")


def test_user_information_in_a_url_becomes_a_header_and_is_never_shown() -> None:
    settings, _ = read(PROTOCOL="http/protobuf", ENDPOINT="https://user:SECRET@collector")
    assert ("authorization", "Basic dXNlcjpTRUNSRVQ=") in settings.headers
    assert "SECRET" not in repr(settings)
    assert "dXNlcjp" not in repr(settings)


def test_repr_shows_the_names_of_headers_only() -> None:
    shown = repr(OtlpSettings(headers=(("authorization", "Bearer SECRET"),)))
    assert "('authorization', '***')" in shown
    assert "SECRET" not in shown


@pytest.mark.scenario("I1")
@given(st.dictionaries(st.sampled_from(_SUFFIXES), st.text().map(lambda text: text + "SECRET"), min_size=1))
def test_junk_never_raises_and_never_reaches_a_warning(variables: dict[str, str]) -> None:
    _, warnings = read(**variables)
    assert "SECRET" not in "".join(warnings.values())
