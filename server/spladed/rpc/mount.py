"""Every method of the contract, wrapped the same way and mounted on a server.

A service is an object with methods named as the contract's, in snake case:

    unary           a coroutine: request -> reply
    server stream   an async generator: request -> replies
    chunk stream    a coroutine: chunk -> the reply that carries its sequence

What the contract has and the object has not answers UNIMPLEMENTED. Around each call: the
request is parsed (a malformed one is named, not an internal error), the reply is
serialised and its size checked, a SpladedError becomes its status, anything else is
logged and becomes INTERNAL without its text, and CancelledError passes (swallowing it
leaks the call inside grpc). In a chunk stream all this is done for each chunk, and the
stream goes on; only a chunk that cannot be parsed ends it, since it has no sequence.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from spladed.config import Limits
from spladed.errors import SpladedError, Unimplemented
from spladed.rpc.chunks import ChunkStream, OpenStreams
from spladed.rpc.method import Method
from spladed.rpc.status import to_code, trailers

__all__ = ["mount"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler = Callable[[Any], Any]
Chunk = tuple[int, Any]  # its size in bytes, and the message


def mount(
    server: grpc.aio.Server,
    contract: ServiceDescriptor,
    service: object,
    limits: Limits,
    *,
    streams: OpenStreams,
    absent: Unimplemented | None = None,
) -> None:
    """Adds all methods of `contract` to `server`, served by `service`.

    absent: what the methods say that `service` has not; by default that they are not built
    """
    methods = {
        method.name: _rpc_handler(
            Method(method, limits), getattr(service, _snake(method.name), None), streams, absent
        )
        for method in contract.methods
    }
    handler = grpc.method_handlers_generic_handler(contract.full_name, methods)
    server.add_generic_rpc_handlers((handler,))


def _rpc_handler(
    method: Method, handler: Handler | None, streams: OpenStreams, absent: Unimplemented | None
) -> grpc.RpcMethodHandler[Any, Any]:
    if method.descriptor.client_streaming:
        wrapped = _chunk_stream(method, handler, streams) if handler else None
        mounted = grpc.stream_stream_rpc_method_handler
    elif method.descriptor.server_streaming:
        wrapped = _server_stream(method, handler) if handler else None
        mounted = grpc.unary_stream_rpc_method_handler
    else:
        wrapped = _unary(method, handler) if handler else None
        mounted = grpc.unary_unary_rpc_method_handler
    return mounted(wrapped or _refusal(absent or _not_built(method.descriptor)))


def _unary(method: Method, handler: Handler) -> Callable[[bytes, Context], Awaitable[bytes | None]]:
    async def call(raw: bytes, context: Context) -> bytes | None:
        async with _errors_told(method, context):
            method.check_size(len(raw))
            return method.serialise(await handler(method.parse(raw)))

    return call


def _server_stream(method: Method, handler: Handler) -> Callable[[bytes, Context], Awaitable[None]]:
    async def call(raw: bytes, context: Context) -> None:
        async with _errors_told(method, context):
            method.check_size(len(raw))
            async with aclosing(handler(method.parse(raw))) as replies:
                async for reply in replies:
                    await context.write(method.serialise(reply))

    return call


def _chunk_stream(
    method: Method, handler: Handler, streams: OpenStreams
) -> Callable[[Any, Context], Awaitable[None]]:
    async def call(_: object, context: Context) -> None:
        read, answer = partial(_read, method, context), partial(_answer, method, handler)
        async with _errors_told(method, context):
            await ChunkStream(read, answer, context.write).run(streams)

    return call


async def _read(method: Method, context: Context) -> Chunk | None:
    raw = await context.read()
    ended = raw is grpc.aio.EOF  # type: ignore[attr-defined]  # missing in grpc's stubs
    return None if ended else (len(raw), method.parse(raw))


async def _answer(method: Method, handler: Handler, chunk: Chunk) -> bytes:
    size, message = chunk
    try:
        method.check_size(size)
        return method.serialise(await handler(message))
    except Exception as error:  # whatever it is, its chunk is answered and the stream goes on
        return method.error_chunk(message.sequence, error)


@asynccontextmanager
async def _errors_told(method: Method, context: Context) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:  # CancelledError is none of these
        await _abort(context, method.told(error))


def _refusal(error: Unimplemented) -> Callable[[Any, Context], Awaitable[None]]:
    async def refuse(_: object, context: Context) -> None:
        await _abort(context, error)

    return refuse


def _not_built(method: MethodDescriptor) -> Unimplemented:
    return Unimplemented(
        f"{method.full_name} is in the contract and not built in this version of spladed",
        reason="NOT_BUILT",
    )


async def _abort(context: Context, error: SpladedError) -> None:
    """Ends the call; grpc does it by raising, so nothing after this runs."""
    await context.abort(to_code(error), error.message, trailers(error))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
