"""SQLAlchemy wraps what its drivers raise."""

import sqlalchemy
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy.pool import StaticPool

from tests.instrumentations.recording import Recorder

recorder = Recorder()
SQLAlchemyInstrumentor().instrument()


def execute(statement: str) -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE account (id INTEGER PRIMARY KEY)"))
            connection.execute(sqlalchemy.text("INSERT INTO account VALUES (1)"))
        with engine.connect() as connection, recorder.application():
            connection.execute(sqlalchemy.text(statement))
    finally:
        engine.dispose()


def connect() -> None:
    engine = sqlalchemy.create_engine("sqlite:////nowhere/at/all")
    with recorder.application():
        engine.connect()


recorder.play(
    {
        "duplicate": lambda: execute("INSERT INTO account VALUES (1)"),
        "missing table": lambda: execute("SELECT * FROM missing"),
        "connect": connect,
    }
)
