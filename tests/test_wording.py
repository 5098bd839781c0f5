"""What is taken out of a message so that two occurrences of an error read alike."""

from __future__ import annotations

import pytest

from otel_errsample import wording


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("user 42 not found", "user <number> not found"),
        ("key 'abc' missing in \"x\"", "key <quoted> missing in <quoted>"),
        ("GET https://u:p@h/a?b=c failed", "GET <url> failed"),
        ("mail to bob@example.com bounced", "mail to <email> bounced"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <uuid>"),
        ("peer 10.0.0.1:5432 gone", "peer <ip> gone"),
        ("at 2024-02-03T04:05:06.789Z", "at <date>"),
        ("object at 0x7f00deadbeef", "object at <hex>"),
        ("commit 1f2e3d4c5b6a", "commit <hex>"),
        ("took 1.5 s, -3 left", "took <number> s, <number> left"),
        ("\nfirst line\nsecond", "first line"),
        ("x" * 500, "x" * 200),
        ("", ""),
    ],
)
def test_a_template_keeps_what_does_not_vary(message: str, expected: str) -> None:
    assert expected == wording.template(message)
