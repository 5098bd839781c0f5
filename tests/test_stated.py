"""What users state goes before every table: rows, classes and single exceptions, without running their code."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from opentelemetry.trace import SpanKind

from otel_errsample import ConfigError, _hot, classify
from otel_errsample.taxonomy import UserRow
from tests.failing import event, make_span


class Refused(Exception):
    pass


class Expired(Refused):
    pass


class Wrapping(RuntimeError):
    pass


def told(error: BaseException, *rows: UserRow, **more: Any) -> Any:
    return _hot.Classifier(user_rows=rows).facts(error, **more)


def axes(facts: Any) -> tuple[str, ...]:
    return facts.kind, facts.severity, facts.recovery


class TestRows:
    @pytest.mark.parametrize(
        ("pattern", "holds"),
        [
            ("tests.test_stated.Refused", True),
            ("tests.test_stated.Expired", True),
            ("tests.test_stated.*", True),
            ("tests.*.Exp?red", True),
            ("*Expired", True),
            ("Exception", True),
            ("tests.test_stated.*used", False),
            ("tests.test_stated.Wrapping", False),
            ("Expired", False),
        ],
    )
    def test_a_name_covers_subclasses_and_a_glob_the_names_it_spells(self, pattern: str, holds: bool) -> None:
        facts = told(Expired("x"), UserRow(exception=pattern, kind="business"))
        assert holds is (facts.kind == "business")

    def test_a_class_is_found_under_the_name_it_is_offered_by(self) -> None:
        row = UserRow(exception="requests.Timeout", kind="unavailable")
        assert "unavailable" == told(requests.exceptions.ReadTimeout("x"), row).kind

    def test_the_first_row_that_holds_counts(self) -> None:
        rows = [
            UserRow(exception="tests.test_stated.Refused", code="http:503", kind="timeout"),
            UserRow(exception="tests.test_stated.Expired", kind="auth"),
            UserRow(exception="tests.*", kind="bug"),
        ]
        assert "auth" == told(Expired("x"), *rows).kind
        assert "bug" == told(Refused("x"), *rows).kind
        assert "timeout" == told(Expired("x"), *rows, codes={"http.response.status_code": 503}).kind

    @pytest.mark.parametrize(
        ("pattern", "codes", "kind"),
        [
            ("http:503", {"http.response.status_code": 503}, "conflict"),
            ("http:50?", {"http.response.status_code": 503}, "conflict"),
            ("http:504", {"http.response.status_code": 503}, "unavailable"),
            ("sqlstate:23*", {"db.response.status_code": "23505"}, "conflict"),
            ("grpc:*", {"rpc.grpc.status_code": 14}, "conflict"),
        ],
    )
    def test_a_code_of_the_span_is_enough(self, pattern: str, codes: dict[str, Any], kind: str) -> None:
        classifier = _hot.Classifier(user_rows=[UserRow(code=pattern, kind="conflict")])
        assert kind == classifier.facts(codes=codes).kind

    def test_the_code_of_the_exception_counts_as_well(self) -> None:
        row = UserRow(exception="OSError", code="errno:ENOSPC", kind="fatal", recovery="free_resource")
        assert ("fatal", "fatal", "free_resource") == axes(told(OSError(28, "full"), row))
        assert "config" == told(OSError(2, "gone"), row).kind

    def test_a_row_about_the_cause_counts_where_the_wrapper_knows_less(self) -> None:
        wrapping = Wrapping("x")
        wrapping.__cause__ = Expired("x")
        assert "auth" == told(wrapping, UserRow(exception="tests.test_stated.Refused", kind="auth")).kind

    def test_axes_left_out_are_those_usual_for_the_kind(self) -> None:
        facts = told(ValueError("x"), UserRow(exception="ValueError", kind="timeout"))
        assert ("timeout", "error", "backoff", None) == (*axes(facts), facts.domain)

    def test_what_is_stated_holds_on_every_side_of_a_call(self) -> None:
        row = UserRow(exception="ValueError", kind="bug", severity="fatal", fault="dependency", domain="stock")
        facts = told(ValueError("x"), row, span_kind=SpanKind.CLIENT)
        assert ("fatal", "dependency", "stock") == (facts.severity, facts.fault, facts.domain)
        facts = told(ValueError("x"), UserRow(exception="ValueError", kind="bug"), span_kind=SpanKind.CLIENT)
        assert ("warn", "self", None) == (facts.severity, facts.fault, facts.domain)

    def test_an_error_stated_to_be_cancelled_is_none_and_the_other_way_round(self) -> None:
        assert not told(Expired("x"), UserRow(exception="tests.*", kind="cancelled")).error
        assert told(GeneratorExit(), UserRow(exception="GeneratorExit", kind="bug")).error

    @pytest.mark.parametrize(
        "span",
        [
            {"events": [event("shop.Refused", "no")]},
            {"attributes": {"error.type": "shop.Refused"}},
            {"description": "shop.Refused: no"},
        ],
        ids=["event", "error.type", "description"],
    )
    def test_a_name_alone_is_enough(self, span: dict[str, Any]) -> None:
        classifier = _hot.Classifier(user_rows=[UserRow(exception="shop.*", kind="business", domain="shop")])
        facts = classifier.classify_span(make_span(status="ERROR", **span))
        assert facts is not None
        assert ("business", "shop") == (facts.kind, facts.domain)

    def test_anything_else_than_rows_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"user_rows is expected to hold taxonomy.UserRow, got 'shop.\*'"):
            _hot.Classifier(user_rows=["shop.*"])  # type: ignore[list-item]
        with pytest.raises(ConfigError, match="at most 1000 user rows are expected, got 1001"):
            _hot.Classifier(user_rows=[UserRow(exception="a", kind="bug")] * 1001)


class Attribute(Exception):
    errsample_kind = "throttle"
    errsample_domain = "search"


class Nonsense(KeyError):
    errsample_kind = "bugs"
    errsample_severity = 7
    errsample_recovery = None
    errsample_domain = b"x"


class Running(KeyError):
    @property
    def errsample_kind(self) -> str:
        raise AssertionError("ran")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(name)


class TestDeclared:
    def test_attributes_of_a_class_need_no_import(self) -> None:
        facts = told(Attribute("x"))
        assert (("throttle", "error", "backoff"), "search") == (axes(facts), facts.domain)

    def test_the_nearest_class_counts_axis_by_axis(self) -> None:
        near = classify(severity="info")(type("Near", (Attribute,), {}))
        assert ("throttle", "info", "backoff") == axes(told(near("x")))
        nearest = classify(kind="bug")(type("Nearest", (near,), {}))
        assert ("bug", "info", "fix_code") == axes(told(nearest("x")))
        assert "search" == told(nearest("x")).domain

    def test_an_exception_may_say_it_of_itself(self) -> None:
        error = Attribute("x")
        error.errsample_kind = "bug"
        error.errsample_recovery = "restart"  # type: ignore[attr-defined]
        assert ("bug", "error", "restart") == axes(told(error))

    def test_axes_without_a_kind_leave_the_kind_to_the_table(self) -> None:
        slow = classify(recovery="none", domain="search")(type("Slow", (TimeoutError,), {}))
        facts = told(slow("x"))
        assert (("timeout", "error", "none"), "search") == (axes(facts), facts.domain)

    @pytest.mark.parametrize(("retryable", "recovery"), [(True, "backoff"), (False, "none"), (1, "fix_code")])
    def test_retryable_is_understood(self, retryable: object, recovery: str) -> None:
        assert ("bug", "error", recovery) == axes(told(type("Own", (ValueError,), {"retryable": retryable})("x")))

    def test_retryable_of_a_class_nobody_knows_is_an_outage(self) -> None:
        assert ("unavailable", "error", "backoff") == axes(told(type("Own", (Exception,), {"retryable": True})("x")))

    def test_a_row_goes_before_a_declaration_and_keeps_what_it_leaves_out(self) -> None:
        facts = told(Attribute("x"), UserRow(exception="tests.*", kind="config"))
        assert (("config", "error", "fix_config"), "search") == (axes(facts), facts.domain)

    @pytest.mark.parametrize("cls", [Nonsense, Running], ids=["nonsense", "a property"])
    def test_what_means_nothing_is_passed_over(self, cls: type[Exception]) -> None:
        facts = told(cls("x"))
        assert (("bug", "error", "fix_code"), None) == (axes(facts), facts.domain)

    def test_a_metaclass_is_not_asked(self) -> None:
        cls = Meta("Guarded", (KeyError,), {"errsample_kind": "data"})
        assert "data" == told(cls("x")).kind

    def test_a_class_known_by_its_name_alone_is_looked_up_where_it_is_loaded(self) -> None:
        name = f"{__name__}.Attribute"
        assert "throttle" == _hot.Classifier().facts(event={"exception.type": name}).kind
        facts = _hot.Classifier().classify_span(make_span(status="ERROR", attributes={"error.type": name}))
        assert facts is not None
        assert ("throttle", "search") == (facts.kind, facts.domain)
