"""Secrets between any other words are found, cleaning comes to an end, and all of it soon."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz.source import Source
from otel_errsample._hot import scrub_stack, scrub_text
from otel_errsample.scrub import ALSO, REDACTED
from tests.secrets import TEMPLATES, planted

MOST = 2048
WORDS = tuple(
    word.encode()
    for word in (
        "password=", "passwd: ", "secret", "api_key", "Authorization: Bearer ", "Basic ", "Digest ", "://user:pw@host", "token", "AKIA",
        "eyJ", "ghp_", "-----BEGIN RSA PRIVATE KEY-----\n", "-----END", "%3D", "\\n", "\\u0022", '"', "'", "{", "}", "&", "?", "@", "=",
        "4111 1111 1111 1111", "a@b.example", "[redacted]", "xox", "Set-Cookie: ", "sig=", "Signature=", "  File \"a.py\", line 1, in f\n",
        "Traceback (most recent call last):\n", "ValueError: ", "  | ", "  + ", "10.0.0.7", "2001:db8::1", "::", "+49 30 1234567", "0171 ",
        "555-123-4567", "phone: ", "version ", "\\\"", "b'", "password   : ", "[('token', '", "{'name': 'API_KEY', 'value': ", "<password>",
        "</a:Password>", "<![CDATA[", " WITH PASSWORD '", "IDENTIFIED BY ", "--token ", "\n\nFailed validating 'type' in schema['token']:\n",
        "On instance['password']:\n    ",
    )
)  # fmt: skip

_PLANTED = planted(len(TEMPLATES))
_MOST_PASSES = 4
_MOST_TIMES = 8  # as a power of two: at 2 kB an input, ten times what is looked at of a text


def check(data: bytes) -> None:
    source = Source(data)
    how = source.below(4)
    if how == 0:
        _check_planted(source)
        return
    times = 1 << source.below(_MOST_TIMES) if how == 1 else 1
    also = [kind for kind in ALSO if source.below(2)]
    text = source.rest().decode("utf-8", "surrogateescape") * times
    for kinds in ((), also):
        for scrub in (scrub_text, scrub_stack):
            once, found = scrub(text, also=kinds)
            assert (once, found) == scrub(text, also=kinds)
            if found == 0 and len(once) >= len(text):
                assert once == text, "what is left alone is left as it is"
            if times == 1 and scrub is scrub_text:
                _check_end(once, kinds)
    assert scrub_stack(text, strict=True) == scrub_stack(text, strict=True)


def _check_end(text: str, also: Iterable[str]) -> None:
    """What stands beside a mark may look like a secret then, but not for ever."""
    for _ in range(_MOST_PASSES):
        text, found = scrub_text(text, also)
        if not found:
            return
    raise AssertionError("cleaning again and again comes to an end")


def _check_planted(source: Source) -> None:
    case = source.pick(_PLANTED)
    before, after = source.text()[:1024], source.text()[:1024]
    text, found = scrub_text(f"{before}\n\n{case.text}\n\n{after}")
    assert found
    assert REDACTED in text
    _check_end(text, ())
    for secret in case.secrets:
        assert secret not in text or secret in before or secret in after
