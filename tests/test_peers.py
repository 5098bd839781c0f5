"""Whose a host is: what nobody needs to list, what is listed, and what such a list may hold."""

from __future__ import annotations

import pytest

from otel_errsample.peers import is_internal_domain, outside

THIRD_PARTIES = [
    "pay.example.com",
    "Pay.EXAMPLE.com.",
    "pay.example.com:443",
    "s3.eu-west-1.amazonaws.com",
    "203.0.113.9.example.com",
    "8.8.8.8",
    "8.8.8.8:53",
    "2606:4700::1111",
    "[2606:4700::1111]:443",
    "::ffff:8.8.8.8",
    "mylocal.com",
    "internal.example.com",
    "10.example.com",
]
OWN = [
    "localhost",
    "LOCALHOST:8080",
    "api.localhost",
    "127.0.0.1",
    "127.8.9.1:5432",
    "[::1]:80",
    "::1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.9",
    "172.31.255.255",
    "192.168.1.1:6379",
    "100.64.0.1",
    "169.254.169.254",
    "fd00::17",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
    "postgres",
    "postgres:5432",
    "orders.shop.svc.cluster.local",
    "orders.shop.svc:8080",
    "10.0.0.1,203.0.113.9",
    "printer.local.",
    "ip-10-0-0-1.ec2.internal",
    "nas.home.arpa",
    "/var/run/postgresql/.s.PGSQL.5432",
    "/tmp/app.sock",
    "",
    " ",
    ".",
]


@pytest.mark.parametrize("host", THIRD_PARTIES)
def test_a_public_name_or_address_is_a_third_partys(host: str) -> None:
    assert host == outside(())(host)


@pytest.mark.parametrize("host", OWN)
def test_what_the_public_internet_cannot_have_is_the_users_own(host: str) -> None:
    assert outside(())(host) is None


@pytest.mark.parametrize("listed", ["example.com", ".example.com", "EXAMPLE.com"])
def test_a_domain_has_itself_and_what_is_below_it(listed: str) -> None:
    third_party = outside([listed])
    assert [None] * 3 == [third_party(host) for host in ("example.com", "a.b.example.com:8443", "Pay.Example.Com.")]
    others = ["badexample.com", "example.com.evil.org", "example.org"]
    assert others == [third_party(host) for host in others]


def test_a_network_has_its_addresses() -> None:
    third_party = outside(["203.0.112.0/23", "8.8.8.8", "2606:4700::/32"])
    own = ["203.0.112.1", "8.8.8.8:53", "[2606:4700::1]:443", "::ffff:8.8.8.8"]
    assert [None] * 4 == [third_party(host) for host in own]
    assert ["8.8.4.4", "2607::1"] == [third_party(host) for host in ("8.8.4.4", "2607::1")]


def test_a_host_as_long_as_a_page_is_cut() -> None:
    endless = "x." * 50_000 + "com"
    assert endless[:300] == outside(())(endless)


LISTABLE = [
    "example.com",
    ".example.com",
    "corp",
    "my_shop.example",
    "3com.com",
    "xn--bcher-kva.example",
    "203.0.113.0/24",
    "203.0.113.7",
    "203.0.113.7/24",
    "2001:db8::/32",
    "::1",
    "::ffff:10.0.0.0/104",
]
NOT_LISTABLE = [
    "*.example.com",
    "https://example.com",
    "example.com:443",
    "example.com/",
    "a..b",
    "a.",
    ".",
    "bücher.example",
    "10",
    "10.0",
    "10.0.0",
    "1.2.3.4.5",
    "999.1.1.1",
    "10.0.0.0/33",
    "10.0.0.0/",
    "2001:db8::/129",
    "1:2",
    "a:b",
]


@pytest.mark.parametrize("text", [*LISTABLE, "a" * 63 + ".b"])
def test_what_can_be_listed(text: str) -> None:
    assert is_internal_domain(text)


@pytest.mark.parametrize("text", [*NOT_LISTABLE, "", " ", "a b", "example.com\n", "a" * 64, ":" * 46])
def test_what_cannot(text: str) -> None:
    assert not is_internal_domain(text)
