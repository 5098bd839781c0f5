"""sqlite3 refuses statements."""

import sqlite3
import tempfile

from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
SQLite3Instrumentor().instrument()


def execute(statement: str) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.cursor().execute("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        connection.cursor().execute("INSERT INTO account VALUES (1)")
        with recorder.application():
            connection.cursor().execute(statement)
    finally:
        connection.close()


def locked() -> None:
    with tempfile.TemporaryDirectory() as directory:
        holder = sqlite3.connect(f"{directory}/shop", isolation_level=None)
        connection = sqlite3.connect(f"{directory}/shop", isolation_level=None, timeout=0)
        try:
            holder.execute("BEGIN EXCLUSIVE")
            with recorder.application():
                connection.cursor().execute("CREATE TABLE account (id INTEGER)")
        finally:
            connection.close()
            holder.close()


recorder.play(
    {
        "duplicate": lambda: execute("INSERT INTO account VALUES (1)"),
        "missing table": lambda: execute("SELECT * FROM missing"),
        "locked": locked,
    }
)
