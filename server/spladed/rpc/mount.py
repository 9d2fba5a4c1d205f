"""Every method of the contract, wrapped the same way and mounted on a server.

A service is an object with methods named as the contract's, in snake case:

    unary           a coroutine: request -> reply
    server stream   an async generator: request -> replies
    chunk stream    a coroutine: chunk -> the reply that carries its sequence

What the contract has and the object has not answers UNIMPLEMENTED. Around each call: the
gate is passed before anything of the request is looked at, the request is parsed (a malformed
one is named, not an internal error), the reply is serialised and its size checked, a unary call
without a deadline gets one, a SpladedError becomes its status, anything else is logged and becomes
INTERNAL without its text, and CancelledError passes (swallowing it leaks the call inside grpc). In
a chunk stream all but the gate and the deadline is done for each chunk, and the stream goes
on; only a chunk that cannot be parsed ends it, since it has no sequence, and a key withdrawn.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from spladed.errors import Unimplemented
from spladed.rpc.abort import abort
from spladed.rpc.chunks import ChunkStream, OpenStreams
from spladed.rpc.gate import Caller, Gate
from spladed.rpc.method import Method
from spladed.rpc.status import to_code

__all__ = ["mount"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler = Callable[[Any], Any]
Chunk = tuple[int, Any]  # its size in bytes, and the message
_OK = grpc.StatusCode.OK.name


def mount(
    server: grpc.aio.Server,
    contract: ServiceDescriptor,
    service: object,
    method_of: Callable[[MethodDescriptor], Method],
    *,
    gate: Gate,
    streams: OpenStreams,
    absent: Unimplemented | None = None,
) -> None:
    """Adds all methods of `contract` to `server`, served by `service`.

    absent: what the methods say that `service` has not; by default that they are not built
    """
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for descriptor in contract.methods:
        method, handler = method_of(descriptor), getattr(service, _snake(descriptor.name), None)
        wrapped = _wrapped(method, handler, gate, streams) if handler else None
        refused = _refusal(method, gate, absent or _not_built(descriptor))
        methods[descriptor.name] = _rpc_handler(descriptor, wrapped or refused)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(contract.full_name, methods),)
    )


def _wrapped(
    method: Method, handler: Handler, gate: Gate, streams: OpenStreams
) -> Callable[[Any, Context], Awaitable[Any]]:
    if method.descriptor.client_streaming:
        return _chunk_stream(method, handler, gate, streams)
    if method.descriptor.server_streaming:
        return _server_stream(method, handler, gate)
    return _unary(method, handler, gate)


def _rpc_handler(
    method: MethodDescriptor, wrapped: Callable[[Any, Context], Awaitable[Any]]
) -> grpc.RpcMethodHandler[Any, Any]:
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(wrapped)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(wrapped)
    return grpc.unary_unary_rpc_method_handler(wrapped)


def _unary(
    method: Method, handler: Handler, gate: Gate
) -> Callable[[bytes, Context], Awaitable[bytes | None]]:
    async def call(raw: bytes, context: Context) -> bytes | None:
        async with _errors_told(method, context):
            with gate.enter(method.rule, context.invocation_metadata) as caller:
                request = _parsed(method, raw, caller)
                work = handler(request)
                if context.time_remaining() is None:
                    work = method.in_time(work)
                return method.serialise(await work)

    return call


def _server_stream(
    method: Method, handler: Handler, gate: Gate
) -> Callable[[bytes, Context], Awaitable[None]]:
    async def call(raw: bytes, context: Context) -> None:
        async with _errors_told(method, context):
            with gate.enter(method.rule, context.invocation_metadata) as caller:
                async with aclosing(handler(_parsed(method, raw, caller))) as replies:
                    async for reply in replies:
                        await context.write(method.serialise(reply))

    return call


def _parsed(method: Method, raw: bytes, caller: Caller) -> Any:
    method.check_size(len(raw))
    request = method.parse(raw)
    caller.spend(request)
    return request


def _chunk_stream(
    method: Method, handler: Handler, gate: Gate, streams: OpenStreams
) -> Callable[[Any, Context], Awaitable[None]]:
    async def call(_: object, context: Context) -> None:
        async with _errors_told(method, context):
            with gate.enter(method.rule, context.invocation_metadata) as caller:
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
    method.watch.chunk(method.name, _OK, "")
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


def _refusal(
    method: Method, gate: Gate, error: Unimplemented
) -> Callable[[Any, Context], Awaitable[None]]:
    async def refuse(_: object, context: Context) -> None:
        async with _errors_told(method, context):
            with gate.enter(method.rule, context.invocation_metadata):
                raise error

    return refuse


def _not_built(method: MethodDescriptor) -> Unimplemented:
    return Unimplemented(
        f"{method.full_name} is in the contract and not built in this version of spladed",
        reason="NOT_BUILT",
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
