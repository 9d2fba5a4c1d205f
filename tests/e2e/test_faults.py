"""The real process: killed, told to stop, started where it cannot work."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import spladed
from spladed.client.client import Client
from spladed.client.values import Document
from spladed.errors import Corrupt, Mismatch
from tests.conftest import SPLADED, ServerProcess

Start = Callable[..., ServerProcess]

# Runs where only the base install can be imported: what a user of the client has.
BASE_INSTALL = """
import json, sys
for name in ("onnxruntime", "numba", "tokenizers", "torch", "transformers", "typer", "uvloop"):
    sys.modules[name] = None
from spladed import Client
from spladed.client.values import Document
verb, target = sys.argv[1:]
client = Client(target, timeout_seconds=120)
if verb == "write":
    documents = [Document(str(n), f"Document {n} tells of {n % 7} dogs and {n % 11} rivers.")
                 for n in range(1000)]
    client.create_collection("thousand")
    client.upsert("thousand", documents)
    client.delete("thousand", [str(n) for n in range(0, 1000, 10)])
query = "six dogs at ten rivers"
hits = client.search("thousand", texts=[query], k=50).hits[0]
explained = client.explain("thousand", query, [hit.id for hit in hits[:5]])
print(json.dumps({
    "row": client.encode([query], kind="query").vectors.values.tolist(),
    "hits": [(hit.id, hit.score) for hit in hits],
    "terms": [[(t.token, t.word, t.contribution) for t in e.terms] for e in explained],
    "documents": client.collection("thousand").documents,
}))
"""


def base_install(verb: str, target: str) -> dict[str, object]:
    command = [sys.executable, "-c", BASE_INSTALL, verb, target]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_a_client_of_the_base_install_finds_the_same_after_kill_9(start_server: Start) -> None:
    server = start_server()
    before = base_install("write", server.target)
    assert before["documents"] == 900
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    server.start()
    assert base_install("read", server.target) == before


def test_whatever_was_acknowledged_survives_kill_9(start_server: Start) -> None:
    server = start_server()
    with Client(server.target) as client:
        client.create_collection("acks")
    for round_number in range(3):
        acknowledged = write_until_killed(server, round_number)
        server.start()
        with Client(server.target) as client:
            found = client.get("acks", acknowledged) if acknowledged else None
            assert found is None or list(found.missing_ids) == []


def write_until_killed(server: ServerProcess, round_number: int) -> list[str]:
    acknowledged: list[str] = []

    def write() -> None:
        with Client(server.target) as client:
            for number in range(1000):
                name = f"{round_number}-{number}"
                try:
                    client.upsert("acks", [Document(name, f"text {number}")])
                except spladed.SpladedError:
                    return
                acknowledged.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.4 + 0.15 * round_number)
    server.end(signal.SIGKILL)
    writer.join(60)
    return acknowledged


def test_sigterm_answers_the_calls_in_hand_and_exits_0(start_server: Start) -> None:
    server = start_server()
    answers: list[int] = []

    def call() -> None:
        with Client(server.target, timeout_seconds=60) as client:
            answers.append(len(client.encode(["dog and river " * 60] * 300).vectors))

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(0.5)
    assert server.end(signal.SIGTERM) == 0, server.log_text()
    caller.join(60)
    assert answers == [300]
    assert "Traceback" not in server.log_text()


def refused(*options: str) -> str:
    """What `spladed serve` says when it will not start; never more than one line of it."""
    done = subprocess.run(
        [SPLADED, "serve", "--listen", "127.0.0.1:0", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (1, 2, 3), done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("spladed: ")]
    assert "Traceback" not in done.stderr
    return said


def test_a_port_in_use_is_refused(server: ServerProcess, tmp_path: Path) -> None:
    said = refused("--listen", server.target, "--data", str(tmp_path))
    assert "ADDRESS_IN_USE" in said
    assert server.target in said


def test_a_data_folder_held_by_another_server_names_the_holder(server: ServerProcess) -> None:
    said = refused("--data", str(server.folder / "data"))
    assert str(server.process.pid) in said


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert str(file) in refused("--data", str(file / "data"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the built-in bundle that a test may break."""
    copy = tmp_path / "bundle"
    shutil.copytree(Path(spladed.__file__).with_name("builtin"), copy)
    return copy


def rewrite(bundle: Path, **changes: object) -> None:
    manifest = bundle / "spladed.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | changes))


def test_a_bundle_of_other_bytes_is_refused(bundle: Path) -> None:
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"\0")
    assert "BUNDLE_HASH" in refused("--bundle", str(bundle))


def test_a_bundle_of_another_version_is_refused(bundle: Path) -> None:
    rewrite(bundle, format_version=99)
    assert "BUNDLE_VERSION" in refused("--bundle", str(bundle))


def test_a_bundle_that_computes_something_else_here_is_refused(bundle: Path) -> None:
    golden = json.loads((bundle / "spladed.json").read_text("utf-8"))["golden"]
    golden[0]["values"][0] += 1.0
    rewrite(bundle, golden=golden)
    assert "BUNDLE_GOLDEN" in refused("--bundle", str(bundle))


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    assert "BUNDLE_NOT_FOUND" in refused("--bundle", str(tmp_path))


def test_a_collection_of_another_space_is_refused(start_server: Start, bundle: Path) -> None:
    server = start_server()
    with Client(server.target) as client:
        client.create_collection("fox")
        client.upsert("fox", [Document("1", "A fox leaps.")])
    assert server.end(signal.SIGTERM) == 0
    rewrite(bundle, space_id="sp-another")
    other = ServerProcess(server.folder, "--bundle", str(bundle))
    try:
        with Client(other.target) as client:
            vectors = client.get("fox", ["1"], vectors=True).vectors
            assert vectors is not None
            assert len(client.search("fox", vectors=vectors).hits[0]) == 1
            for call in (
                lambda: client.search("fox", texts=["fox"]),
                lambda: client.upsert("fox", [Document("2", "Another.")]),
            ):
                with pytest.raises(Mismatch) as caught:
                    call()
                assert caught.value.reason == "SPACE"
    finally:
        other.end(signal.SIGKILL)


def test_a_broken_collection_is_named_and_keeps_no_other_back(start_server: Start) -> None:
    server = start_server()
    with Client(server.target) as client:
        for name in ("whole", "broken"):
            client.create_collection(name)
            client.upsert(name, [Document("1", "A fox leaps.")])
    assert server.end(signal.SIGTERM) == 0
    (server.folder / "data" / "broken" / "catalog.sqlite").write_bytes(b"no catalog")
    server.start()
    with Client(server.target) as client:
        assert [each.name for each in client.collections()] == ["whole"]
        assert len(client.search("whole", texts=["fox"]).hits[0]) == 1
        with pytest.raises(Corrupt):
            client.search("broken", texts=["fox"])
    assert "collection broken is not served" in server.log_text()


def test_a_server_of_encoders_alone_has_no_index(start_server: Start) -> None:
    server = start_server(data=False)
    with Client(server.target) as client:
        assert len(client.encode(["x"]).vectors) == 1
        with pytest.raises(spladed.SpladedError) as caught:
            client.collections()
    assert caught.value.reason == "NO_INDEX"
