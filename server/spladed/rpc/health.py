"""grpc.health.v1 for each service of the contract and for the whole.

Written here, since in grpcio's own a Watch lasts for as long as its client likes, and a drain
waits for it to the end of its time; and nothing bounds their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from spladed.errors import Exhausted, NotFound, Unavailable
from spladed.rpc.abort import abort

__all__ = ["Health"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Each holds a stream open, without a key. One for each of thousands of clients is right.
_MAX_WATCHES = 10_000


class Health(health_pb2_grpc.HealthServicer):
    """Says NOT_SERVING of every name until told otherwise, and for good once it drains."""

    def __init__(self, names: Iterable[str]) -> None:
        self._serving = dict.fromkeys(names, False)
        self._draining = False
        self._watches = 0
        self._changed = asyncio.Event()

    def set(self, names: Iterable[str], serving: bool) -> None:
        """Of these names; ignored once it drains."""
        if not self._draining:
            self._serving.update(dict.fromkeys(names, serving))
            self._tell()

    def drain(self) -> None:
        """NOT_SERVING for good; every Watch says so and ends."""
        self.set(tuple(self._serving), False)
        self._draining = True
        self._tell()

    async def Check(  # noqa: N802  # the contract's name
        self, request: pb.HealthCheckRequest, context: Context
    ) -> pb.HealthCheckResponse:
        """The state now; NOT_FOUND for an unknown name, as the protocol asks."""
        if request.service not in self._serving:
            await abort(context, _unknown(request.service))
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def Watch(  # noqa: N802
        self, request: pb.HealthCheckRequest, context: Context
    ) -> None:
        """The state now and at every change, until the server drains."""
        if self._watches >= _MAX_WATCHES:
            await abort(context, _too_many())
        self._watches += 1
        try:
            await self._watch(request.service, context)
        finally:
            self._watches -= 1
        await abort(context, _ended())

    async def _watch(self, service: str, context: Context) -> None:
        told = None
        while True:
            changed, draining = self._changed, self._draining
            if (status := self._status(service)) != told:
                await context.write(pb.HealthCheckResponse(status=status))
                told = status
            if draining:
                return
            await changed.wait()

    def _status(self, service: str) -> pb.HealthCheckResponse.ServingStatus:
        serving = self._serving.get(service)
        if serving is None:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        return pb.HealthCheckResponse.SERVING if serving else pb.HealthCheckResponse.NOT_SERVING

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _unknown(service: str) -> NotFound:
    return NotFound(
        f"service is {service!r}; this server has not got it", reason="SERVICE", field="service"
    )


def _too_many() -> Exhausted:
    return Exhausted(f"{_MAX_WATCHES} calls of Watch are open; use Check", reason="WATCHES")


def _ended() -> Unavailable:
    return Unavailable("the server is shutting down", reason="SHUTTING_DOWN")
