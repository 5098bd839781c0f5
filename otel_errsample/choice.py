"""Whose settings and rules are in force: those of code, of the environment or of a file; and since when."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.rules import Rules
from otel_errsample.setting import Warn

if TYPE_CHECKING:
    from otel_errsample.configfile import ConfigFile
    from otel_errsample.rules.document import Document

logger = logging.getLogger("otel_errsample")

VARIABLE: Final = "OTEL_ERRSAMPLE_RULES"
CONFIG_VARIABLE: Final = "OTEL_ERRSAMPLE_CONFIG"


def config_file(given: str | os.PathLike[str] | None, warn: Warn) -> ConfigFile | None:
    """The file that code or the environment names, read; only one named in code may raise."""
    path = os.fspath(given) if given is not None else os.environ.get(CONFIG_VARIABLE, "").strip()
    if not path:
        return None
    from otel_errsample.configfile import ConfigFile  # with YAML, for those who use it

    file = ConfigFile(path)
    try:
        file.read()
    except (ConfigError, RuleError):
        if given is not None:
            raise
        strict = "; it asks for scrubbing, which is strict therefore" if file.document.settings else ""
        warn(CONFIG_VARIABLE, f"{file.problem}; nothing of it is used until it is mended{strict}")
    return file


class RuleChoice:
    """The rules of highest rank: those given in code, else the environment's, else the file's, else the default ones.

    `rules` are in force, the default ones included; `source` is "code", the variable, the path of the file or
    "default"; `version` counts, from 1, how often other rules came into force. Raises RuleError for rules given in code
    that are wrong; for the environment's there is one warning, and they are not used.
    """

    def __init__(self, given: Rules | str | None, environment: str, document: Document | None) -> None:
        self._fixed = _fixed(given, environment)
        self.rules, self.source = self.among(document)
        self.version = 1

    def among(self, document: Document | None) -> tuple[Rules, str]:
        """The rules to put in force when the file says this, and their source."""
        if self._fixed is not None:
            return self._fixed
        if document is not None and document.rules is not None:
            return document.rules.with_defaults(), document.source
        return Rules.default(), "default"

    def take(self, rules: Rules, source: str) -> None:
        """These have come into force."""
        self.version += rules != self.rules
        self.rules, self.source = rules, source


def _fixed(given: Rules | str | None, environment: str) -> tuple[Rules, str] | None:
    """The rules that no file replaces, and where they are from."""
    if isinstance(given, str):
        given = Rules.parse(given)
    if given is not None:
        return given.with_defaults(), "code"
    if environment:
        try:
            return Rules.parse(environment, VARIABLE).with_defaults(), VARIABLE
        except RuleError as error:
            logger.warning("%s; they are not used", "; ".join(map(str, error.problems)))
    return None
