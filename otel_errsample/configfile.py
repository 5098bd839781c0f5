"""The configuration file of a span processor: read at start, watched by the worker, exchanged when it changes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.places import fixed
from otel_errsample.rules.document import Document, content_of, load
from otel_errsample.watch import FileWatch

logger = logging.getLogger("otel_errsample")

# Different mistakes of a file that nobody gets right, each worth a line.
MOST_SAID: Final = 100

_ASKS_TO_SCRUB: Final = re.compile(r"""scrub_also|scrub_patterns|scrub['"]?\s*:(?!\s*['"]?(?:default|off)\b)""")


class ConfigFile:
    """The last good content of a file, and what is wrong with it now.

    `document` is what is in force, empty as long as the file was never good; `problem` is empty where the file is in
    force as it is.
    """

    def __init__(self, path: str) -> None:
        path = fixed(path)
        self.path = path
        self.document = Document(path)
        self.problem = ""
        self._read: Document | None = None
        self._said: set[str] = set()
        self._watch = FileWatch(path)
        self._apply: Callable[[Document, Document], str] | None = None

    def read(self) -> None:
        """Read the file for the first time. Raises ConfigError where that fails, RuleError where it is wrong.

        A wrong one that asks for scrubbing is in force as one that asks for all of it.
        """
        try:
            self.document = self._read = load(self.path)
        except OSError as error:
            self.problem = _unreadable(self.path, error)
            raise ConfigError(self.problem) from None
        except RuleError as error:
            self.problem = "; ".join(map(str, error.problems))
            if asks_to_scrub(self.path):
                self.document = Document(self.path, settings={"scrub": "strict"})
            raise
        finally:
            self._said = {self.problem}

    def on_change(self, apply: Callable[[Document, Document], str]) -> None:
        """Call `apply` with each new content and the former one; it puts it in force and says what has changed."""
        self._apply = apply

    def seconds_left(self, now: float) -> float:
        """Until the next look at the file."""
        return self._watch.seconds_left(now)

    def look(self, now: float) -> None:
        """Look at the file, if it is time, and put in force what is new and good.

        What is wrong leaves the last good content in force, and is said once. What `apply` raises goes up, and the next
        look tries again.
        """
        if self._apply is None or not self._watch.changed(now):
            return
        try:
            self._take(load(self.path), self._apply)
        except OSError as error:
            self._complain(_unreadable(self.path, error))
        except RuleError as error:
            self._complain("; ".join(map(str, error.problems)))
        except BaseException:
            self._watch.again()
            raise

    def _take(self, document: Document, apply: Callable[[Document, Document], str]) -> None:
        if document != self._read:
            changes = apply(document, self.document)
            self.document = self._read = document
            logger.info("%s has changed: %s", self.path, changes or "nothing that matters")
        elif self.problem:
            logger.info("%s is again what is in force", self.path)
        self.problem = ""
        self._said.clear()

    def _complain(self, problem: str) -> None:
        self.problem = problem
        if problem not in self._said and len(self._said) < MOST_SAID:
            self._said.add(problem)
            logger.warning("%s; what was in force before stays", problem)


def asks_to_scrub(path: str) -> bool:
    """Whether a file, of which nothing else may be understood, wants more taken out than is by default."""
    try:
        content = content_of(path).replace(b"\0", b"")  # every other byte of UTF-16
    except OSError:
        return False
    return _ASKS_TO_SCRUB.search(content.decode("utf-8", "replace")) is not None


def _unreadable(path: str, error: OSError) -> str:
    return f"{path}: cannot be read ({error.strerror or error})"
