"""A grpc.aio server with the three services, health and reflection on it."""

from __future__ import annotations

from functools import partial

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from spladed.config import Limits
from spladed.errors import Mismatch, Unimplemented
from spladed.rpc.admin_service import AdminService
from spladed.rpc.chunks import OpenStreams
from spladed.rpc.encoder_service import EncoderService
from spladed.rpc.index_service import IndexService
from spladed.rpc.mount import mount
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

__all__ = ["RpcServer"]

_ENCODER = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"]
_INDEX = index_pb2.DESCRIPTOR.services_by_name["Index"]
_ADMIN = admin_pb2.DESCRIPTOR.services_by_name["Admin"]
_NAMES = ("", *(service.full_name for service in (_ENCODER, _INDEX, _ADMIN)))


class RpcServer:
    """Takes its port when it is made, serves from `start` until `stop`.

    Without an `index` service, all methods of Index answer UNIMPLEMENTED.
    Raises Mismatch when the address cannot be had.
    """

    def __init__(
        self,
        listen: str,
        *,
        encoder: EncoderService,
        index: IndexService | None,
        admin: AdminService,
        limits: Limits,
    ) -> None:
        self._streams = OpenStreams()
        self._server = grpc.aio.server(options=_options(limits))
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # set at import
        add = partial(mount, self._server, limits=limits, streams=self._streams)
        add(_ENCODER, encoder)
        add(_INDEX, index, absent=None if index else _no_index())
        add(_ADMIN, admin)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*_NAMES[1:], health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind(listen)

    async def start(self) -> None:
        """Begins to accept calls; health says SERVING."""
        await self._server.start()
        for name in _NAMES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, drain_seconds: float) -> None:
        """Health says NOT_SERVING, new calls are refused, calls in hand get this long.

        Streams of chunks end with Unavailable as soon as what they sent is answered.
        """
        await self._health.enter_graceful_shutdown()
        self._streams.drain()
        await self._server.stop(drain_seconds)

    def _bind(self, listen: str) -> int:
        try:
            return self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise Mismatch(
                f"cannot listen on {listen}: the address is in use or not of this machine; "
                "stop the other server, or choose another with --listen",
                reason="ADDRESS_IN_USE",
                field="server.listen",
            ) from error


def _no_index() -> Unimplemented:
    return Unimplemented(
        "this server encodes and has no index; start it with --data to serve collections",
        reason="NO_INDEX",
    )


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Two servers on one port would share its traffic unnoticed.
        ("grpc.so_reuseport", 0),
        # Room for `mount` to refuse, by name, what is somewhat over the limit.
        ("grpc.max_receive_message_length", limits.max_request_bytes * 2),
        ("grpc.max_send_message_length", -1),
        # What the transport reads ahead of a stream. Left to itself it guesses from the
        # network's speed, and held 27 MB of a stream that nobody read; 1 MiB is 10 MB/s at
        # 100 ms.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 1 << 20),
        # Clients behind load balancers ping; a server that has not said so hangs up on them.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # grpc.max_concurrent_streams stays unset: beyond it calls fail as UNAVAILABLE.
    ]
