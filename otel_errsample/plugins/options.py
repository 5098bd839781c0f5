"""The options of a declarative configuration, checked: what is wrong is said and left out, the rest holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from otel_errsample.config import FILE_SETTINGS
from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.plugins.masking import without_values
from otel_errsample.processor import ErrorSpanProcessor
from otel_errsample.rules import Rules

logger = logging.getLogger("otel_errsample")

# What is an argument of its own, or is looked at elsewhere.
_KEYS: Final = ("rules", "config", "head_sampled", "exporter")


def arguments(given: object, place: str) -> dict[str, Any]:
    """Arguments for a span processor; `place` is the path of the options in their file, for messages."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        logger.warning("%s: is expected to be a mapping of options; it is left out", place)
        return {}
    taken: dict[str, Any] = {}
    settings: dict[str, object] = {}
    unguarded = False
    for name, value in given.items():
        if name in FILE_SETTINGS:
            accepted = FILE_SETTINGS[name].accepted(value)
            if accepted is not None:
                settings[name] = accepted
            elif value is not None:
                _left_out(place, name, FILE_SETTINGS[name].expectation)
                unguarded |= FILE_SETTINGS[name].guards
        elif name == "rules":
            taken |= _rules(value, place)
        elif name == "config":
            taken |= _one(name, value, isinstance(value, str), place, "the path of a file")
        elif name == "head_sampled":
            taken |= _one(name, value, isinstance(value, bool), place, "true or false")
        elif name not in _KEYS:
            near = get_close_matches(str(name), [*FILE_SETTINGS, *_KEYS], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            logger.warning("%s: %r is no option and is left out%s", place, name, hint)
    _guard(settings, unguarded, place)
    return {**taken, "options": settings} if settings else taken


def build(place: str, made: Callable[..., ErrorSpanProcessor] = ErrorSpanProcessor, **given: Any) -> ErrorSpanProcessor:
    """The span processor, where need be without the file that cannot be used."""
    try:
        return made(**given)
    except (ConfigError, RuleError) as error:
        path = given.pop("config", None)
        if path is None:
            raise
        from otel_errsample.configfile import asks_to_scrub  # with YAML, for those who use it

        logger.warning("%s.config: %s; nothing of it is used", place, _on_one_line(error))
        settings = dict(given.pop("options", None) or {})
        _guard(settings, asks_to_scrub(path), f"{place}.config")
        return made(**given, options=settings)


def _guard(settings: dict[str, object], unguarded: bool, place: str) -> None:
    """Scrub strictly where what else was asked for cannot be done, and leave it out where nothing is scrubbed at all."""
    if settings.get("scrub") == "off":
        for name in [name for name in settings if FILE_SETTINGS[name].guards]:
            del settings[name]
            logger.warning("%s.%s: has no effect, since scrub is off", place, name)
    elif unguarded:
        settings["scrub"] = "strict"
        logger.warning("%s: asks for scrubbing, which is strict therefore", place)


def _rules(value: object, place: str) -> dict[str, Any]:
    if isinstance(value, (list, tuple)) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if value is None:
        return {}
    if not isinstance(value, str):
        _left_out(place, "rules", "rule text or a list of rules")
        return {}
    try:
        return {"rules": Rules.parse(value, f"{place}.rules")}
    except RuleError as error:
        logger.warning("%s; they are not used", _on_one_line(error))
        return {}


def _one(name: str, value: object, fits: bool, place: str, expectation: str) -> dict[str, Any]:
    if fits:
        return {name: value}
    if value is not None:
        _left_out(place, name, expectation)
    return {}


def _left_out(place: str, name: object, expectation: str) -> None:
    logger.warning("%s.%s: is expected to be %s; it is left out", place, name, expectation)


def _on_one_line(error: ConfigError | RuleError) -> str:
    return without_values("; ".join(map(str, error.problems)) if isinstance(error, RuleError) else str(error))
