"""How a channel to a server is opened: addresses, certificates, keys, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from spladed.errors import InvalidInput, NotFound

__all__ = ["Tls", "credentials_of", "open_aio_channel", "open_channel"]

# What servers with gRPC's defaults accept: more frequent pings are answered with "too many
# pings" and the end of the connection.
_KEEPALIVE_MS = 300_000


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates, as PEM files.

    authority:   of those the server's certificate may come from; empty takes the system's
    certificate: of this client, where the server asks for one; with its `key`
    server_name: what the server's certificate must name, where that is not the target's host
    """

    authority: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """The credentials; raises NotFound for a file that cannot be read."""
        if bool(self.certificate) != bool(self.key):
            raise InvalidInput(
                "tls.certificate and tls.key belong together; give both or neither",
                reason="TLS",
                field="tls",
            )
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.authority, "tls.authority"),
            private_key=_read(self.key, "tls.key"),
            certificate_chain=_read(self.certificate, "tls.certificate"),
        )


def credentials_of(api_key: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries an API key; none for an empty one."""
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


def open_channel(target: str, tls: Tls | None, max_reply_bytes: int) -> grpc.Channel:
    """A channel for blocking calls; it connects with the first of them."""
    options = _options(tls, max_reply_bytes)
    if tls is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, tls.credentials(), options)


def open_aio_channel(target: str, tls: Tls | None, max_reply_bytes: int) -> grpc.aio.Channel:
    """A channel for calls of the running event loop."""
    options = _options(tls, max_reply_bytes)
    if tls is None:
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, tls.credentials(), options)


def _options(tls: Tls | None, max_reply_bytes: int) -> Sequence[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", max_reply_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        # A server that restarts is back within seconds; gRPC's default waits up to 120.
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.enable_retries", 0),  # `retry` decides, by the server's own RetryInfo
    ]
    if tls and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def _read(path: str, field: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFound(
            f"{field}: cannot read {path}: {error.strerror}", reason="TLS", field=field
        ) from error
