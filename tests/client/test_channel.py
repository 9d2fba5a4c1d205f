"""Certificates, keys and limits of a channel, against a bare grpc server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spladed.client.channel import Tls
from spladed.client.client import Client
from spladed.client.retry import Retry
from spladed.errors import Exhausted, InvalidInput, NotFound, Unavailable
from spladed.v1 import encoder_pb2

ONCE = Retry(attempts=1)


class Stub:
    """Answers GetInfo with the caller's authorization as the version."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(self._info)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("spladed.v1.Encoder", {"GetInfo": handler}),)
        )
        if credentials is None:
            port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.target = f"127.0.0.1:{port}"
        self.server.start()

    def _info(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        sent = dict(context.invocation_metadata()).get("authorization", "nothing")
        return encoder_pb2.GetInfoResponse(version=str(sent)).SerializeToString()


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    yield stub
    stub.server.stop(None).wait()


def certificate(folder: Path, *, ends: timedelta) -> tuple[Path, Path]:
    """A self-signed certificate for "spladed.test" that ends then, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spladed.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("spladed.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "key.pem", folder / "chain.pem"
    files[0].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    files[1].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return files


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Stub, Path]]:
    key, chain = certificate(tmp_path, ends=timedelta(days=2))
    pairs = [(key.read_bytes(), chain.read_bytes())]
    stub = Stub(grpc.ssl_server_credentials(pairs))
    yield stub, chain
    stub.server.stop(None).wait()


def test_a_key_travels_with_every_call(stub: Stub) -> None:
    with Client(stub.target, api_key="k-1") as client:
        assert client.info().version == "Bearer k-1"
    with Client(stub.target) as client:
        assert client.info().version == "nothing"


def test_a_certificate_that_the_authority_signed_is_trusted(secure: tuple[Stub, Path]) -> None:
    stub, chain = secure
    tls = Tls(authority=str(chain), server_name="spladed.test")
    with Client(stub.target, tls=tls) as client:
        assert client.info().version == "nothing"


@pytest.mark.parametrize("case", ["unknown authority", "another name"])
def test_a_certificate_that_does_not_fit_is_refused(
    case: str, secure: tuple[Stub, Path], tmp_path: Path
) -> None:
    stub, chain = secure
    wrong = Tls(server_name="spladed.test")
    if case == "another name":
        wrong = Tls(authority=str(chain), server_name="other.test")
    with (
        Client(stub.target, tls=wrong, timeout_seconds=10, retry=ONCE) as client,
        pytest.raises(Unavailable) as caught,
    ):
        client.info()
    assert caught.value.reason == "GRPC_UNAVAILABLE"


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    key, chain = certificate(tmp_path, ends=timedelta(days=-1))
    stub = Stub(grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())]))
    tls = Tls(authority=str(chain), server_name="spladed.test")
    with (
        Client(stub.target, tls=tls, timeout_seconds=10, retry=ONCE) as client,
        pytest.raises(Unavailable, match=r"(?i)certificate|handshake"),
    ):
        client.info()
    stub.server.stop(None).wait()


def test_certificates_that_cannot_be_read_are_named() -> None:
    with pytest.raises(NotFound, match=r"tls\.authority: cannot read nowhere\.pem"):
        Client("127.0.0.1:9", tls=Tls(authority="nowhere.pem"))
    with pytest.raises(InvalidInput, match="belong together"):
        Client("127.0.0.1:9", tls=Tls(certificate="chain.pem"))


def test_a_reply_over_the_clients_limit_is_named(stub: Stub) -> None:
    with (
        Client(stub.target, api_key="k" * 3000, max_reply_bytes=1000) as client,
        pytest.raises(Exhausted, match="1000"),
    ):
        client.info()
