"""The settings: one table from which the environment is read, code is checked and the README's table is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from otel_errsample.errors import ConfigError
from otel_errsample.scrub import ALSO, MODES, MOST_PATTERNS
from otel_errsample.setting import Flaw, Setting, Warn

# What names the user's own hosts: a domain, with what is below it, or a network, of which `peers` knows more. Also the
# pattern of the JSON Schema.
INTERNAL_DOMAIN: Final = (
    r"^(?:"
    r"\.?(?:[A-Za-z0-9_-]{1,63}\.){0,20}(?=[0-9]*[A-Za-z_-])[A-Za-z0-9_-]{1,63}"
    r"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?"
    r"|(?=[^/]*:)[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?"
    r")$"
)

# What has a meaning of its own here is no name for a fingerprint.
ATTRIBUTE_NAME: Final = r"^(?!errsample\.|exception\.|error\.type$)[A-Za-z_][A-Za-z0-9_.-]{0,99}$"


def _is_attribute_name(text: str) -> bool:
    return re.fullmatch(ATTRIBUTE_NAME, text) is not None


def _is_internal_domain(text: str) -> bool:
    from otel_errsample.peers import is_internal_domain  # which imports this

    return is_internal_domain(text)


def _kind_flaw(name: str) -> Flaw | None:
    if name in ALSO:
        return None
    near = get_close_matches(name[:40], ALSO, n=1)
    return Flaw(name, f"is none of {', '.join(ALSO)}", name, f"did you mean {near[0]!r}?" if near else "")


def _pattern_flaw(pattern: str) -> Flaw | None:
    from otel_errsample.patterns import flaw  # for those who have some

    return flaw(pattern)


ENABLED: Final = "OTEL_ERRSAMPLE_ENABLED"


SETTINGS: Final = (
    Setting(
        "enabled",
        ENABLED,
        True,
        "`false`: behave as `BatchSpanProcessor` does, the head sample goes out as it is and no rule is asked. `true`: "
        "also [switch on](docs/zero-code.md) what is installed for `opentelemetry-instrument`, which without it does nothing.",
    ),
    Setting(
        "rules",
        "OTEL_ERRSAMPLE_RULES",
        "",
        "Rules, separated by newlines or `;`; the first match wins. Without them those of the file apply, else the "
        "default rules.",
    ),
    Setting(
        "config",
        "OTEL_ERRSAMPLE_CONFIG",
        "",
        "A YAML file with `rules`, `classify` and `settings`, or a file of rules whose name ends in `.rules`. It is "
        "watched, and what changes in it applies without a restart, settings apart.",
    ),
    Setting(
        "scope",
        "OTEL_ERRSAMPLE_SCOPE",
        "path",
        "How much is kept around an error that is kept: `span`, it alone, `path`, also its ancestors up to the local "
        "root, or `trace`, every span of its trace in this process.",
        choices=("span", "path", "trace"),
    ),
    Setting(
        "trace_wait_ms",
        "OTEL_ERRSAMPLE_TRACE_WAIT_MS",
        60_000,
        "The longest time spans wait, under the scope `trace`, for an error or for the end of their trace.",
        "milliseconds",
        100,
        3_600_000,
    ),
    Setting(
        "max_buffer_bytes",
        "OTEL_ERRSAMPLE_MAX_BUFFER_BYTES",
        16 << 20,
        "Memory for spans that are waiting or being sent. When it is full the least valuable spans go, and are counted.",
        "bytes",
        64 << 10,
        4 << 30,
    ),
    Setting(
        "flush_errors_ms",
        "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS",
        200,
        "The longest time a kept error waits for more spans before it is sent.",
        "milliseconds",
        0,
        60_000,
    ),
    Setting(
        "shutdown_timeout_ms",
        "OTEL_ERRSAMPLE_SHUTDOWN_TIMEOUT_MS",
        5000,
        "The longest time `shutdown()` takes to send what is left, where the caller gives no timeout.",
        "milliseconds",
        0,
        600_000,
    ),
    Setting(
        "flush_on_sigterm",
        "OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM",
        False,
        "`true`: SIGTERM sends what waits, for at most the shutdown timeout, before it does what it would have done.",
    ),
    Setting(
        "in_app_include",
        "OTEL_ERRSAMPLE_IN_APP_INCLUDE",
        (),
        "Module prefixes that count as the application's own code in fingerprints, although they are installed packages.",
    ),
    Setting(
        "helper_frames",
        "OTEL_ERRSAMPLE_HELPER_FRAMES",
        (),
        "Modules, and functions as `module:function`, that only raise on behalf of their callers: passed over in fingerprints.",
    ),
    Setting(
        "stack_hash",
        "OTEL_ERRSAMPLE_STACK_HASH",
        False,
        "`true`: errors say in `errsample.stack_hash` by which five functions of your code they came, which tells apart "
        "what one fingerprint has together.",
    ),
    Setting(
        "fingerprint_aliases",
        "OTEL_ERRSAMPLE_FINGERPRINT_ALIASES",
        (),
        "Attributes that have the fingerprint too, for backends that group by one of theirs: `error.fingerprint` is "
        "Datadog's, `logfire.exception.fingerprint` is Logfire's.",
        parts="attribute names",
        pattern=ATTRIBUTE_NAME,
        fits=_is_attribute_name,
    ),
    Setting(
        "internal_domains",
        "OTEL_ERRSAMPLE_INTERNAL_DOMAINS",
        (),
        "Your own domains, with all that is below them, or networks (`203.0.113.0/24`): what is called there is no [third "
        "party](docs/rules.md#third-parties). Private addresses and names need not be listed.",
        parts="domains and networks",
        pattern=INTERNAL_DOMAIN,
        fits=_is_internal_domain,
    ),
    Setting(
        "fast_exceptions",
        "OTEL_ERRSAMPLE_FAST_EXCEPTIONS",
        True,
        "Record exceptions without formatting again the stack frames that were formatted before; `false`: as the SDK does.",
    ),
    Setting(
        "propagated_stacks",
        "OTEL_ERRSAMPLE_PROPAGATED_STACKS",
        False,
        "`true`: repeat an exception's stack trace on every span it passes. Otherwise the first kept one has it, and the others name that span.",
    ),
    Setting(
        "handled",
        "OTEL_ERRSAMPLE_HANDLED",
        False,
        "`true`: an exported span that did not fail, and on which an exception was recorded, says `errsample.handled`.",
    ),
    Setting(
        "dry_run",
        "OTEL_ERRSAMPLE_DRY_RUN",
        False,
        "`true`: export what the head sampler alone would, count every verdict, and note on each exported span what would have happened to it.",
    ),
    Setting(
        "scrub",
        "OTEL_ERRSAMPLE_SCRUB",
        "default",
        "What is taken out before spans leave the process. `default`: secrets and e-mail addresses in messages, stacks, "
        "descriptions and events. `strict`: the messages themselves too.",
        choices=MODES,
    ),
    Setting(
        "scrub_also",
        "OTEL_ERRSAMPLE_SCRUB_ALSO",
        (),
        "What is taken out besides: [IP addresses, phone numbers, card numbers, all that stands in "
        "quotes](docs/scrubbing.md#what-else-can-be-taken-out).",
        choices=ALSO,
        flaw=_kind_flaw,
        guards=True,
    ),
    Setting(
        "scrub_patterns",
        "OTEL_ERRSAMPLE_SCRUB_PATTERNS",
        (),
        "What else is taken out: what [patterns of your own](docs/scrubbing.md#your-own-patterns) match. Needs "
        "`otel-errsample[re2]`.",
        high=MOST_PATTERNS,
        parts="RE2 patterns",
        flaw=_pattern_flaw,
        separator="\n",
        guards=True,
    ),
    Setting(
        "spool_dir",
        "OTEL_ERRSAMPLE_SPOOL_DIR",
        "",
        "A directory on a local disk. Errors are written to a file in it too, and survive the process: the next one, or a "
        "sibling, sends what it left. It is made with mode 0700, and has to be the user's alone.",
    ),
    Setting(
        "spool_bytes",
        "OTEL_ERRSAMPLE_SPOOL_BYTES",
        4 << 20,
        "Size of that file; each process has one.",
        "bytes",
        64 << 10,
        1 << 30,
    ),
    Setting(
        "max_request_bytes",
        "OTEL_ERRSAMPLE_MAX_REQUEST_BYTES",
        2 << 20,
        "The largest export request, before compression. Most gRPC receivers accept 4 MiB.",
        "bytes",
        64 << 10,
        32 << 20,
    ),
    Setting(
        "schedule_delay_ms",
        "OTEL_BSP_SCHEDULE_DELAY",
        5000,
        "The longest time a span that is not an error waits for more spans before it is sent.",
        "milliseconds",
        1,
        3_600_000,
    ),
    Setting(
        "max_export_batch_size",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        512,
        "The most spans in one export request.",
        "spans",
        1,
        65_536,
    ),
)

# What a file or code may set, by argument: not where the file is, and not rules, which have a key of their own.
FILE_SETTINGS: Final = {
    setting.argument: setting for setting in SETTINGS if setting.argument not in ("rules", "config")
}

PREFIX: Final = "OTEL_ERRSAMPLE_"

# The budget is in bytes here, so a number of spans has no meaning; the start line says that it was set in vain.
IGNORED: Final = ("OTEL_BSP_MAX_QUEUE_SIZE",)


class OtlpVariable(NamedTuple):
    """A variable of the OTLP exporters; `OTEL_EXPORTER_OTLP_TRACES_<suffix>` wins over `OTEL_EXPORTER_OTLP_<suffix>`."""

    suffix: str
    default: str
    help: str


OTLP_VARIABLES: Final = (
    OtlpVariable("PROTOCOL", "grpc", "`grpc` or `http/protobuf`."),
    OtlpVariable(
        "ENDPOINT",
        "http://localhost:4317, over HTTP http://localhost:4318",
        "Where to send spans. Over HTTP `/v1/traces` is added to the variable without `TRACES`.",
    ),
    OtlpVariable("HEADERS", "", "`key=value` pairs, comma separated and URL encoded, sent with every request."),
    OtlpVariable("TIMEOUT", "10 s", "Time for one export, in seconds as in the other Python exporters."),
    OtlpVariable("COMPRESSION", "none", "`gzip` or `none`."),
    OtlpVariable("INSECURE", "false", "`true`: gRPC without TLS where the endpoint has no `http://` or `https://`."),
    OtlpVariable("CERTIFICATE", "the system's", "File with the certificates that the receiver's is checked against."),
    OtlpVariable("CLIENT_KEY", "", "File with the private key of the client certificate (mTLS)."),
    OtlpVariable("CLIENT_CERTIFICATE", "", "File with the client certificate (mTLS)."),
)


@dataclass(frozen=True)
class Settings:
    """The settings in force; field by field a row of `SETTINGS`, and `ignored`."""

    enabled: bool
    rules: str
    config: str
    scope: str
    trace_wait_ms: int
    max_buffer_bytes: int
    flush_errors_ms: int
    shutdown_timeout_ms: int
    flush_on_sigterm: bool
    in_app_include: tuple[str, ...]
    helper_frames: tuple[str, ...]
    stack_hash: bool
    fingerprint_aliases: tuple[str, ...]
    internal_domains: tuple[str, ...]
    fast_exceptions: bool
    propagated_stacks: bool
    handled: bool
    dry_run: bool
    scrub: str
    scrub_also: tuple[str, ...]
    scrub_patterns: tuple[str, ...]
    spool_dir: str
    spool_bytes: int
    max_request_bytes: int
    schedule_delay_ms: int
    max_export_batch_size: int
    ignored: tuple[str, ...] = ()
    """Variables that are set but have no meaning here."""

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], warn: Warn, file: Mapping[str, object] | None = None, /, **given: object
    ) -> Settings:
        """What is given in code, else in `environ`, else in `file` (accepted values by argument), else the default.

        None counts as not given, and an empty variable as unset. A bad value in `environ` is reported to `warn` once:
        out of range it becomes the nearest bound, otherwise what holds without the variable. Raises ConfigError for a
        bad value or an unknown name in `given`.
        """
        for argument in given:
            if argument not in FILE_SETTINGS:
                known = ", ".join(sorted(FILE_SETTINGS))
                raise ConfigError(f"{argument!r} is no setting; hint: the settings are {known}")
        values: dict[str, Any] = {}
        refused: set[str] = set()

        def tell(variable: str, message: str) -> None:
            refused.add(variable)
            warn(variable, message)

        for setting in SETTINGS:
            value = given.get(setting.argument)
            if value is None:
                fallback = (file or {}).get(setting.argument, setting.default)
                values[setting.argument] = setting.from_text(environ.get(setting.variable, ""), fallback, tell)
            else:
                values[setting.argument] = setting.checked(value)
        _guard(values, given, refused, warn)
        _warn_of_unknown(environ, warn)
        return cls(**values, ignored=tuple(name for name in IGNORED if environ.get(name, "").strip()))


def _guard(values: dict[str, Any], given: Mapping[str, object], refused: set[str], warn: Warn) -> None:
    """Scrub strictly where what else was asked for cannot be done; say so where it is in vain, since nothing is scrubbed.

    Raises ConfigError where code asks for both.
    """
    for setting in SETTINGS:
        if setting.guards and setting.variable in refused:
            values["scrub"] = "off" if values["scrub"] == "off" else "strict"
        elif setting.guards and values[setting.argument] and values["scrub"] == "off":
            if given.get(setting.argument) and given.get("scrub") == "off":
                raise ConfigError(f"{setting.argument} has no effect where scrub is 'off'; hint: leave one of them out")
            warn(setting.variable, "has no effect, since scrub is off")


def _warn_of_unknown(environ: Mapping[str, str], warn: Warn) -> None:
    """A variable with our prefix that nobody reads: a typo, or a setting of another version."""
    known = [setting.variable.removeprefix(PREFIX) for setting in SETTINGS]
    for name in environ:
        ending = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and ending not in known:
            near = get_close_matches(ending, known, n=1)
            warn(name, "is no setting of this version" + (f"; did you mean {PREFIX}{near[0]}?" if near else ""))
