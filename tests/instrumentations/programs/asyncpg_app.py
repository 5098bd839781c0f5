"""asyncpg's statements are refused by the PostgreSQL on the port given."""

import asyncio
import sys
from functools import partial

import asyncpg
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

from tests.instrumentations.recording import Recorder
from tests.instrumentations.statements import STATEMENTS

recorder = Recorder()
AsyncPGInstrumentor().instrument()


def execute(statement: str) -> None:
    async def executing() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=int(sys.argv[1]), user="shop", database="postgres", timeout=10, ssl=False
        )
        try:
            with recorder.application():
                await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    asyncio.run(executing())


recorder.play({name: partial(execute, statement) for name, statement in STATEMENTS.items()})
