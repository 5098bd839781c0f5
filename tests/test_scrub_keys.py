"""Which names have secret values."""

from __future__ import annotations

import pytest

from otel_errsample import scrub
from otel_errsample._hot import scrub_text, secret_name

SECRET = (
    "password", "PASSWORD", "Password2", "db_password", "dbPassword", "DB-PASSWORD", "spring.datasource.password",
    "passwd", "pwd", "MYSQL_PWD", "userPwd", "pass", "smtp_pass", "passphrase", "secret", "client_secret", "SECRET_KEY",
    "secretAccessKey", "aws_secret_access_key", "api_key", "apiKey", "X-Api-Key", "private_key", "AccountKey",
    "credentials", "authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "card_number", "cvv", "ssn",
    "password_confirmation", "SECRET_KEY_BASE", "http.request.header.authorization",
    "Ocp-Apim-Subscription-Key", "subscription-key", "DD-APPLICATION-KEY", "x-functions-key", "licenseKey", "dbpwd",
    "DBPASS", "userpass",
)  # fmt: skip
WEAK = ("token", "access_token", "X-Auth-Token", "auth", "jwt", "csrftoken", "sessionid", "session_id", "otp")
PLAIN = (
    "", "x", "user", "tokens", "max_tokens", "token_count", "tokenizer", "compass", "bypass", "passed", "author",
    "oauth2_url", "shipping", "key", "cache_key", "primary_key", "keyword", "password_length", "passwordPolicy",
    "secret_name", "password_file", "InvalidPasswordError", "gen_ai.usage.input_tokens", "session.id", "exception.type",
    "é", "密码",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_name(name: str) -> None:
    assert "secret" == secret_name(name)


@pytest.mark.parametrize("name", WEAK)
def test_a_name_that_is_an_ordinary_word_too(name: str) -> None:
    assert "weak" == secret_name(name)


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_says_nothing(name: str) -> None:
    assert "plain" == secret_name(name)


def test_only_the_end_of_a_very_long_name_is_looked_at() -> None:
    assert "secret" == secret_name("a" * 100_000 + "_password")
    assert "plain" == secret_name("password_" + "a" * 100_000)


def test_every_character_the_search_stops_at_is_met_by_the_fast_one() -> None:
    """16 characters at a time are skipped: a secret is found wherever in them it stands."""
    for text in (
        "password=q7hunter2X",
        "a@example.com",
        "AKIAQ7HUNTER2XXXX234",
        "Bearer q7hunter2X",
        "x ghp_q7hunter2X",
        "<password>q7hunter2X</password>",
    ):
        for shift in range(40):
            assert 1 == scrub_text(" " * shift + text)[1]


def test_the_tables_are_as_the_search_expects_them() -> None:
    endings = [key.ending for key in scrub.KEYS]
    for words in (endings, scrub.INNER, scrub.HARMLESS_ENDINGS, scrub.HARMLESS_VALUES, scrub.STATES, scrub.REMARKS):
        assert len(set(words)) == len(words) <= 64
        assert all(word == word.lower() and 1 < len(word) <= 24 for word in words)
    assert all(prefix.text[-1] in "_-." and 2 < len(prefix.text) <= 16 for prefix in scrub.PREFIXES)
    assert len({prefix.text for prefix in scrub.PREFIXES}) == len(scrub.PREFIXES) <= 64
