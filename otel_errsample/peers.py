"""Whose the host is that a span called: the user's own, or a third party's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from otel_errsample.config import INTERNAL_DOMAIN

# Names that the public DNS never has: RFC 6761, RFC 6762 (Kubernetes' cluster.local is inside), RFC 8375, the one that
# ICANN keeps free for private use, and Kubernetes' short form of a service.
_PRIVATE: Final = ("localhost", "local", "home.arpa", "internal", "svc")

_LONGEST_HOST: Final = 300  # characters; a name has 253
_REMEMBERED_HOSTS: Final = 1024


def is_internal_domain(text: str) -> bool:
    """Whether the text is a domain, an address or a network."""
    if not re.fullmatch(INTERNAL_DOMAIN, text):
        return False
    return _network(text) is not None or not (":" in text or "/" in text or text.rpartition(".")[2].isdigit())


def outside(domains: Iterable[str]) -> Callable[[str], str | None]:
    """A function from a host to itself where it is a third party's, else to None.

    Inside are the `domains` with all that is below them, or networks; and without being named loopback, private and
    other addresses that are not routed, names of one label, names that the public DNS never has, and paths of sockets.
    The last 1,024 hosts are remembered.
    """
    listed = tuple(domains)
    networks = tuple(network for network in map(_network, listed) if network is not None)
    named = (*_PRIVATE, *(text.lower().lstrip(".") for text in listed if _network(text) is None))
    endings = tuple(f".{name}" for name in named)

    @lru_cache(_REMEMBERED_HOSTS)
    def third_party(host: str) -> str | None:
        name = _bare(host)
        address = _address(name)
        if address is not None:
            theirs = address.is_global and not any(address in network for network in networks)
        else:
            theirs = name.find(".") > 0 and not f".{name}".endswith(endings) and not name.startswith("/")
        return host if theirs else None

    return lambda host: third_party(host[:_LONGEST_HOST])


def _bare(host: str) -> str:
    """The host, of several the first, in lower case, without a port, an address' brackets or the dot of a full name."""
    name = host.partition(",")[0].strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    if name.count(":") == 1:
        name = name.partition(":")[0]
    return name.removesuffix(".")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
