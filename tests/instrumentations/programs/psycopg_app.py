"""psycopg's statements are refused by the PostgreSQL on the port given."""

import sys
from functools import partial

import psycopg
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor

from tests.instrumentations.recording import Recorder
from tests.instrumentations.statements import STATEMENTS

recorder = Recorder()
PsycopgInstrumentor().instrument()


def execute(statement: str) -> None:
    target = f"host=127.0.0.1 port={sys.argv[1]} user=shop dbname=postgres connect_timeout=10"
    with psycopg.connect(target) as connection, recorder.application():
        connection.cursor().execute(statement)


recorder.play({name: partial(execute, statement) for name, statement in STATEMENTS.items()})
