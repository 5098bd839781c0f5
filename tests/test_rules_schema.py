"""The JSON Schema and the reader of configuration files agree on what is a document."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from otel_errsample.config import FILE_SETTINGS
from otel_errsample.errors import RuleError
from otel_errsample.rules.document import read
from otel_errsample.rules.rows import KEYS
from otel_errsample.rules.schema import schema
from otel_errsample.taxonomy import AXES
from tools.readme import schema_text

VALIDATOR = Draft202012Validator(schema())


def accepted(document: object) -> bool:
    """By the reader; JSON is YAML."""
    try:
        read(json.dumps(document, ensure_ascii=False), "f.json")
    except RuleError:
        return False
    return True


def test_the_package_ships_the_schema_as_it_is_generated() -> None:
    """Where this fails: python -m tools.readme."""
    shipped = resources.files("otel_errsample").joinpath("config.schema.json").read_text(encoding="utf-8")
    assert schema_text() == shipped


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


GOOD: list[dict[str, Any]] = [
    {},
    {"rules": "a: keep if error\nb: drop"},
    {"rules": ["keep if error", "drop; "]},
    {"rules": []},
    {"classify": []},
    {"classify": [{"exception": "shop.errors.*", "kind": "business"}, {"code": "http:5??", "kind": "unavailable"}]},
    {
        "classify": [
            dict(zip(KEYS, ("a.B", "errno:ENOSPC", "resource", "self", "fatal", "restart", "disk"), strict=True))
        ]
    },
    {"settings": {}},
    {"settings": {name: given["default"] for name, given in schema()["properties"]["settings"]["properties"].items()}},
    {"settings": {"internal_domains": ["example.com", ".corp", "203.0.113.0/24", "2001:db8::/32"]}},
    {"settings": {"max_buffer_bytes": 65536, "in_app_include": ["shop", "123"], "dry_run": True, "scope": "span"}},
]
BAD: list[Any] = [
    [],
    "keep if error",
    {"rule": "keep"},
    {"rules": {"a": "keep"}},
    {"rules": None},
    {"rules": [["keep"]]},
    {"rules": [{"a": "keep"}]},
    {"classify": {}},
    {"classify": ["a.B"]},
    {"classify": [{"kind": "bug"}]},
    {"classify": [{"exception": "a.B"}]},
    {"classify": [{"exception": "a.B", "kind": "bugs"}]},
    {"classify": [{"exception": "a B", "kind": "bug"}]},
    {"classify": [{"exception": "", "kind": "bug"}]},
    {"classify": [{"exception": "a.B", "kind": "bug", "fault": None}]},
    {"classify": [{"exception": "a.B", "kind": "bug", "recovry": "none"}]},
    {"classify": [{"code": 503, "kind": "bug"}]},
    {"classify": [{"code": "503", "kind": "bug"}]},
    {"classify": [{"code": "htp:503", "kind": "bug"}]},
    {"classify": [{"code": "http:503", "kind": "bug"}] * 1001},
    {"settings": []},
    {"settings": {"max_buffer": 1}},
    {"settings": {"rules": "keep"}},
    {"settings": {"config": "other.yaml"}},
    {"settings": {"max_buffer_bytes": 1}},
    {"settings": {"max_buffer_bytes": 2**40}},
    {"settings": {"max_buffer_bytes": "65536"}},
    {"settings": {"max_buffer_bytes": 65536.5}},
    {"settings": {"max_buffer_bytes": True}},
    {"settings": {"max_buffer_bytes": None}},
    {"settings": {"dry_run": "true"}},
    {"settings": {"dry_run": 1}},
    {"settings": {"scope": "everything"}},
    {"settings": {"in_app_include": "shop"}},
    {"settings": {"in_app_include": ["shop", ""]}},
    {"settings": {"in_app_include": [1]}},
    {"settings": {"internal_domains": ["example.com", "*.example.com"]}},
    {"settings": {"internal_domains": ["example.com:443"]}},
    {"settings": {"internal_domains": [""]}},
    {"settings": {"fingerprint_aliases": ["errsample.kind"]}},
    {"settings": {"fingerprint_aliases": ["error fingerprint"]}},
]


@pytest.mark.parametrize("document", GOOD, ids=lambda document: json.dumps(document)[:60])
def test_good_documents_are_good_for_both(document: object) -> None:
    assert [] == list(VALIDATOR.iter_errors(document))
    assert accepted(document)


@pytest.mark.parametrize("document", BAD, ids=lambda document: json.dumps(document)[:60])
def test_bad_documents_are_bad_for_both(document: object) -> None:
    assert not VALIDATOR.is_valid(document)
    assert not accepted(document)


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 100_000),
    st.just(2.5),
    st.sampled_from(["", "a.B", "http:503", "x:1", "shop.*", "5", "true", "no", "é", "a\nb", "bug", "self", "span"]),
    st.just([]),
    st.just({}),
    st.just(["a"]),
)
rules: st.SearchStrategy[Any] = st.sampled_from(
    ["keep if error", "a: drop if root; b: head", "# nothing", ["keep"], ["drop if root", "keep"], [], None, {}, [[]]]
)
words = [word for axis in AXES.values() for word in axis]
rows = st.dictionaries(st.sampled_from([*KEYS, "kinds"]), odd | st.sampled_from(words), max_size=4)
usual = st.fixed_dictionaries(
    {"kind": st.sampled_from(AXES["kind"])},
    optional={"exception": st.just("a.B"), "code": st.just("http:5*"), "fault": st.sampled_from(AXES["fault"])},
)
given_settings = st.dictionaries(st.sampled_from([*FILE_SETTINGS, "rules"]), odd, max_size=3)
documents = st.dictionaries(
    st.sampled_from(["rules", "classify", "settings", "rule"]),
    odd | rules | st.lists(rows | usual, max_size=3) | given_settings,
) | st.fixed_dictionaries(
    {}, optional={"rules": rules, "classify": st.lists(rows | usual, max_size=3), "settings": given_settings}
)


def says_rules(document: object) -> bool:
    """Whether what it has for `rules` are rules: the schema cannot know."""
    given = document.get("rules", []) if isinstance(document, dict) else []
    return accepted({"rules": given}) or not VALIDATOR.is_valid({"rules": given})


@settings(max_examples=500, deadline=None)
@given(documents.filter(says_rules))
def test_they_agree_on_any_document(document: object) -> None:
    assert VALIDATOR.is_valid(document) == accepted(document)
