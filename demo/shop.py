"""The application: a web shop whose requests mostly succeed and sometimes fail in ways that are all real."""

from __future__ import annotations

import builtins
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import NamedTuple

from opentelemetry.trace import SpanKind, Tracer, get_current_span

from demo.loopback import Services
from demo.pricing import Line, quote

SHIPPING_TIMEOUT = 0.05
SLOW_REPORT = 0.25
_PRODUCTS = 100


class OrderError(ValueError):
    """The customer asked for something that cannot be ordered."""


class StockError(ConnectionError):
    """A warehouse could not be asked."""


class Request(NamedTuple):
    """One call of the shop; `answer` gives the HTTP status or raises."""

    method: str
    route: str
    answer: Callable[[Shop], int]


class Shop:
    """Answers requests, each under a SERVER span.

    What leaves a request unhandled is recorded on its span and answered with 500, as web frameworks do.
    """

    def __init__(self, tracer: Tracer, services: Services) -> None:
        self._tracer = tracer
        self._services = services
        self._orders = 0
        # Proxies are for the outside; these services are on loopback whatever http_proxy says.
        self._web = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._query("CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        self._query("CREATE TABLE placed (number INTEGER UNIQUE, product INTEGER NOT NULL)")
        for number in range(_PRODUCTS):
            self._query("INSERT INTO product VALUES (?, ?)", number, f"tea no. {number}")

    def close(self) -> None:
        self._database.close()

    def handle(self, request: Request) -> int:
        """The HTTP status of the answer."""
        attributes = {"http.request.method": request.method, "http.route": request.route, "url.scheme": "http"}
        name = f"{request.method} {request.route}"
        try:
            with self._tracer.start_as_current_span(name, kind=SpanKind.SERVER, attributes=attributes) as span:
                try:
                    status = request.answer(self)
                except Exception:
                    span.set_attribute("http.response.status_code", 500)
                    raise
                span.set_attribute("http.response.status_code", status)
                return status
        except Exception:
            return 500

    # -- what succeeds

    def health(self) -> int:
        return 200

    def browse(self) -> int:
        self._query("SELECT name FROM product WHERE id = ?", self._orders % _PRODUCTS)
        return 200

    def order(self) -> int:
        self._orders += 1
        self._query("INSERT INTO placed VALUES (?, ?)", self._orders, self._orders % _PRODUCTS)
        return 201

    def report(self) -> int:
        with self._tracer.start_as_current_span("render report"):
            time.sleep(SLOW_REPORT)
        return 200

    # -- what fails

    def order_nothing(self) -> int:
        """A mistake of the customer's, foreseen: recorded on the span and answered."""
        try:
            _check(quantity=0)
        except OrderError as error:
            get_current_span().record_exception(error)
            return 422
        return 201

    def import_nothing(self) -> int:
        """The same mistake where nobody foresaw it."""
        _check(quantity=-1)
        return 201

    def order_twice(self) -> int:
        self.order()
        self._query("INSERT INTO placed VALUES (?, ?)", self._orders, 1)
        return 201

    def cart(self) -> int:
        with self._tracer.start_as_current_span("price cart"):
            quote([Line("tea", 2, 7.5), Line("pot", 1, 24.0)], "XTS")
        return 200

    def pay(self) -> int:
        with self._web.open(f"{self._services.payments}/charge", timeout=1.0) as answer:
            return int(answer.status)

    def track(self) -> int:
        with self._web.open(f"{self._services.shipping}/parcels/7", timeout=SHIPPING_TIMEOUT) as answer:
            return int(answer.status)

    def stock(self) -> int:
        with self._tracer.start_as_current_span("ask warehouses"):
            _ask_warehouses()
        return 200

    def _query(self, statement: str, *values: object) -> None:
        # A cursor of its own for each statement: that is what the sqlite3 instrumentation traces.
        cursor = self._database.cursor()
        try:
            cursor.execute(statement, values)
        finally:
            cursor.close()


def _check(quantity: int) -> None:
    if quantity < 1:
        raise OrderError(f"quantity is expected to be at least 1, got {quantity}")


def _ask_warehouses() -> None:
    north = StockError("warehouse north refused the question")
    south = TimeoutError("warehouse south gave no answer")
    if sys.version_info >= (3, 11):
        raise builtins.ExceptionGroup("no warehouse knows the stock", [north, south])
    raise north from south
