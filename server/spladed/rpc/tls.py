"""The server's certificates, taken anew for each connection once their files have changed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NoReturn

import grpc

from spladed.errors import InvalidInput, NotFound
from spladed.rpc.watched import Watched
from spladed.settings import SecurityConfig

__all__ = ["server_credentials"]


def server_credentials(security: SecurityConfig) -> grpc.ServerCredentials:
    """Credentials that follow the files; connections that stand keep what they began with.

    Raises NotFound or InvalidInput, reason TLS, naming the file that cannot be used.
    """
    paths = (security.certificate, security.key, security.client_ca)
    # Any: grpc's types do not know that it may give None, its documentation does.
    fetcher: Any = _Fetcher(Watched(paths, lambda: _configuration(security)))
    return grpc.dynamic_ssl_server_credentials(
        fetcher.given, fetcher, require_client_authentication=bool(security.client_ca)
    )


class _Fetcher:
    """What gRPC asks before each handshake, on a thread of its own, one at a time."""

    def __init__(self, watched: Watched[grpc.ServerCertificateConfiguration]) -> None:
        self._watched = watched
        self.given = watched.current()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificates, if they are others than before; None keeps gRPC's parsed ones."""
        current = self._watched.current()
        if current is self.given:
            return None
        self.given = current
        return current


def _configuration(security: SecurityConfig) -> grpc.ServerCertificateConfiguration:
    """The files' bytes, proven by OpenSSL first: gRPC would only fail each handshake."""
    before = _read_all(security)
    _check(security)
    if before != _read_all(security):
        _refuse("certificate", security.certificate, "was being written while it was read")
    certificate, key, client_ca = before
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca or None)


def _check(security: SecurityConfig) -> None:
    """Raises InvalidInput TLS for what is not PEM, and for a key that is not the certificate's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(security.certificate, security.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        found = f"and security.key {security.key} are no pair of PEM files: {error}"
        _refuse("certificate", security.certificate, found, error)
    if not security.client_ca:
        return
    try:
        context.load_verify_locations(security.client_ca)
    except ssl.SSLError as error:
        _refuse("client_ca", security.client_ca, f"has no certificates in PEM: {error}", error)


def _no_password() -> NoReturn:
    """OpenSSL would ask at the terminal, which a daemon has not."""
    raise ValueError("the key has a password; give one without")


def _read_all(security: SecurityConfig) -> tuple[bytes, bytes, bytes]:
    return (
        _read("certificate", security.certificate),
        _read("key", security.key),
        _read("client_ca", security.client_ca) if security.client_ca else b"",
    )


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFound(
            f"security.{name}: cannot read {path}: {error.strerror}; give a file that this user "
            "may read",
            reason="TLS",
            field=f"security.{name}",
        ) from error


def _refuse(name: str, path: str, found: str, cause: Exception | None = None) -> NoReturn:
    raise InvalidInput(
        f"security.{name} {path} {found}; give a chain and its key in PEM, the key without a "
        "password",
        reason="TLS",
        field=f"security.{name}",
    ) from cause
