"""Values of OTLP variables: what is understood, what is refused, and that no error repeats a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.transport import parse


@pytest.mark.parametrize(
    ("text", "found", "unusable"),
    [
        pytest.param("", {}, [], id="empty"),
        pytest.param("a=1,b=2", {"a": "1", "b": "2"}, [], id="two"),
        pytest.param(" a = 1 , , b=2,", {"a": "1", "b": "2"}, [], id="blanks and empty items"),
        pytest.param("Authorization=Bearer%20x", {"authorization": "Bearer x"}, [], id="percent-encoded, lower case"),
        pytest.param("a=b=c==", {"a": "b=c=="}, [], id="equals sign in the value"),
        pytest.param("a=1,a=2", {"a": "2"}, [], id="the last of a key wins"),
        pytest.param("a=", {"a": ""}, [], id="empty value"),
        pytest.param("secret,a=1", {"a": "1"}, [1], id="no equals sign"),
        pytest.param("a=1,=secret", {"a": "1"}, [2], id="no key"),
        pytest.param("a=x%0d%0aevil:%201", {}, [1], id="line break"),
        pytest.param("a%0a=1", {}, [1], id="line break in the key"),
        pytest.param("a=%00", {}, [1], id="NUL"),
        pytest.param("a=%C3%A9", {}, [1], id="not ASCII"),
        pytest.param("content-length=5,Transfer-Encoding=chunked", {}, [1, 2], id="framing headers"),
    ],
)
def test_a_header_list_is_read_item_by_item(text: str, found: dict[str, str], unusable: list[int]) -> None:
    assert (found, unusable) == parse.headers(text, grpc=False)


@pytest.mark.parametrize("key", ["a!b", "grpc-timeout", "trace-bin", ":path"])
def test_grpc_takes_fewer_keys(key: str) -> None:
    assert ({}, [1]) == parse.headers(f"{key}=1", grpc=True)


@pytest.mark.parametrize(
    ("text", "insecure", "target", "secure"),
    [
        pytest.param("collector:4317", False, "collector:4317", True, id="no scheme: TLS"),
        pytest.param("collector:4317", True, "collector:4317", False, id="no scheme and INSECURE"),
        pytest.param("http://collector:4317", False, "collector:4317", False, id="http"),
        pytest.param("https://collector:4317", True, "collector:4317", True, id="https whatever INSECURE says"),
        pytest.param("collector", True, "collector:4317", False, id="default port"),
        pytest.param("http://collector/", True, "collector:4317", False, id="default port of http"),
        pytest.param("https://collector/", True, "collector:443", True, id="default port of https"),
        pytest.param("http://[::1]:4317", False, "[::1]:4317", False, id="IPv6"),
        pytest.param("http://user:secret@collector:1", False, "collector:1", False, id="user information is taken off"),
        pytest.param("unix:///run/otel.sock", True, "unix:///run/otel.sock", False, id="unix socket"),
        pytest.param("dns:///collector:4317", False, "dns:///collector:4317", True, id="resolver scheme"),
    ],
)
def test_a_grpc_endpoint_becomes_a_target(text: str, insecure: bool, target: str, secure: bool) -> None:
    address = parse.grpc_address(text, insecure)
    assert (target, secure) == (address.target, address.secure)


@pytest.mark.parametrize(
    ("text", "base", "url"),
    [
        pytest.param("http://c:4318", True, "http://c:4318/v1/traces", id="base"),
        pytest.param("http://c:4318/", True, "http://c:4318/v1/traces", id="base with a slash"),
        pytest.param("http://c:4318/otlp", True, "http://c:4318/otlp/v1/traces", id="base with a path"),
        pytest.param("http://c/otlp?a=b", True, "http://c/otlp/v1/traces?a=b", id="base with a query"),
        pytest.param("http://c:4318/otlp", False, "http://c:4318/otlp", id="traces endpoint as it is"),
        pytest.param("https://c", False, "https://c/", id="traces endpoint without a path"),
        pytest.param("https://u:secret@c/x", False, "https://c/x", id="user information is taken off"),
        pytest.param("http://[::1]:4318/x", False, "http://[::1]:4318/x", id="IPv6"),
    ],
)
def test_an_http_endpoint_becomes_a_url(text: str, base: bool, url: str) -> None:
    assert url == parse.http_address(text, base).target


@pytest.mark.parametrize("text", ["localhost:4318", "collector", "127.0.0.1:4318/v1/traces", "ftp://c"])
def test_an_http_endpoint_without_its_scheme_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is expected to be a URL with the scheme http or https$"):
        parse.http_address(text, base=True)


def test_user_information_becomes_a_basic_authorization() -> None:
    assert "Basic dTpwQHc=" == parse.http_address("http://u:p%40w@c/", base=True).authorization


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_hosts_are_known(host: str) -> None:
    assert parse.http_address(f"http://{host}:4318", base=True).loopback
    assert parse.grpc_address(f"{host}:4317", insecure=True).loopback


@pytest.mark.parametrize(
    "text", ["http://", "http://h:0", "http://h:70000", "http://h:x", "http://h h", "http://[::1", "h"]
)
def test_a_bad_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is expected to"):
        parse.http_address(text, base=True)


@pytest.mark.parametrize("text", ["ftp://h:1", "h:port", "h:99999", "::1", "", "h\u00e9:1", "a b:1"])
def test_a_bad_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is expected to"):
        parse.grpc_address(text, insecure=True)


@given(st.text(), st.booleans())
def test_any_text_is_either_understood_or_refused_without_being_repeated(text: str, flag: bool) -> None:
    for read in (parse.grpc_address, parse.http_address):
        try:
            read("http://SECRET" + text, flag)
        except ValueError as error:
            assert "SECRET" not in str(error)


@given(st.text())
def test_no_header_ever_holds_a_line_break(text: str) -> None:
    found, _ = parse.headers(text, grpc=False)
    assert not any({"\r", "\n", "\0"} & set(key + value) for key, value in found.items())
