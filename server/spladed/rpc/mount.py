"""Every method of the contract, wrapped the same way and mounted on a server.

A service is an object with coroutine methods named as the contract's, in snake case. What
the contract has and the object has not answers UNIMPLEMENTED. Around each call: the
request is parsed (a malformed one is named, not an internal error), the reply is
serialised and its size checked, a SpladedError becomes its status, anything else is
logged and becomes INTERNAL without its text, and CancelledError passes (swallowing it
leaks the call inside grpc).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from spladed.config import Limits
from spladed.errors import Exhausted, Internal, InvalidInput, SpladedError, Unimplemented
from spladed.rpc.status import to_code, trailers

__all__ = ["mount"]

_LOG = logging.getLogger("spladed.rpc")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler = Callable[[Any], Awaitable[Message]]


def mount(
    server: grpc.aio.Server,
    contract: ServiceDescriptor,
    service: object,
    limits: Limits,
    *,
    absent: Unimplemented | None = None,
) -> None:
    """Adds all methods of `contract` to `server`, served by `service`.

    absent: what the methods say that `service` has not; by default that they are not built
    """
    methods = {
        method.name: _rpc_handler(
            method, getattr(service, _snake(method.name), None), limits, absent
        )
        for method in contract.methods
    }
    handler = grpc.method_handlers_generic_handler(contract.full_name, methods)
    server.add_generic_rpc_handlers((handler,))


def _rpc_handler(
    method: MethodDescriptor,
    handler: Handler | None,
    limits: Limits,
    absent: Unimplemented | None,
) -> grpc.RpcMethodHandler[Any, Any]:
    streams = method.client_streaming or method.server_streaming
    if handler is not None and not streams:
        return grpc.unary_unary_rpc_method_handler(_unary(method, handler, limits))
    refuse = _refusal(absent or _not_built(method))
    if not streams:
        return grpc.unary_unary_rpc_method_handler(refuse)
    if not method.client_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.stream_stream_rpc_method_handler(refuse)


def _unary(
    method: MethodDescriptor, handler: Handler, limits: Limits
) -> Callable[[bytes, Context], Awaitable[bytes | None]]:
    parse = GetMessageClass(method.input_type).FromString

    async def call(raw: bytes, context: Context) -> bytes | None:
        try:
            _check_size(len(raw), limits)
            reply = await handler(_parse(parse, raw, method))
            return _serialise(reply, method, limits)
        except asyncio.CancelledError:
            raise
        except SpladedError as error:
            await _abort(context, error)
        except Exception:
            _LOG.exception("this is a bug: %s failed", method.full_name)
            await _abort(context, _bug(method))
        return None  # never reached: abort raises

    return call


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


def _parse(parse: Callable[[bytes], Message], raw: bytes, method: MethodDescriptor) -> Message:
    try:
        return parse(raw)
    except DecodeError as error:
        raise InvalidInput(
            f"the request is not a {method.input_type.full_name}: {len(raw)} bytes that "
            "protobuf cannot read; generate the client from protos/ again",
            reason="MALFORMED_REQUEST",
        ) from error


def _check_size(found: int, limits: Limits) -> None:
    if found > limits.max_request_bytes:
        raise Exhausted(
            f"the request has {found} bytes, more than max_request_bytes "
            f"{limits.max_request_bytes}; send it in parts",
            reason="REQUEST_TOO_LARGE",
        )


def _serialise(reply: Message, method: MethodDescriptor, limits: Limits) -> bytes:
    raw = reply.SerializeToString()
    if len(raw) > limits.max_reply_bytes:
        raise Exhausted(
            f"the reply of {method.name} would have {len(raw)} bytes, more than "
            f"max_reply_bytes {limits.max_reply_bytes}; ask for less in one call",
            reason="REPLY_TOO_LARGE",
        )
    return raw


def _bug(method: MethodDescriptor) -> Internal:
    return Internal(
        f"this is a bug in spladed: {method.name} failed; the server's log has the cause",
        reason="BUG",
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
