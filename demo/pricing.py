"""What a cart costs: a call chain as deep as such chains are, with a missing exchange rate at its end."""

from __future__ import annotations

from typing import NamedTuple

_RATES = {"EUR": 1.0, "GBP": 0.84, "USD": 1.09}
_DUTY = {"EUR": 0.0, "GBP": 0.04}
_CAMPAIGNS = {"tea": 0.9}


class Line(NamedTuple):
    """An article in a cart, with its price in euro."""

    article: str
    quantity: int
    price: float


def quote(cart: list[Line], currency: str) -> str:
    """The total as the shop prints it; raises KeyError for a currency without a rate."""
    return f"{total(cart, currency):.2f} {currency}"


def total(cart: list[Line], currency: str) -> float:
    return shipping_included(subtotal(cart, currency), currency)


def shipping_included(amount: float, currency: str) -> float:
    return amount + converted(4.9, currency)


def subtotal(cart: list[Line], currency: str) -> float:
    return sum(line_total(line, currency) for line in cart)


def line_total(line: Line, currency: str) -> float:
    return line.quantity * unit_price(line, currency)


def unit_price(line: Line, currency: str) -> float:
    return duty_paid(line, currency)


def duty_paid(line: Line, currency: str) -> float:
    return campaign_price(line, currency) * (1 + _DUTY.get(currency, 0.0))


def campaign_price(line: Line, currency: str) -> float:
    return _CAMPAIGNS.get(line.article, 1.0) * list_price(line, currency)


def list_price(line: Line, currency: str) -> float:
    return converted(line.price, currency)


def converted(amount: float, currency: str) -> float:
    return amount * exchange_rate(currency)


def exchange_rate(currency: str) -> float:
    return rate_of(currency)


def rate_of(currency: str) -> float:
    return _RATES[currency]
