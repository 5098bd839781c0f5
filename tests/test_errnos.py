"""The numbers of the operating system, by name and by what they stand for."""

from __future__ import annotations

import errno
import socket

from otel_errsample import errnos, taxonomy


def test_errno_and_resolver_numbers_are_kept_apart() -> None:
    assert "ECONNREFUSED" == errnos.SYSTEM[errno.ECONNREFUSED][0]
    assert ("EAI_AGAIN", "connection", "backoff", "error") == errnos.RESOLVER[socket.EAI_AGAIN]


def test_they_use_known_words_and_names() -> None:
    for name, kind, recovery, severity in (*errnos.SYSTEM.values(), *errnos.RESOLVER.values()):
        assert name.startswith("E")
        assert (kind in taxonomy.KINDS, recovery in taxonomy.RECOVERIES, severity in taxonomy.SEVERITIES) == (True,) * 3
    names = {row[0] for row in (*errnos.SYSTEM.values(), *errnos.RESOLVER.values())}
    assert errnos.NOT_REACHED <= {f"errno:{name}" for name in names}


def test_the_builtin_classes_are_those_that_python_makes_of_their_numbers() -> None:
    assert {name: type(OSError(number, "")).__name__ for name, number in errnos.OF_CLASSES.items()} == {
        name: name for name in errnos.OF_CLASSES
    }
