"""config.py: lenient towards the environment, strict towards code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.config import FILE_SETTINGS, OTLP_VARIABLES, SETTINGS, Settings
from otel_errsample.errors import ConfigError
from otel_errsample.setting import Setting

NUMBERS = [setting for setting in SETTINGS if type(setting.default) is int]
by_variable = pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.variable)


class Read:
    """The settings of an environment, and what was warned about."""

    def __init__(
        self, environ: Mapping[str, str], file: Mapping[str, object] | None = None, /, **given: object
    ) -> None:
        self.warnings: list[tuple[str, str]] = []
        self.settings = Settings.from_env(environ, lambda *warning: self.warnings.append(warning), file, **given)


def test_the_defaults_are_those_of_the_design() -> None:
    read = Read({})
    assert read.warnings == []
    assert read.settings == Settings(
        enabled=True,
        rules="",
        config="",
        scope="path",
        trace_wait_ms=60_000,
        max_buffer_bytes=16 * 1024 * 1024,
        flush_errors_ms=200,
        shutdown_timeout_ms=5000,
        flush_on_sigterm=False,
        in_app_include=(),
        helper_frames=(),
        stack_hash=False,
        fingerprint_aliases=(),
        internal_domains=(),
        fast_exceptions=True,
        propagated_stacks=False,
        handled=False,
        dry_run=False,
        scrub="default",
        scrub_also=(),
        scrub_patterns=(),
        spool_dir="",
        spool_bytes=4 * 1024 * 1024,
        max_request_bytes=2 * 1024 * 1024,
        schedule_delay_ms=5000,
        max_export_batch_size=512,
    )


@pytest.mark.parametrize(
    "setting",
    [setting for setting in SETTINGS if setting.choices and type(setting.default) is str],
    ids=lambda s: s.variable,
)
def test_a_choice_is_read_whatever_its_case(setting: Setting) -> None:
    """As OpenTelemetry's specification wants it; code and files, which are checked, have to be exact."""
    for choice in setting.choices:
        for text in (choice.upper(), choice.title(), f" {choice} "):
            read = Read({setting.variable: text})
            assert (choice, []) == (getattr(read.settings, setting.argument), read.warnings)
    with pytest.raises(ConfigError):
        Read({}, **{setting.argument: setting.choices[0].upper()})


def test_every_field_has_a_row() -> None:
    fields = [field.name for field in dataclasses.fields(Settings) if field.name != "ignored"]
    assert [setting.argument for setting in SETTINGS] == fields


def test_variables_are_named_once() -> None:
    names = [setting.variable for setting in SETTINGS] + [variable.suffix for variable in OTLP_VARIABLES]
    assert len(set(names)) == len(names)


@by_variable
def test_a_default_is_in_its_own_range(setting: Setting) -> None:
    assert isinstance(setting.default, int)
    assert setting.low <= setting.default <= setting.high


def test_good_values_are_taken() -> None:
    environ = {
        "OTEL_ERRSAMPLE_RULES": "a: keep if error;\nb: drop\n",
        "OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": " 65536 ",
        "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "0",
        "OTEL_ERRSAMPLE_IN_APP_INCLUDE": "shop, shop_plugins ,,",
        "OTEL_BSP_SCHEDULE_DELAY": "+250",
    }
    read = Read(environ)
    assert read.warnings == []
    assert read.settings == dataclasses.replace(
        Read({}).settings,
        rules="a: keep if error;\nb: drop",
        max_buffer_bytes=65536,
        flush_errors_ms=0,
        in_app_include=("shop", "shop_plugins"),
        schedule_delay_ms=250,
    )


@pytest.mark.scenario("I1")
@pytest.mark.parametrize("text", ["", " ", "\t\n"], ids=repr)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_empty_counts_as_unset(setting: Setting, text: str) -> None:
    read = Read({setting.variable: text})
    assert (Read({}).settings, []) == (read.settings, read.warnings)


@pytest.mark.scenario("I1")
@by_variable
@pytest.mark.parametrize(
    "text", ["many", "1.5", "1e3", "16MiB", "0x10", "1_000", "٣", "12\0", "9" * 5000, "--1", "nan"], ids=lambda t: t[:8]
)
def test_what_is_no_number_warns_once_and_gives_the_default(setting: Setting, text: str) -> None:
    read = Read({setting.variable: text})
    assert read.settings == Read({}).settings
    [(variable, message)] = read.warnings
    assert variable == setting.variable
    assert message == f"is expected to be {setting.expectation}; the default {setting.default} is used"


@pytest.mark.scenario("I1")
@by_variable
@pytest.mark.parametrize("side", ["low", "high"])
def test_out_of_range_warns_once_and_gives_the_nearest_bound(setting: Setting, side: str) -> None:
    bound = getattr(setting, side)
    text = "-123456789" if side == "low" else str(10**18)
    read = Read({setting.variable: text})
    assert bound == getattr(read.settings, setting.argument)
    expected = f"is expected to be {setting.expectation}; {bound} is used (default {setting.default})"
    assert [(setting.variable, expected)] == read.warnings


@pytest.mark.parametrize(("text", "expected"), [("true", True), (" TRUE ", True), ("False", False)])
def test_a_switch_is_true_or_false(text: str, expected: bool) -> None:
    read = Read({"OTEL_ERRSAMPLE_DRY_RUN": text})
    assert (expected, []) == (read.settings.dry_run, read.warnings)


@pytest.mark.parametrize("text", ["1", "yes", "on", "truee"])
def test_what_is_neither_warns_once_and_gives_the_default(text: str) -> None:
    read = Read({"OTEL_ERRSAMPLE_DRY_RUN": text})
    message = "is expected to be true or false; the default false is used"
    assert (False, [("OTEL_ERRSAMPLE_DRY_RUN", message)]) == (read.settings.dry_run, read.warnings)


@pytest.mark.parametrize(
    ("file", "used"), [({}, "the default empty list"), ({"internal_domains": ("a.b", "c.d")}, "the file's a.b, c.d")]
)
def test_a_list_with_a_part_that_is_none_warns_once_and_is_left_out(file: dict[str, object], used: str) -> None:
    read = Read({"OTEL_ERRSAMPLE_INTERNAL_DOMAINS": "example.com, https://example.org"}, file)
    message = "is expected to be a comma separated list of domains and networks; number 2 is none of these"
    assert [("OTEL_ERRSAMPLE_INTERNAL_DOMAINS", f"{message}; {used} is used")] == read.warnings
    assert file.get("internal_domains", ()) == read.settings.internal_domains


def test_the_message_in_full() -> None:
    read = Read({"OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "soon"})
    message = "is expected to be a whole number of milliseconds from 0 to 60000; the default 200 is used"
    assert [("OTEL_ERRSAMPLE_FLUSH_ERRORS_MS", message)] == read.warnings


@given(st.dictionaries(st.sampled_from([setting.variable for setting in SETTINGS]), st.text(max_size=40)))
def test_no_environment_raises_and_every_number_is_in_its_range(environ: dict[str, str]) -> None:
    read = Read(environ)
    for setting in NUMBERS:
        assert setting.low <= getattr(read.settings, setting.argument) <= setting.high
    assert len({variable for variable, _ in read.warnings}) == len(read.warnings)


@pytest.mark.scenario("I1")
@given(st.sampled_from(NUMBERS), st.from_regex(r"secret-[a-z]{8}-[0-9]+", fullmatch=True))
def test_a_warning_never_shows_the_value(setting: Setting, secret: str) -> None:
    [(_, message)] = Read({setting.variable: secret}).warnings
    assert secret not in message


def test_a_value_given_in_code_wins_and_silences_its_variable() -> None:
    read = Read({"OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": "junk"}, max_buffer_bytes=65536, in_app_include=["shop"])
    assert read.warnings == []
    assert (65536, ("shop",)) == (read.settings.max_buffer_bytes, read.settings.in_app_include)


def test_a_file_stands_between_the_environment_and_the_defaults() -> None:
    file = {"flush_errors_ms": 50, "max_buffer_bytes": 65536, "schedule_delay_ms": 9, "in_app_include": ("shop",)}
    read = Read({"OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": "131072"}, file, schedule_delay_ms=7)
    assert read.settings == dataclasses.replace(
        Read({}).settings,
        flush_errors_ms=50,
        max_buffer_bytes=131072,
        schedule_delay_ms=7,
        in_app_include=("shop",),
    )


def test_a_bad_variable_gives_what_the_file_says() -> None:
    read = Read({"OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "soon"}, {"flush_errors_ms": 50})
    message = "is expected to be a whole number of milliseconds from 0 to 60000; the file's 50 is used"
    assert (50, [("OTEL_ERRSAMPLE_FLUSH_ERRORS_MS", message)]) == (read.settings.flush_errors_ms, read.warnings)


def test_a_file_sets_everything_but_its_own_place_and_its_rules() -> None:
    assert set(FILE_SETTINGS) == {setting.argument for setting in SETTINGS} - {"rules", "config"}


def test_none_in_code_counts_as_not_given() -> None:
    assert Read({"OTEL_BSP_SCHEDULE_DELAY": "7"}, schedule_delay_ms=None).settings.schedule_delay_ms == 7


@pytest.mark.parametrize(
    ("argument", "value", "expectation"),
    [
        pytest.param("flush_errors_ms", -1, "a whole number of milliseconds from 0 to 60000", id="too low"),
        pytest.param("flush_errors_ms", 60001, "a whole number of milliseconds from 0 to 60000", id="too high"),
        pytest.param("flush_errors_ms", True, "a whole number of milliseconds from 0 to 60000", id="bool"),
        pytest.param("flush_errors_ms", 2.0, "a whole number of milliseconds from 0 to 60000", id="float"),
        pytest.param("flush_errors_ms", "200", "a whole number of milliseconds from 0 to 60000", id="text"),
        pytest.param("max_export_batch_size", 0, "a whole number of spans from 1 to 65536", id="zero"),
        pytest.param("dry_run", 1, "True or False", id="a number for a switch"),
        pytest.param("spool_dir", 5, "text", id="a directory as a number"),
        pytest.param("in_app_include", "shop", "a list or tuple of non-empty strings", id="one string"),
        pytest.param("in_app_include", ["shop", ""], "a list or tuple of non-empty strings", id="empty prefix"),
        pytest.param("in_app_include", [1], "a list or tuple of non-empty strings", id="prefix as a number"),
        pytest.param("fingerprint_aliases", ["errsample.kind"], "a list or tuple of attribute names", id="one of ours"),
        pytest.param("fingerprint_aliases", ["error.type"], "a list or tuple of attribute names", id="the class"),
        pytest.param("internal_domains", ["a.example", "*.b"], "a list or tuple of domains and networks", id="a glob"),
    ],
)
def test_a_bad_value_in_code_is_refused_with_expectation_value_and_hint(
    argument: str, value: object, expectation: str
) -> None:
    row = next(setting for setting in SETTINGS if setting.argument == argument)
    with pytest.raises(ConfigError) as caught:
        Read({}, **{argument: value})
    assert str(caught.value) == (
        f"{argument} is expected to be {expectation}, got {value!r}; "
        f"hint: leave it out to take {row.variable} or its default {row.default!r}"
    )


def test_a_name_of_a_list_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        Read({}, scrub_also=["quoted", "ip_adresses"])
    assert str(caught.value) == (
        "scrub_also[1] is none of ip_addresses, phone_numbers, card_numbers, quoted, got 'ip_adresses'; "
        "hint: did you mean 'ip_addresses'?"
    )


def test_an_unknown_setting_in_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="'max_queue_size' is no setting; hint: the settings are dry_run, enabled, "):
        Read({}, max_queue_size=2048)


@pytest.mark.parametrize(("text", "expected"), [("2048", ("OTEL_BSP_MAX_QUEUE_SIZE",)), ("", ())], ids=["set", "empty"])
def test_a_variable_without_meaning_here_is_named_when_set(text: str, expected: tuple[str, ...]) -> None:
    read = Read({"OTEL_BSP_MAX_QUEUE_SIZE": text})
    assert (expected, []) == (read.settings.ignored, read.warnings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OTEL_ERRSAMPLE_RULE", "is no setting of this version; did you mean OTEL_ERRSAMPLE_RULES?"),
        ("OTEL_ERRSAMPLE_ELEPHANT", "is no setting of this version"),
    ],
)
def test_a_variable_nobody_reads_is_named(name: str, message: str) -> None:
    warnings: list[tuple[str, str]] = []
    Settings.from_env({name: "secret"}, lambda variable, text: warnings.append((variable, text)))
    assert [(name, message)] == warnings
