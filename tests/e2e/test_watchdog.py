"""A batch that hangs in native code: everybody is answered, and the process ends by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spladed.client.client import Client
from spladed.client.retry import Retry
from spladed.errors import SpladedError, Unavailable
from spladed.watchdog import EXIT_CODE

SCRIPT = Path(__file__).with_name("hanging_server.py")
START_SECONDS = 240


class Hanging:
    def __init__(self, folder: Path) -> None:
        port = folder / "port"
        self.said = folder / "log"
        with self.said.open("wb") as log:
            command = [sys.executable, str(SCRIPT), str(port)]
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not port.exists():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.client = Client(f"127.0.0.1:{port.read_text().strip()}", retry=Retry(attempts=1))


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    server = Hanging(tmp_path)
    yield server
    server.client.close()
    server.process.kill()
    server.process.wait()


def test_whoever_waits_is_answered_and_the_process_ends(hanging: Hanging) -> None:
    assert len(hanging.client.encode(["short"], kind="query").vectors) == 1
    endings: list[SpladedError] = []

    def call(text: str) -> None:
        try:
            hanging.client.encode([text], kind="document")
        except SpladedError as error:
            endings.append(error)

    texts = ["long " * 100, "waits behind it", "and so does this"]
    threads = [threading.Thread(target=call, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
        time.sleep(0.2)  # the first is running before the others come
    for thread in threads:
        thread.join(20)
    assert [type(each) for each in endings] == [Unavailable] * len(texts)
    assert {each.reason for each in endings} == {"ENGINE_HUNG"}
    assert hanging.process.wait(20) == EXIT_CODE
    assert "a batch has been running" in hanging.said.read_text()
