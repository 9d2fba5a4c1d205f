"""Who can reach a server that asks for nothing? What an operator should read at a start."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from spladed.settings import SecurityConfig

__all__ = ["is_loopback", "warnings"]


def warnings(listen: str, security: SecurityConfig) -> Iterator[str]:
    """A sentence for each thing that lies open beyond this machine."""
    if is_loopback(listen):
        return
    if not security.certificate:
        secrets = "API keys and texts" if security.api_keys else "texts"
        yield (
            f"listening on {listen} without TLS: {secrets} cross the network in clear; set "
            "security.certificate and security.key, or end TLS in front of this server"
        )
    if not security.api_keys and not security.client_ca:
        yield (
            f"listening on {listen} without API keys or client certificates: whoever reaches it "
            "may read, write, delete and stop the server; set security.api_keys or "
            "security.client_ca"
        )


def is_loopback(listen: str) -> bool:
    """Whether HOST:PORT is for this machine alone; a name other than localhost is not known."""
    host = listen.rpartition(":")[0].strip("[]")
    if host in ("localhost", "unix"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
