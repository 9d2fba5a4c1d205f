"""Every method of the contract, wrapped the same way and mounted on a server.

A service is an object with methods named as the contract's, in snake case:

    unary           a coroutine: request -> reply
    server stream   an async generator: request -> replies
    chunk stream    a coroutine: chunk -> the reply that carries its sequence

What the contract has and the object has not answers UNIMPLEMENTED. Who may not call is told
so before a byte of the request is read. Around each call: the request is parsed (a malformed
one is named, not an internal error), the reply is serialised and its size checked, a unary call
without a deadline gets one, a SpladedError becomes its status, anything else is logged and becomes
INTERNAL without its text, and CancelledError passes (swallowing it leaks the call inside grpc). In
a chunk stream all but the deadline is done for each chunk, and the stream goes on; only a chunk
that cannot be parsed ends it, since it has no sequence, and a key withdrawn.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from spladed.errors import SpladedError, Unimplemented
from spladed.rpc.abort import abort
from spladed.rpc.chunks import ChunkStream, OpenStreams
from spladed.rpc.gate import ANYBODY, Caller, Gate
from spladed.rpc.method import Method
from spladed.rpc.status import to_code

__all__ = ["mount"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler = Callable[[Any], Any]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
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
    methods: dict[str, _Mounted] = {}
    for descriptor in contract.methods:
        method, handler = method_of(descriptor), getattr(service, _snake(descriptor.name), None)
        if handler is None:
            rpc_handler = _always(_refusal(absent or _not_built(descriptor)))
        else:
            rpc_handler = _for_each(descriptor, _wrapped(method, handler, streams))
        path = f"/{contract.full_name}/{descriptor.name}"
        methods[path] = _Mounted(method, rpc_handler)
    server.add_generic_rpc_handlers((_Contract(methods, gate),))


@dataclass(frozen=True, slots=True)
class _Mounted:
    """A method, and what grpc runs for a caller of it."""

    method: Method
    rpc_handler: Callable[[Caller], RpcHandler]


def _always(rpc_handler: RpcHandler) -> Callable[[Caller], RpcHandler]:
    return lambda _: rpc_handler


def _for_each(
    method: MethodDescriptor, call: Callable[[Caller, Any, Context], Awaitable[Any]]
) -> Callable[[Caller], RpcHandler]:
    """One a call, and one for all that nobody counts."""

    def make(caller: Caller) -> RpcHandler:
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(partial(call, caller))
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(partial(call, caller))
        return grpc.unary_unary_rpc_method_handler(partial(call, caller))

    of_anybody = make(ANYBODY)
    return lambda caller: of_anybody if caller is ANYBODY else make(caller)


class _Contract(grpc.GenericRpcHandler):
    """Finds the method of a call, and its caller, before grpc reads the request."""

    def __init__(self, methods: Mapping[str, _Mounted], gate: Gate) -> None:
        self._methods = methods
        self._gate = gate

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> RpcHandler | None:
        """None for another service's method."""
        mounted = self._methods.get(handler_call_details.method)
        if mounted is None:
            return None
        metadata = handler_call_details.invocation_metadata
        try:
            return mounted.rpc_handler(self._gate.enter(mounted.method.rule, metadata))
        except Exception as error:
            method, told = mounted.method, mounted.method.told(error)
            method.watch.answered(method.name, to_code(told).name, told.reason)
            return _refusal(told)


def _wrapped(
    method: Method, handler: Handler, streams: OpenStreams
) -> Callable[[Caller, Any, Context], Awaitable[Any]]:
    if method.descriptor.client_streaming:
        return _chunk_stream(method, handler, streams)
    if method.descriptor.server_streaming:
        return _server_stream(method, handler)
    return _unary(method, handler)


def _unary(
    method: Method, handler: Handler
) -> Callable[[Caller, bytes, Context], Awaitable[bytes | None]]:
    async def call(caller: Caller, raw: bytes, context: Context) -> bytes | None:
        async with _errors_told(method, context):
            with caller:
                work = handler(_parsed(method, raw, caller))
                if context.time_remaining() is None:
                    work = method.in_time(work)
                return method.serialise(await work)

    return call


def _server_stream(
    method: Method, handler: Handler
) -> Callable[[Caller, bytes, Context], Awaitable[None]]:
    async def call(caller: Caller, raw: bytes, context: Context) -> None:
        async with _errors_told(method, context):
            with caller:
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
    method: Method, handler: Handler, streams: OpenStreams
) -> Callable[[Caller, Any, Context], Awaitable[None]]:
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


def _refusal(error: SpladedError) -> RpcHandler:
    """Ends the call; as a stream, whatever it is, since grpc then reads no request first."""

    async def refuse(_: object, context: Context) -> None:
        await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _not_built(method: MethodDescriptor) -> Unimplemented:
    return Unimplemented(
        f"{method.full_name} is in the contract and not built in this version of spladed",
        reason="NOT_BUILT",
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
