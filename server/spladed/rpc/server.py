"""A grpc.aio server with the three services, health and reflection on it."""

from __future__ import annotations

from functools import partial

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc

from spladed.config import Config
from spladed.errors import Mismatch, Unimplemented
from spladed.rpc.admin_service import AdminService
from spladed.rpc.chunks import OpenStreams
from spladed.rpc.encoder_service import EncoderService
from spladed.rpc.gate import Gate
from spladed.rpc.health import Health
from spladed.rpc.index_service import IndexService
from spladed.rpc.method import Method
from spladed.rpc.mount import mount
from spladed.rpc.outside import redaction
from spladed.rpc.reflect import mount_reflection
from spladed.rpc.tls import server_credentials
from spladed.rpc.watch import Watch
from spladed.settings import ConnectionsConfig, Limits
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

__all__ = ["RpcServer"]

_ENCODER = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"]
_INDEX = index_pb2.DESCRIPTOR.services_by_name["Index"]
_ADMIN = admin_pb2.DESCRIPTOR.services_by_name["Admin"]
_NAMES = tuple(service.full_name for service in (_ENCODER, _INDEX, _ADMIN))

_FOR_EVER = 2**31 - 1  # milliseconds: what gRPC takes for a time that never comes


class RpcServer:
    """Takes its port when it is made, serves from `start` until `stop`.

    Without an `index` service, all methods of Index answer UNIMPLEMENTED, and its health is
    NOT_SERVING. Raises Mismatch when the address cannot be had, NotFound or InvalidInput for
    certificates and keys that cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        encoder: EncoderService,
        index: IndexService | None,
        admin: AdminService,
        watch: Watch,
    ) -> None:
        self._streams = OpenStreams()
        self._server = grpc.aio.server(options=_options(config.limits, config.connections))
        self._health = Health(("", *_NAMES))
        self._served = [name for name in ("", *_NAMES) if index or name != _INDEX.full_name]
        gate = Gate.open(config.security.api_keys)
        said = redaction(
            (
                config.server.data, config.server.backups, config.server.bundle,
                config.server.bundles,
            )
        )  # fmt: skip
        method_of = partial(Method, limits=config.limits, said=said, watch=watch)
        add = partial(mount, self._server, method_of=method_of, gate=gate, streams=self._streams)
        add(_ENCODER, encoder)
        add(_INDEX, index, absent=None if index else _no_index())
        add(_ADMIN, admin)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        mount_reflection(self._server, (*_NAMES, health.SERVICE_NAME), gate)
        self.port = self._bind(config)

    async def start(self) -> None:
        """Begins to accept calls; health says NOT_SERVING until `set_serving`."""
        await self._server.start()

    def set_serving(self, serving: bool) -> None:
        """What health says of all services that are here; nothing changes once it drains."""
        self._health.set(self._served, serving)

    async def stop(self, drain_seconds: float) -> None:
        """Health says NOT_SERVING, new calls are refused, calls in hand get this long.

        Streams of chunks end with Unavailable as soon as what they sent is answered, every
        Watch as soon as it was told.
        """
        self._health.drain()
        self._streams.drain()
        await self._server.stop(drain_seconds)

    def _bind(self, config: Config) -> int:
        listen = config.server.listen
        credentials = server_credentials(config.security) if config.security.certificate else None
        try:
            if credentials:
                return self._server.add_secure_port(listen, credentials)
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


def _options(limits: Limits, connections: ConnectionsConfig) -> list[tuple[str, int]]:
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
        ("grpc.max_allowed_incoming_connections", connections.max_connections),
        ("grpc.max_metadata_size", connections.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", connections.max_metadata_bytes),
        ("grpc.server_handshake_timeout_ms", _ms(connections.handshake_seconds)),
        # A little less than is promised: pings sent so far apart may arrive closer together.
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            _ms(connections.min_ping_seconds * 0.9),
        ),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _ms(connections.ping_seconds) or _FOR_EVER),
        ("grpc.keepalive_timeout_ms", _ms(connections.ping_timeout_seconds)),
        ("grpc.max_connection_idle_ms", _ms(connections.max_idle_seconds) or _FOR_EVER),
        ("grpc.max_connection_age_ms", _ms(connections.max_age_seconds) or _FOR_EVER),
        ("grpc.max_connection_age_grace_ms", _ms(connections.max_age_grace_seconds) or _FOR_EVER),
        # grpc.max_concurrent_streams stays unset: beyond it calls fail as UNAVAILABLE.
    ]


def _ms(seconds: float) -> int:
    return min(int(seconds * 1_000), _FOR_EVER)
