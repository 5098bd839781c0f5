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
        ("Couldn't find user 'bob'", "Couldn't find user <quoted>"),
        ("users' table 'a' isn't 'b'", "users' table <quoted> isn't <quoted>"),
        ("no user 'O'Brien' in b'x' and u''", "no user <quoted> in b<quoted> and u<quoted>"),
        ("'str' object has no attribute 'x'", "<quoted> object has no attribute <quoted>"),
        ("key='a', 'it''s'", "key=<quoted>, <quoted><quoted>"),
        ("in the '90s 'x'", "in the '<number>s <quoted>"),
        ("connect to [2001:db8::1]:80 failed", "connect to <ip> failed"),
        ("connect to fe80::1%eth0: refused", "connect to <ip>: refused"),
        ("::1, ::ffff:10.0.0.1 and 2001:0db8:0:0:0:ff00:42:8329.", "<ip>, <ip> and <ip>."),
        ("route 2001:db8::/32 [::1]", "route <ip>/<number> <ip>"),
        ("order 01ARZ3NDEKTSV4RRFFQ69G5FAV failed", "order <id> failed"),
        ("order 01arz3ndektsv4rrffq69g5fav failed", "order <id> failed"),
        ("order 01OOOOOOOOOOOOOOOOOOOOOOOO failed", "order <number>OOOOOOOOOOOOOOOOOOOOOOOO failed"),
        ("No such customer: cus_NffrFeUfNV2Hib", "No such customer: cus_<id>"),
        ("No such intent: pi_3MtwBwLkdIwHu7ix28a3tqPa_secret", "No such intent: pi_3MtwBwLkdIwHu7ix28a3tqPa_secret"),
        ("cannot open /tmp/tmpab_x1q9z", "cannot open /tmp/tmp<id>"),
        ("cannot open /var/tmp/tmp.k3JdKzAb12/x", "cannot open /var/tmp/tmp<id>/x"),
        (r"cannot open C:\Temp\tmpab_x1q9z.log", r"cannot open C:\Temp\tmp<id>.log"),
        ("off by 1.5e-07 or -2.3E+10", "off by <number> or <number>"),
        ("\nfirst line\nsecond", "first line"),
        ("x" * 500, "x" * 200),
        ("", ""),
    ],
)
def test_a_template_keeps_what_does_not_vary(message: str, expected: str) -> None:
    assert expected == wording.template(message)


@pytest.mark.parametrize(
    "message",
    [
        "can't and won't",
        "rock 'n' roll isn't 'dead",
        "std::vector and Dead::Beef",
        "test_OAuthTokenProviderFactory",
        "is_Pentium4 or print_quotientsQ3",
        "UserRepositoryV2Implementation",
        "field_a_and_some_thing_longer",
        "SHA256withRSAandMGF1",
        "/tmp/tmpfiles and /tmp/template",
        "no tmpdirectory1",
    ],
)
def test_words_are_left_alone(message: str) -> None:
    expected = message.replace("'n'", "<quoted>")
    assert expected == wording.template(message)


def test_a_time_is_no_address() -> None:
    assert "[<number>:<number>:<number>] at <number>:<number>" == wording.template("[12:30:01] at 12:30")
