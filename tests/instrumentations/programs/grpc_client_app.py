"""A gRPC client, sync and aio, whose calls fail. Its server is not instrumented."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient

from tests.instrumentations.recording import Recorder

recorder = Recorder()
GrpcInstrumentorClient().instrument()
GrpcAioInstrumentorClient().instrument()


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode[request.decode()], "as asked for")
    return b""


def fail_later(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield b""
    fail(request, context)


@contextmanager
def serving() -> Iterator[str]:
    methods = {
        "Buy": grpc.unary_unary_rpc_method_handler(fail),
        "Watch": grpc.unary_stream_rpc_method_handler(fail_later),
    }
    server = grpc.server(ThreadPoolExecutor(2), handlers=(grpc.method_handlers_generic_handler("shop.Shop", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(10)


def call(code: str) -> None:
    with grpc.insecure_channel(address) as channel, recorder.application():
        channel.unary_unary("/shop.Shop/Buy")(code.encode(), timeout=10)


def stream(code: str) -> None:
    with grpc.insecure_channel(address) as channel, recorder.application():
        list(channel.unary_stream("/shop.Shop/Watch")(code.encode(), timeout=10))


def future(code: str) -> None:
    with grpc.insecure_channel(address) as channel, recorder.application():
        channel.unary_unary("/shop.Shop/Buy").future(code.encode(), timeout=10).result(10)


def call_aio(code: str) -> None:
    async def calling() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            with recorder.application():
                await channel.unary_unary("/shop.Shop/Buy")(code.encode(), timeout=10)

    asyncio.run(calling())


with serving() as address:
    recorder.play(
        {
            "UNAVAILABLE": lambda: call("UNAVAILABLE"),
            "NOT_FOUND": lambda: call("NOT_FOUND"),
            "UNKNOWN": lambda: call("UNKNOWN"),
            "DEADLINE_EXCEEDED": lambda: call("DEADLINE_EXCEEDED"),
            "RESOURCE_EXHAUSTED": lambda: call("RESOURCE_EXHAUSTED"),
            "stream UNAVAILABLE": lambda: stream("UNAVAILABLE"),
            "future UNAVAILABLE": lambda: future("UNAVAILABLE"),
            "aio UNAVAILABLE": lambda: call_aio("UNAVAILABLE"),
        }
    )
