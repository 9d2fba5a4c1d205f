"""`spladed index check, inspect, flush, compact, backup, restore`: words, JSON, exit codes."""

from __future__ import annotations

import io
import json
import shutil
import signal
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from spladed import Client, Collection, Document, SparseBatch
from spladed.cli import main
from spladed.index.container import Container
from tests.conftest import ServerProcess

Start = Callable[..., ServerProcess]
TEXTS = ["The dog runs.", "A fox in the forest.", "Bread from flour.", "The river floods."]


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str


def run(*words: str | Path, code: int = 0) -> Said:
    """A command in this process, whose kernels are loaded."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch("sys.argv", ["spladed", *map(str, words)]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert (ended.value.code or 0) == code, (out.getvalue(), err.getvalue())
    return Said(out.getvalue(), err.getvalue())


def index(*words: str | Path, code: int = 0) -> Said:
    return run("index", *words, code=code)


def figures(*words: str | Path, code: int = 0) -> dict[str, Any]:
    """What a command says to a script: one JSON line."""
    (line,) = index(*words, "--json", code=code).stdout.splitlines()
    return json.loads(line)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a collection `notes` of four documents."""
    folder = tmp_path_factory.mktemp("written")
    lines = folder / "notes.tsv"
    lines.write_text("".join(f"{number}\t{text}\n" for number, text in enumerate(TEXTS)))
    index("add", "notes", lines, "--data", folder / "data")
    return folder / "data"


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed; no server."""
    shutil.copytree(written, tmp_path / "data")
    return tmp_path / "data"


def test_a_sound_collection_is_told_so(data: Path) -> None:
    said = index("check", "notes", "--data", data).stdout
    assert said.startswith("notes at generation 1: sound; read 4 documents, ")
    found = figures("check", "notes", "--data", data)
    assert (found["collection"], found["problems"], found["documents"]) == ("notes", [], 4)


def test_a_corrupt_one_is_told_with_the_section_and_exit_code_1(data: Path) -> None:
    with Collection.open(data / "notes") as collection:
        collection.flush()
    (path,) = (data / "notes").glob("*.segment")
    content = bytearray(path.read_bytes())
    container = Container.of(bytes(content), "")
    content[container.offset("w0/docs")] ^= 1
    path.write_bytes(content)
    (data / "notes" / "stray.segment").write_bytes(b"")
    problem = f"{path.name}: w0/docs: does not have its checksum"
    said = index("check", "notes", "--data", data, code=1).stdout.splitlines()
    assert said[0] == problem
    assert said[1].startswith("stray.segment: nobody names it")
    assert said[2].startswith("notes at generation 1: 1 problems; read 0 documents")
    found = figures("check", "notes", "--data", data, code=1)
    assert (found["problems"], found["leftovers"]) == ([problem], ["stray.segment"])
    (data / "notes" / "catalog.sqlite").write_bytes(b"nothing")
    assert "catalog.sqlite" in index("check", "notes", "--data", data, code=1).stdout


def test_inspect_itemises(data: Path) -> None:
    with Collection.open(data / "notes") as collection:
        collection.flush()
    said = index("inspect", "notes", "--data", data).stdout
    for words in ("generation 1", "4, and 0 dead", "w*/rows", "bytes a document", "0-3"):
        assert words in said
    found = figures("inspect", "notes", "--data", data)
    assert found["settings"]["weight_format"] == "fixed16"
    (segment,) = found["segments"]
    sections = {each["name"]: each["bytes"] for each in segment["sections"]}
    assert sections["seqs"] == 4 * 8
    assert sections["w*/docs"] == 2 * segment["weights"]
    assert sum(sections.values()) <= segment["bytes"]
    assert (found["documents"], found["buffer"]["documents"], found["texts"]) == (4, 0, 4)
    (bundle,) = found["bundles"]
    assert (bundle["first_seq"], bundle["last_seq"]) == (0, 3)
    assert bundle["bundle_id"]


def test_backup_and_restore_without_a_server(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "notes-1"
    done = figures("backup", "notes", copy, "--data", data)
    assert (done["collection"], done["generation"]) == ("notes", 1)
    assert done["bytes"] == sum(each.stat().st_size for each in copy.iterdir())
    assert "exists" in index("backup", "notes", copy, "--data", data, code=2).stderr
    said = index("restore", copy, "again", "--data", data).stdout
    assert said.startswith("again at generation 1: sound; read 4 documents")
    assert figures("restore", copy, "again-2", "--data", data)["problems"] == []
    found = json.loads(run("search", "again", "foxes", "--json", "--data", data).stdout)
    assert found["hits"][0]["id"] == "1"


def test_a_backup_within_the_data_folder_is_refused(data: Path) -> None:
    """It would be taken for a collection."""
    said = index("backup", "notes", data / "copies" / "x", "--data", data, code=2).stderr
    assert "server.backups is" in said
    assert not (data / "copies").exists()


def test_what_cannot_be_restored_is_named(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    index("backup", "notes", copy, "--data", data)
    refused = {
        ("restore", tmp_path / "nothing", "x", "--data", data): "there is no backup at",
        ("restore", copy, "notes", "--data", data): "FOLDER_EXISTS",
        ("restore", copy, "../x", "--data", data): "COLLECTION_NAME",
        ("check", "nobody", "--data", data): "there is no collection 'nobody'",
        ("check", "../copy", "--data", data): "there is no collection",
        ("inspect", "nobody", "--data", tmp_path / "nowhere"): "there is no collection",
        ("flush", "nobody", "--data", data): "COLLECTION",
    }
    for words, said in refused.items():
        assert said in index(*words, code=2).stderr
    path = copy / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    assert "catalog.sqlite" in index("restore", copy, "x", "--data", data, code=1).stderr
    assert sorted(each.name for each in data.iterdir()) == ["LOCK", "notes"]


def test_beside_a_server(server: ServerProcess, tmp_path: Path) -> None:
    """Reading needs no server and stands beside one; what changes things goes through it."""
    data = server.folder / "data"
    with Client(server.target) as client:
        client.create_collection("served", dimension=10)
        client.set_alias("live", collection="served")
    lines = tmp_path / "docs.jsonl"
    lines.write_text('{"id": "a", "text": "dogs"}\n')
    target = ["--target", server.target]
    index("add", "texts", lines, *target)
    for name in ("texts", "served", "live"):
        assert figures("check", name, "--data", data)["problems"] == []
    assert figures("inspect", "live", "--data", data)["collection"] == "served"
    assert index("flush", "texts", *target).stdout == "texts is flushed at generation 1\n"
    assert figures("flush", "live", *target) == {"collection": "live", "generation": 0}
    assert index("compact", "texts", *target).stdout.startswith("texts takes ")
    done = figures("compact", "texts", *target)
    assert done.keys() == {"collection", "generation", "bytes_before", "bytes_after"}
    assert "BACKUPS" in index("backup", "texts", "x", *target, code=2).stderr
    held = f"is held by process {server.process.pid}"
    assert held in index("compact", "texts", "--data", data, code=3).stderr
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "catalog.sqlite").write_bytes(b"x")
    assert held in index("restore", copy, "x", "--data", data, code=3).stderr
    living = index("restore", data / "texts", "x", "--data", tmp_path / "other", code=3).stderr
    assert held in living


def test_a_folder_whose_writes_stand_in_sqlites_log_is_no_backup(
    start_server: Start, tmp_path: Path
) -> None:
    server = start_server()
    with Client(server.target) as client:
        client.create_collection("killed", dimension=10)
        vectors = SparseBatch.from_rows(10, [([1], [1.0])])
        client.upsert("killed", [Document("a", vector_row=0)], vectors=vectors)
    server.end(signal.SIGKILL)
    source = server.folder / "data" / "killed"
    assert figures("check", "killed", "--data", server.folder / "data")["problems"] == []
    said = index("restore", source, "x", "--data", tmp_path / "data", code=2).stderr
    assert "it was not closed by the process that wrote it" in said
