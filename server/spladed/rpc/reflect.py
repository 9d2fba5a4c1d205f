"""Server reflection, for those who may read."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as pb

from spladed.errors import SpladedError
from spladed.rpc.abort import abort
from spladed.rpc.gate import Gate
from spladed.rpc.rules import REFLECTION

__all__ = ["mount_reflection"]


class _Reflection(reflection.aio.ReflectionServicer):
    def __init__(self, names: Iterable[str], gate: Gate) -> None:
        super().__init__(names)
        self._gate = gate

    # An async generator, which grpc's own types do not know of.
    async def ServerReflectionInfo(  # type: ignore[override]  # noqa: N802
        self, request_iterator: AsyncIterable[pb.ServerReflectionRequest], unused_context: Any
    ) -> AsyncIterator[pb.ServerReflectionResponse]:
        """What the services look like, for a caller that the gate lets pass."""
        answers: Any = super().ServerReflectionInfo(request_iterator, unused_context)
        try:
            with self._gate.enter(REFLECTION, unused_context.invocation_metadata()):
                async for reply in answers:
                    yield reply
        except SpladedError as error:
            await abort(unused_context, error)


def mount_reflection(server: Any, names: Iterable[str], gate: Gate) -> None:
    """Adds reflection of these services and of itself."""
    servicer = _Reflection((*names, reflection.SERVICE_NAME), gate)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
