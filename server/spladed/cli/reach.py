"""The server that a command talks to: a running one, or its own over a data folder.

With --data a command starts a server of its own on the loopback and ends it afterwards, so
that there is one way to every collection, whoever serves it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from spladed.client.aio import AsyncClient
from spladed.client.channel import Tls
from spladed.client.client import Client
from spladed.client.retry import Retry
from spladed.config import Access, client_access
from spladed.errors import InvalidInput, Unavailable

__all__ = [
    "DEFAULT_TARGET", "connect", "connect_once", "local_server", "reach", "told_if_nobody_answers",
]  # fmt: skip

DEFAULT_TARGET = "127.0.0.1:50051"
_MAIN = "from spladed.cli import main; main()"
_POLL_SECONDS = 0.02
# The environment may have a server's certificates and keys, which are not for this one: it
# listens on the loopback, and is asked without.
_OPEN = ("--tls-certificate=", "--tls-key=", "--tls-client-ca=", "--api-keys=")
_START_SECONDS = 300  # large collections are read and checked whole before a server is ready


@contextmanager
def reach(target: str, data: str, timeout_seconds: float, *options: str) -> Iterator[Client]:
    """A client of the target, or of a server over `data` that lives as long as this block.

    options: of that server
    Raises InvalidInput when both are given, Unavailable when no server answers.
    """
    if target and data:
        raise InvalidInput(
            "--target and --data are both given (or SPLADED_TARGET is set); give one of them",
            reason="USAGE",
            field="target",
        )
    if data:
        with (
            local_server(data, *options) as local,
            Client(local, timeout_seconds=timeout_seconds) as client,
        ):
            yield client
        return
    address = target or DEFAULT_TARGET
    with connect(address, timeout_seconds) as client, told_if_nobody_answers(address):
        yield client


@contextmanager
def told_if_nobody_answers(address: str) -> Iterator[None]:
    """Raises Unavailable NO_SERVER, which says what to do, in the place of gRPC's words."""
    try:
        yield
    except Unavailable as error:
        if error.reason != "GRPC_UNAVAILABLE":
            raise
        raise Unavailable(
            f"no server answers at {address}; start one with `spladed serve --data DIR`, name "
            f"another with --target, or work on a folder with --data ({error.message})",
            reason="NO_SERVER",
            field="target",
        ) from error


def connect(target: str, timeout_seconds: float = 30.0) -> Client:
    """A client of a server that is there, with the environment's certificates and key.

    Raises InvalidInput or NotFound for certificates that cannot be used.
    """
    access = client_access()
    tls = _tls(access)
    return Client(target, timeout_seconds=timeout_seconds, tls=tls, api_key=access.api_key)


def connect_once(target: str, timeout_seconds: float) -> AsyncClient:
    """As `connect`, for the running event loop; its calls are never repeated."""
    access = client_access()
    return AsyncClient(
        target, timeout_seconds=timeout_seconds, tls=_tls(access), api_key=access.api_key,
        retry=Retry(attempts=1),
    )  # fmt: skip


def _tls(access: Access) -> Tls | None:
    if not (access.authority or access.certificate or access.key or access.server_name):
        return None
    authority = "" if access.authority == "system" else access.authority
    return Tls(authority, access.certificate, access.key, access.server_name)


@contextmanager
def local_server(data: str, *options: str) -> Iterator[str]:
    """A server over a folder, on a free port of the loopback; gives its target.

    One that does not start, or does not end well, ends the command with the server's own
    words and exit code.
    """
    with tempfile.TemporaryDirectory() as scratch:
        port_file, log = Path(scratch, "port"), Path(scratch, "log")
        command = [sys.executable, "-c", _MAIN, "serve", "--listen=127.0.0.1:0"]
        with log.open("wb") as said:
            process = subprocess.Popen(
                [*command, *_OPEN, *options, f"--data={data}", f"--port-file={port_file}"],
                stderr=said,
            )
        try:
            yield f"127.0.0.1:{_wait(process, port_file, log)}"
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait()
        if code:
            _tell_and_exit(code, log)


def _wait(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while not port_file.exists():
        if (code := process.poll()) is not None:
            _tell_and_exit(code or 1, log)
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the server over --data was not ready after {_START_SECONDS} s",
                reason="NO_SERVER",
                field="data",
            )
        time.sleep(_POLL_SECONDS)  # the port file is the only word that a starting server gives
    return port_file.read_text("ascii").strip()


def _tell_and_exit(code: int, log: Path) -> NoReturn:
    typer.echo(log.read_text("utf-8", "replace").strip(), err=True)
    raise typer.Exit(code)
