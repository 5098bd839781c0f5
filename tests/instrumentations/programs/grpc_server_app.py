"""A gRPC server, sync and aio, whose handlers fail. Its callers are not instrumented."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorServer, GrpcInstrumentorServer

from tests.instrumentations.recording import Recorder

recorder = Recorder()
GrpcInstrumentorServer().instrument()
GrpcAioInstrumentorServer().instrument()


def broken(_request: bytes, _context: grpc.ServicerContext) -> NoReturn:
    with recorder.application():
        raise ValueError("boom")


def aborting(code: grpc.StatusCode) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def abort(_request: bytes, context: grpc.ServicerContext) -> bytes:
        with recorder.application():
            context.abort(code, "down")
        return b""

    return abort


def setting(_request: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
    return b""


async def broken_aio(request: bytes, context: grpc.ServicerContext) -> NoReturn:
    broken(request, context)


def aborting_aio(code: grpc.StatusCode) -> Callable[[bytes, Any], Any]:
    async def abort_aio(_request: bytes, context: Any) -> None:
        with recorder.application():
            await context.abort(code, "down")

    return abort_aio


async def setting_aio(request: bytes, context: Any) -> bytes:
    return setting(request, context)


def service(behaviour: Callable[..., Any]) -> tuple[grpc.GenericRpcHandler]:
    method = grpc.unary_unary_rpc_method_handler(behaviour)
    return (grpc.method_handlers_generic_handler("shop.Shop", {"Buy": method}),)


def call(behaviour: Callable[..., Any]) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=service(behaviour))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            channel.unary_unary("/shop.Shop/Buy")(b"", timeout=10)
    finally:
        server.stop(None).wait(10)


def call_aio(behaviour: Callable[..., Any]) -> None:
    async def calling() -> None:
        server = grpc.aio.server(handlers=service(behaviour))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await channel.unary_unary("/shop.Shop/Buy")(b"", timeout=10)
        finally:
            await server.stop(10)

    asyncio.run(calling())


recorder.play(
    {
        "raise": lambda: call(broken),
        "abort UNAVAILABLE": lambda: call(aborting(grpc.StatusCode.UNAVAILABLE)),
        "abort NOT_FOUND": lambda: call(aborting(grpc.StatusCode.NOT_FOUND)),
        "set_code RESOURCE_EXHAUSTED": lambda: call(setting),
        "aio raise": lambda: call_aio(broken_aio),
        "aio abort UNAVAILABLE": lambda: call_aio(aborting_aio(grpc.StatusCode.UNAVAILABLE)),
        "aio abort NOT_FOUND": lambda: call_aio(aborting_aio(grpc.StatusCode.NOT_FOUND)),
        "aio set_code RESOURCE_EXHAUSTED": lambda: call_aio(setting_aio),
    }
)
