"""gRPC ignores options that it does not know: each name must stand in its library."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc._cython import cygrpc

from spladed.client import channel
from spladed.rpc import server
from spladed.settings import ConnectionsConfig, Limits

LIBRARY = Path(cygrpc.__file__).read_bytes()
OPTIONS = {
    **dict(server._options(Limits(), ConnectionsConfig())),
    **dict(channel._options(channel.Tls(server_name="x"), 1)),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_library_knows_the_option(name: str) -> None:
    assert name.encode() in LIBRARY


def test_what_is_switched_off_never_comes() -> None:
    off = ConnectionsConfig(ping_seconds=0, max_idle_seconds=0, max_age_seconds=0)
    found = dict(server._options(Limits(), off))
    for name in ("keepalive_time_ms", "max_connection_idle_ms", "max_connection_age_ms"):
        assert found[f"grpc.{name}"] == 2**31 - 1
