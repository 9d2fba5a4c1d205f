"""Every method of the contract, wrapped the same way and mounted on a server.

A service is an object with methods named as the contract's, in snake case:

    unary           a coroutine: request -> reply
    server stream   an async generator: request -> replies
    chunk stream    a coroutine: chunk -> the reply that carries its sequence

What the contract has and the object has not answers UNIMPLEMENTED. Who may not call is told
so before a byte of the request is read. What else is done around a call stands in `calls`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from spladed.errors import SpladedError, Unimplemented
from spladed.rpc.abort import abort
from spladed.rpc.calls import Context, Handler, RpcHandler, rpc_handlers
from spladed.rpc.chunks import OpenStreams
from spladed.rpc.gate import ANYBODY, Caller, Gate
from spladed.rpc.method import Method
from spladed.rpc.status import to_code

__all__ = ["mount"]


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
            rpc_handler = _for_each(method, handler, streams)
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
    method: Method, handler: Handler, streams: OpenStreams
) -> Callable[[Caller], RpcHandler]:
    """One a call, and one for all that nobody counts."""
    make = rpc_handlers(method, handler, streams)
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
