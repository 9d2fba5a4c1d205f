"""What is done around a handler, by the shape of its method.

The request is parsed (a malformed one is named, not an internal error), the reply is
serialised and its size checked, a unary call without a deadline gets one, a SpladedError becomes
its status, anything else is logged and becomes INTERNAL without its text, and CancelledError
passes (swallowing it leaks the call inside grpc). In a chunk stream all but the deadline is done
for each chunk, and the stream goes on; only a chunk that cannot be parsed ends it, since it has
no sequence, and a key withdrawn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio

from spladed.errors import InvalidInput
from spladed.rpc.abort import abort
from spladed.rpc.chunks import ChunkStream, OpenStreams
from spladed.rpc.gate import Caller
from spladed.rpc.method import Method
from spladed.rpc.status import to_code

__all__ = ["Context", "Handler", "RpcHandler", "rpc_handlers"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler = Callable[[Any], Any]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Call = Callable[[Caller, Any, Context], Awaitable[Any]]
Chunk = tuple[int, Any]  # its size in bytes, and the message
_OK = grpc.StatusCode.OK.name


def rpc_handlers(
    method: Method, handler: Handler, streams: OpenStreams
) -> Callable[[Caller], RpcHandler]:
    """Makes the handler of a caller.

    Where the caller's calls are limited, each is a stream to grpc, whatever it is to its caller:
    grpc then leaves the request where it is until the call was counted.
    """
    if method.descriptor.client_streaming:
        chunks = _chunk_stream(method, handler, streams)
        return lambda caller: grpc.stream_stream_rpc_method_handler(partial(chunks, caller))
    if method.descriptor.server_streaming:
        whole, counted = _server_stream(method, handler), _counted_stream(method, handler)
        plain = grpc.unary_stream_rpc_method_handler
    else:
        whole, counted = _unary(method, handler), _counted_unary(method, handler)
        plain = grpc.unary_unary_rpc_method_handler

    def make(caller: Caller) -> RpcHandler:
        if caller.is_limited:
            return grpc.stream_stream_rpc_method_handler(partial(counted, caller))
        return plain(partial(whole, caller))

    return make


def _unary(method: Method, handler: Handler) -> Call:
    async def call(caller: Caller, raw: bytes, context: Context) -> bytes | None:
        async with _errors_told(method, context):
            with caller:
                return await _reply(method, handler, _parsed(method, raw, caller), context)

    return call


def _counted_unary(method: Method, handler: Handler) -> Call:
    async def call(caller: Caller, _: object, context: Context) -> None:
        async with _errors_told(method, context):
            with caller:
                request = _parsed(method, await _request(context), caller)
                await context.write(await _reply(method, handler, request, context))

    return call


async def _reply(method: Method, handler: Handler, request: Any, context: Context) -> bytes:
    work = handler(request)
    if context.time_remaining() is None:
        work = method.in_time(work)
    return method.serialise(await work)


def _server_stream(method: Method, handler: Handler) -> Call:
    async def call(caller: Caller, raw: bytes, context: Context) -> None:
        async with _errors_told(method, context):
            with caller:
                await _write_all(method, handler(_parsed(method, raw, caller)), context)

    return call


def _counted_stream(method: Method, handler: Handler) -> Call:
    async def call(caller: Caller, _: object, context: Context) -> None:
        async with _errors_told(method, context):
            with caller:
                request = _parsed(method, await _request(context), caller)
                await _write_all(method, handler(request), context)

    return call


async def _write_all(method: Method, replies: AsyncGenerator[Any, None], context: Context) -> None:
    async with aclosing(replies):
        async for reply in replies:
            await context.write(method.serialise(reply))


async def _request(context: Context) -> bytes:
    """The one request of a call; raises InvalidInput where there is none."""
    raw: Any = await context.read()
    if raw is grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in grpc's stubs
        raise InvalidInput("the call ended without a request", reason="MALFORMED_REQUEST")
    return raw


def _parsed(method: Method, raw: bytes, caller: Caller) -> Any:
    method.check_size(len(raw))
    request = method.parse(raw)
    caller.spend(request)
    return request


def _chunk_stream(method: Method, handler: Handler, streams: OpenStreams) -> Call:
    async def call(caller: Caller, _: object, context: Context) -> None:
        async with _errors_told(method, context):
            with caller:
                read = partial(_read, method, context, caller)
                answer = partial(_answer, method, handler)
                await ChunkStream(read, answer, context.write).run(streams)

    return call


async def _read(method: Method, context: Context, caller: Caller) -> Chunk | None:
    raw = await context.read()
    if raw is grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in grpc's stubs
        return None
    message = method.parse(raw)
    await caller.spend_in_time(message)  # here, in the one reader: chunks keep their order
    return len(raw), message


async def _answer(method: Method, handler: Handler, chunk: Chunk) -> bytes:
    size, message = chunk
    try:
        method.check_size(size)
        answer = method.serialise(await handler(message))
    except Exception as error:  # whatever it is, its chunk is answered and the stream goes on
        return method.error_chunk(message.sequence, error)
    method.watch.answered(method.name, _OK, "")
    return answer


@asynccontextmanager
async def _errors_told(method: Method, context: Context) -> AsyncIterator[None]:
    """Counts the call, and ends it with the status of what was raised."""
    method.watch.began(method.name)
    began, status, reason = time.perf_counter(), _OK, ""
    try:
        yield
    except asyncio.CancelledError:
        status = grpc.StatusCode.CANCELLED.name
        raise
    except Exception as error:
        told = method.told(error)
        status, reason = to_code(told).name, told.reason
        await abort(context, told)
    finally:
        method.watch.ended(method.name, time.perf_counter() - began, status, reason)
