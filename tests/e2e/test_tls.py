"""TLS on the real server: certificates of both sides, changed while it runs."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spladed.client.channel import Tls
from spladed.client.client import Client
from spladed.client.retry import Retry
from spladed.errors import SpladedError, Unavailable
from tests.certificates import Authority
from tests.conftest import SPLADED, ServerProcess

Start = Callable[..., ServerProcess]

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def options(certificate: Path, key: Path, client_ca: Path | None = None) -> list[str]:
    found = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    return found if client_ca is None else [*found, "--tls-client-ca", str(client_ca)]


def answers(server: ServerProcess, tls: Tls | None) -> bool:
    with Client(server.target, tls=tls, timeout_seconds=10, retry=ONCE) as client:
        try:
            return bool(client.info().version)
        except Unavailable as error:
            assert error.reason == "GRPC_UNAVAILABLE"
            return False


def certificate_of(server: ServerProcess, authority: Authority) -> str:
    """The subject of what the server shows on a new connection."""
    host, _, port = server.target.rpartition(":")
    context = ssl.create_default_context(cafile=str(authority.path))
    with (
        socket.create_connection((host, int(port)), 10) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        (((_, name),),) = connection.getpeercert()["subject"]  # type: ignore[index]
        return str(name)


def test_it_speaks_tls_alone_to_those_who_trust_its_authority(
    start_server: Start, authority: Authority, stranger: Authority
) -> None:
    server = start_server(*options(*authority.issue("plain")), data=False)
    assert answers(server, Tls(authority=str(authority.path)))
    assert not answers(server, Tls(authority=str(stranger.path)))
    assert not answers(server, None)


def test_it_asks_clients_for_a_certificate_of_its_authority(
    start_server: Start, authority: Authority, stranger: Authority
) -> None:
    server = start_server(*options(*authority.issue("mutual"), stranger.path), data=False)
    trusted = str(authority.path)
    assert not answers(server, Tls(authority=trusted))
    for signer, welcome in ((authority, False), (stranger, True)):
        certificate, key = map(str, signer.issue("client"))
        tls = Tls(authority=trusted, certificate=certificate, key=key)
        assert answers(server, tls) is welcome
    certificate, key = map(str, stranger.issue("person"))
    environment = {
        "SPLADED_TARGET": server.target,
        "SPLADED_TLS_AUTHORITY": trusted,
        "SPLADED_TLS_CERTIFICATE": certificate,
        "SPLADED_TLS_KEY": key,
    }
    assert b"spladed-tiny-en" in command(environment, "info").stdout
    assert command({"SPLADED_TARGET": server.target}, "info").returncode == 3


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([SPLADED, *words], capture_output=True, env=os.environ | environment)


def test_a_new_certificate_is_taken_while_it_runs(
    start_server: Start, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def put(signer: Authority, name: str) -> None:
        for source, place in zip(signer.issue(name), (certificate, key), strict=True):
            shutil.copy(source, tmp_path / "new")
            (tmp_path / "new").replace(place)

    put(authority, "first")
    server = start_server(*options(certificate, key), data=False)
    tls = Tls(authority=str(authority.path))
    with Client(server.target, tls=tls) as standing:
        assert standing.info().version
        assert certificate_of(server, authority) == "first"
        put(authority, "second")
        until(lambda: certificate_of(server, authority) == "second")
        key.write_bytes(b"no key")
        time.sleep(1.1)  # the server looks once a second
        assert certificate_of(server, authority) == "second"
        until(lambda: "what was read before holds" in server.log_text())
        assert "no pair of PEM files" in server.log_text()
        put(authority, "third")
        until(lambda: certificate_of(server, authority) == "third")
        assert standing.info().version, "a connection that stands is not touched"


def test_authorities_of_clients_are_taken_while_it_runs(
    start_server: Start, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    client_ca = tmp_path / "clients.pem"
    shutil.copy(authority.path, client_ca)
    server = start_server(*options(*authority.issue("rolling"), client_ca), data=False)
    certificate, key = map(str, stranger.issue("late"))
    tls = Tls(authority=str(authority.path), certificate=certificate, key=key)
    assert not answers(server, tls)
    client_ca.write_bytes(authority.path.read_bytes() + stranger.path.read_bytes())
    until(lambda: answers(server, tls))


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def serve(*words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [SPLADED, "serve", "--listen", "127.0.0.1:0", *words], capture_output=True, text=True
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("case", ["missing", "no PEM", "another's key", "no authorities", "alone"])
def test_what_cannot_be_used_is_refused_by_name(
    case: str, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("refused")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no PEM at all")
    words, said = {
        "missing": (options(certificate, tmp_path / "no.pem"), "security.key: cannot read"),
        "no PEM": (options(nonsense, key), f"security.certificate {nonsense} and security.key"),
        "another's key": (options(certificate, stranger.issue("x")[1]), "are no pair"),
        "no authorities": (options(certificate, key, nonsense), f"client_ca {nonsense} has no cer"),
        "alone": (["--tls-certificate", str(certificate)], "security.key is ''; expected a file"),
    }[case]
    code, log = serve(*words)
    assert (code, said in log) == (2, True), log
    assert "Traceback" not in log


def test_a_wrong_certificate_of_the_client_is_an_error_of_the_tree(stranger: Authority) -> None:
    with pytest.raises(SpladedError):
        Client("127.0.0.1:9", tls=Tls(certificate=str(stranger.path)))
