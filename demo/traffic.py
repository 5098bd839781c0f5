"""Which requests arrive, in which order: decided by the seed alone."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from opentelemetry.sdk.trace.id_generator import IdGenerator

from demo.shop import Request, Shop

_BROWSE: Final = Request("GET", "/products/{id}", Shop.browse)
_PAY: Final = Request("POST", "/payments", Shop.pay)


class _Share(NamedTuple):
    per_thousand: float
    request: Request


# What is left of a thousand requests goes to _BROWSE.
_SHARES: Final = (
    _Share(150, Request("POST", "/orders", Shop.order)),
    _Share(50, Request("GET", "/healthz", Shop.health)),
    _Share(20, Request("POST", "/orders", Shop.order_nothing)),
    _Share(8, Request("POST", "/orders", Shop.order_twice)),
    _Share(6, Request("GET", "/cart", Shop.cart)),
    _Share(4, Request("POST", "/imports", Shop.import_nothing)),
    _Share(4, Request("GET", "/stock/{id}", Shop.stock)),
    _Share(4, _PAY),
    _Share(3, Request("GET", "/parcels/{id}", Shop.track)),
    _Share(1, Request("GET", "/reports", Shop.report)),
)


def traffic(requests: int, storm: int, seed: int) -> list[Request]:
    """`requests` mixed ones, every kind at least once, with `storm` failing payments in a row in their middle.

    So few requests that not every kind has room are cut off at `requests`.
    """
    mixed = [share.request for share in _SHARES for _ in range(max(1, round(requests * share.per_thousand / 1000)))]
    mixed = mixed[:requests] + [_BROWSE] * (requests - len(mixed))
    random.Random(seed).shuffle(mixed)
    middle = len(mixed) // 2
    return mixed[:middle] + [_PAY] * storm + mixed[middle:]


class SeededIds(IdGenerator):
    """Trace and span ids by the seed, so that the head sampler picks the same traces in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True
