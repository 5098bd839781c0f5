"""What a case has to reach, checked on the medians of repeats in which the arms took turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

Values = Mapping[str, Sequence[float]]
"""Arm -> one value per repeat; the arms of a repeat ran one after the other."""


@dataclass(frozen=True)
class Target:
    """`figure` makes one number per repeat out of the arms; its median is to be at most `most`."""

    text: str
    most: float
    figure: Callable[[Values], list[float]]

    def check(self, values: Values) -> dict[str, object]:
        figures = self.figure(values)
        median = statistics.median(figures)
        return {
            "text": self.text,
            "most": self.most,
            "median": median,
            "min": min(figures),
            "max": max(figures),
            "met": median <= self.most,
        }


def over_noop(values: Values, arm: str = "ours") -> list[float]:
    """What the arm costs beyond the noop arm, repeat by repeat."""
    noop = values.get("noop", [0.0] * len(values[arm]))
    return [value - ground for value, ground in zip(values[arm], noop, strict=True)]


def share_of_stock(values: Values) -> list[float]:
    return [ours / stock for ours, stock in zip(over_noop(values), over_noop(values, "stock"), strict=True)]


def share_of_noop(values: Values) -> list[float]:
    return [ours / noop for ours, noop in zip(values["ours"], values["noop"], strict=True)]


def beyond(factor: float, values: Values) -> list[float]:
    """Bytes over `factor` times the wire size."""
    return [ours - factor * wire for ours, wire in zip(values["ours"], values["noop"], strict=True)]


def at_most(microseconds: float) -> Target:
    return Target(f"<= {microseconds:g} us over noop", microseconds, over_noop)


def of_stock(share: float) -> Target:
    return Target(f"<= 1/{round(1 / share)} of stock", share, share_of_stock)


def of_noop(share: float) -> Target:
    return Target(f"<= {share:g} x noop", share, share_of_noop)


def most_memory(factor: float, extra: int) -> Target:
    return Target(f"<= {factor:g} x wire + {extra} bytes", extra, partial(beyond, factor))
