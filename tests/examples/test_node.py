"""examples/node against a real server, as a person would run it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.conftest import ServerProcess

ROOT = Path(__file__).parents[2]
EXPECTED = """\
encoded: \\d+ of 30522 terms
created: from-node
upserted: 3 documents, generation \\d+
hit: \\d+\\.\\d\\d train \\[0\\] How to train your dog for agility\\.
hit: \\d+\\.\\d\\d agile \\[1\\] A fast, agile fox leaps across a sleeping canine\\.
hit: \\d+\\.\\d\\d history \\[2\\] The history of the fox as a wild animal\\.
(?:because: \\S+ \\(\\S+\\) \\d\\.\\d\\d
){3}refused: NOT_FOUND COLLECTION at collection
refused: INVALID_ARGUMENT TEXT_EMPTY at texts\\[1\\]
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages installed, the contract beside it."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
    copy = tmp_path_factory.mktemp("node")
    for part in ("protos", "docs", "examples/node"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("node_modules"))
    folder = copy / "examples/node"
    install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=folder, check=True, timeout=300)
    return folder


def run(example: Path, target: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "main.js", target]
    return subprocess.run(
        command, cwd=example, capture_output=True, text=True, check=False, timeout=120
    )


def test_it_encodes_indexes_searches_and_explains(example: Path, server: ServerProcess) -> None:
    done = run(example, server.target)
    assert done.returncode == 0, done.stderr
    first, rest = done.stdout.split("\n", 1)
    assert re.fullmatch(rf"spladed \S+ at {server.target} with spladed-tiny-en", first)
    assert re.fullmatch(EXPECTED, rest), rest


def test_it_can_be_run_again_after_a_run_that_broke_off(
    example: Path, server: ServerProcess, client: Any
) -> None:
    client.create_collection("from-node")
    assert run(example, server.target).returncode == 0


def test_a_server_that_is_not_there_is_one_line(example: Path) -> None:
    done = run(example, "127.0.0.1:1")
    assert done.returncode == 1
    assert re.match(r"UNAVAILABLE: .*\n\Z", done.stderr)


class Flaky(grpc.GenericRpcHandler):
    """Passes calls on, bytes for bytes; each method's first calls find no server."""

    def __init__(self, channel: grpc.Channel, failures: dict[str, int]) -> None:
        self._channel = channel
        self._failures = failures
        self.seen: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = details.method.rpartition("/")[2]

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.seen.append(name)
            if self.seen.count(name) <= self._failures.get(name, 0):
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            try:
                return self._channel.unary_unary(details.method)(request, timeout=60)
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())
                context.abort(error.code(), error.details())
            raise AssertionError

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def flaky(server: ServerProcess) -> Iterator[Any]:
    """Starts such a server with so many failures a method."""
    started: list[tuple[grpc.Server, grpc.Channel]] = []

    def start(failures: dict[str, int]) -> tuple[Flaky, str]:
        channel = grpc.insecure_channel(server.target)
        handler = Flaky(channel, failures)
        proxy = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
        port = proxy.add_insecure_port("127.0.0.1:0")
        proxy.start()
        started.append((proxy, channel))
        return handler, f"127.0.0.1:{port}"

    yield start
    for proxy, channel in started:
        proxy.stop(None).wait()
        channel.close()


def test_what_is_safe_to_repeat_is_repeated(example: Path, flaky: Any) -> None:
    handler, target = flaky({"GetInfo": 2, "Encode": 1, "Upsert": 3, "Search": 1, "Explain": 1})
    done = run(example, target)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(EXPECTED, done.stdout.split("\n", 1)[1])
    assert [handler.seen.count(name) for name in ("GetInfo", "Upsert")] == [3, 4]


def test_what_is_not_safe_to_repeat_is_not(example: Path, flaky: Any) -> None:
    handler, target = flaky({"CreateCollection": 1})
    done = run(example, target)
    assert (done.returncode, done.stderr) == (1, "UNAVAILABLE: away\n")
    assert handler.seen.count("CreateCollection") == 1
