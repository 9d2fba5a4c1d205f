"""A real server process, and a client on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spladed.client.client import Client

START_SECONDS = 240  # the first on a machine compiles the index's kernels, on cores that others use
SPLADED = str(Path(sys.executable).with_name("spladed"))


class ServerProcess:
    """`spladed serve` on a free port of the loopback, over a data folder of its own."""

    def __init__(self, folder: Path, *options: str, data: bool = True) -> None:
        self.folder = folder
        self._options = list(options)
        if data:
            self._options += ["--data", str(folder / "data")]
        self.start()

    def start(self) -> None:
        """Starts (again) on a free port and waits until the port file is there."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        command = [SPLADED, "serve", "--listen", "127.0.0.1:0", "--port-file", str(port_file)]
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([*command, *self._options], stderr=self.log)
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            assert self.process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.02)
        self.target = f"127.0.0.1:{port_file.read_text().strip()}"

    def log_text(self) -> str:
        """All that the server has said."""
        return (self.folder / "log").read_text()

    def end(self, number: signal.Signals) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.log.close()
        return code


@pytest.fixture(scope="module")
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers that end with the module, however its tests end."""
    started: list[ServerProcess] = []

    def start(*options: str, data: bool = True) -> ServerProcess:
        started.append(ServerProcess(tmp_path_factory.mktemp("server"), *options, data=data))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server that all tests share; each uses collections of its own."""
    server = ServerProcess(tmp_path_factory.mktemp("server"))
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def client(server: ServerProcess) -> Iterator[Client]:
    """A client on the shared server."""
    with Client(server.target) as client:
        yield client


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real checkpoints and data that SPLADED_SHARED names."""
    folder = os.environ.get("SPLADED_SHARED")
    if not folder:
        pytest.skip("SPLADED_SHARED names no folder with models/ and data/")
    return Path(folder)
