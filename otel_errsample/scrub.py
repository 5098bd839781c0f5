"""What is looked for in texts before they leave the process: names of secrets, beginnings of tokens. Data, no code.

ext/scrub_*.pyx find them; docs/scrubbing.md says what that comes to.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MODES: Final = ("off", "default", "strict")

ALSO: Final = ("ip_addresses", "phone_numbers", "card_numbers", "quoted")
"""What else may be taken out, in the order of the bits of ext/scrub_also.pyx."""

MOST_PATTERNS: Final = 32
"""Of the user's own."""

REDACTED: Final = "[redacted]"


class Key(NamedTuple):
    """The end of a name whose value is secret, in small letters without `_` and `-`.

    `whole`: only as a word of its own, since other words end in it too ("compass"). `weak`: it is also an ordinary
    word ("unexpected token: x"), so in a sentence its value must look like a secret.
    """

    ending: str
    whole: bool = False
    weak: bool = False


KEYS: Final = (
    Key("password"),
    Key("passwd"),
    Key("passphrase"),
    Key("passcode"),
    Key("pwd", whole=True),
    Key("dbpwd"),
    Key("userpwd"),
    Key("pass", whole=True),
    Key("dbpass"),
    Key("userpass"),
    Key("pw", whole=True),
    Key("secret"),
    Key("secretkey"),
    Key("secretid"),
    Key("apikey"),
    Key("accesskey"),
    Key("accesskeyid"),
    Key("accountkey"),
    Key("privatekey"),
    Key("encryptionkey"),
    Key("signingkey"),
    Key("authkey"),
    Key("masterkey"),
    Key("licensekey"),
    Key("subscriptionkey"),  # Azure: Ocp-Apim-Subscription-Key
    Key("functionskey"),  # Azure: x-functions-key
    Key("applicationkey"),  # Datadog: DD-APPLICATION-KEY
    Key("credential"),
    Key("credentials"),
    Key("authorization"),
    Key("cookie"),
    Key("cardnumber"),
    Key("creditcard"),
    Key("cvv", whole=True),
    Key("cvc", whole=True),
    Key("ssn", whole=True),
    Key("token", weak=True),
    Key("jwt", whole=True, weak=True),
    Key("auth", whole=True, weak=True),
    Key("otp", whole=True, weak=True),
    Key("sessionid", weak=True),
    Key("sessionkey", weak=True),
    Key("sessid", weak=True),
    Key("csrf", weak=True),
    Key("xsrf", weak=True),
    Key("signature", weak=True),
)

INNER: Final = ("password", "passwd", "passphrase", "secret", "apikey", "privatekey", "credential")
"""Parts that make a name secret wherever they stand, unless it ends in one of HARMLESS_ENDINGS."""

HARMLESS_ENDINGS: Final = (
    "length", "len", "count", "size", "min", "max", "age", "policy", "field", "fields", "url", "uri", "path", "file",
    "filename", "type", "name", "version", "algorithm", "format", "enabled", "required", "valid", "expired", "expiry",
    "expires", "changed", "attempts", "error", "exception", "class", "provider", "manager", "status", "arn", "ref",
)  # fmt: skip

HARMLESS_VALUES: Final = (
    "none", "null", "nil", "true", "false", "undefined", "redacted", "filtered", "masked", "hidden", "removed", "str",
    "string", "int", "bytes", "bool", "object", "optional",
)  # fmt: skip
"""Values in small letters that say that there is none, that it was taken out already, or of which type it is."""

STATES: Final = (
    "invalid", "expired", "required", "missing", "incorrect", "denied", "rejected", "mismatch", "empty", "wrong",
    "failed", "unknown", "unauthorized", "forbidden", "revoked", "changed", "blank", "ok", "not", "must", "yes", "no",
)  # fmt: skip
"""What a sentence says of a secret after a colon ("password: required")."""

REMARKS: Final = (
    "is", "was", "are", "has", "can", "cannot", "may", "must", "should", "needs", "requires", "required", "missing",
    "invalid", "not", "nor", "and", "or", "option", "flag", "argument",
)  # fmt: skip
"""What a sentence says of an option ("--password is required")."""


SCHEMES: Final = ("bearer", "basic", "token", "bot", "apikey", "negotiate", "ntlm", "splunk", "genie-key")
"""Schemes of an Authorization header before one word of credentials."""

LONG_SCHEMES: Final = ("digest", "hmac", "hawk", "oauth", "signature", "aws4-hmac-sha256", "sharedaccesssignature")
"""Those before a list of them, which reaches to the end of the line."""


PHONES: Final = (
    Key("phone"),
    Key("telefon"),
    Key("telefono"),
    Key("tel", whole=True),  # "hotel"
    Key("mobile"),
    Key("fax"),
    Key("msisdn"),
    Key("whatsapp"),
)
"""How a name or a word ends behind which a number is a phone number, of whatever form."""

NUMBER_WORDS: Final = ("number", "numbers", "no", "nr", "num")
"""What may stand between the two ("phone_number=")."""

VERSIONS: Final = ("version", "release", "firmware", "build", "revision")
"""How a name or a word ends behind which four numbers are no address."""


class Prefix(NamedTuple):
    """How a provider's tokens begin: at least `least` characters follow, fewer only where the text was cut there."""

    text: str
    least: int
    sure: bool = True
    """Nothing else begins like this; otherwise letters and digits alone must follow, some of each."""


PREFIXES: Final = (
    Prefix("ghp_", 8),
    Prefix("gho_", 8),
    Prefix("ghu_", 8),
    Prefix("ghs_", 8),
    Prefix("ghr_", 8),
    Prefix("github_pat_", 8),
    Prefix("glpat-", 8),
    Prefix("glrt-", 8),
    Prefix("gldt-", 8),
    Prefix("glsa_", 8),
    Prefix("xoxa-", 8),
    Prefix("xoxb-", 8),
    Prefix("xoxe-", 8),
    Prefix("xoxp-", 8),
    Prefix("xoxr-", 8),
    Prefix("xoxs-", 8),
    Prefix("xapp-", 8),
    Prefix("sk_live_", 8),
    Prefix("sk_test_", 8),
    Prefix("rk_live_", 8),
    Prefix("rk_test_", 8),
    Prefix("whsec_", 8),
    Prefix("sk-proj-", 8),
    Prefix("sk-ant-", 8),
    Prefix("sk-", 20, sure=False),
    Prefix("npm_", 16, sure=False),
    Prefix("hf_", 16, sure=False),
    Prefix("pypi-", 16, sure=False),
    Prefix("shpat_", 8),
    Prefix("shpss_", 8),
    Prefix("dop_v1_", 8),
    Prefix("doo_v1_", 8),
    Prefix("dckr_pat_", 8),
    Prefix("lin_api_", 8),
    Prefix("xkeysib-", 8),
    Prefix("GOCSPX-", 8),
    Prefix("AGE-SECRET-KEY-", 8),
    Prefix("hvs.", 16, sure=False),
    Prefix("hvb.", 16, sure=False),
    Prefix("ya29.", 12),
    Prefix("SG.", 16, sure=False),
    Prefix("hooks.slack.", 16, sure=False),
)
"""Each ends in `_`, `-` or `.`, where the search stops and looks back. AKIA, ASIA, AIza and eyJ are known besides."""
