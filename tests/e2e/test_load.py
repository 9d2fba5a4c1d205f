"""`spladed index load`: files become collections that search, and bad ones leave none behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spladed.client.client import Client
from spladed.index import Collections, CollectionSettings, Field
from spladed.jobs.vectors import Chunk, write_vectors
from spladed.sparse import SparseBatch
from tests.conftest import SPLADED, ServerProcess

pytest.importorskip("pyarrow")

DIMENSION = 30
TOKENS = [f"t{number}" for number in range(DIMENSION)]
ROWS = SparseBatch.from_rows(
    DIMENSION, [((1, 7), (0.5, 2.0)), ((), ()), ((7, 29), (1.25, 3.0)), ((3,), (0.25,))]
)
CHUNK = Chunk(["a", "ü", "c", "d"], ROWS)
QUERY = SparseBatch.from_rows(DIMENSION, [((7, 29), (1.0, 2.0))])


def load(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [SPLADED, "index", "load", *map(str, words)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS))
    return path


@pytest.mark.parametrize(
    "name", ["x.parquet", "x.npz", "x.jsonl.gz", "anserini.jsonl", "x.csr", "x.ciff.gz"]
)
def test_each_format_becomes_a_collection_that_searches(
    name: str, tmp_path: Path, vocabulary: Path
) -> None:
    by_token = name.startswith(("anserini", "x.ciff"))
    path, ids, data = tmp_path / name, tmp_path / "ids.txt", tmp_path / "data"
    write_vectors(path, [CHUNK], dimension=DIMENSION, vocabulary=TOKENS if by_token else ())
    ids.write_text("\n".join(CHUNK.ids))
    options: list[object] = []
    if by_token:
        options = ["--vocabulary", vocabulary, "--scale", 100]
    elif name.endswith(("npz", "csr")):
        options = ["--ids", ids]
    elif "jsonl" in name:
        options = ["--dimension", DIMENSION]
    said = json.loads(load("docs", path, "--data", data, "--json", *options).stdout)
    assert {key: said[key] for key in ("collection", "loaded", "replaced", "documents")} == {
        "collection": "docs", "loaded": 4, "replaced": 0, "documents": 4,
    }  # fmt: skip
    with Collections.open(data) as collections:
        docs = collections.get("docs")
        hits = docs.search(QUERY, 10)[0][0]
        assert [(hit.id, hit.score) for hit in hits] == [("c", 7.25), ("a", 2.0)]
        found = docs.get(CHUNK.ids, with_vectors=True)
        assert found.missing == []
        assert found.vectors.indptr.tolist() == ROWS.indptr.tolist()
        assert found.vectors.values.tolist() == ROWS.values.tolist()


def test_loading_again_replaces_and_fields_come_along(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "rows.jsonl"
    settings = CollectionSettings(
        DIMENSION, fields=(Field("year", "integer"),), weight_format="float32"
    )
    with Collections.open(data) as collections:
        collections.create("docs", settings)
    lines: list[dict[str, Any]] = [
        {"id": "a", "vector": {"7": 0.1}, "fields": {"year": 2026}, "text": "t",
         "metadata": {"page": 1}},
        {"id": "b", "vector": {"7": 300.5}},
        {"id": "a", "vector": {"7": 0.2}, "fields": {"year": 2027}},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines[:2])))
    said = load("docs", path, "--data", data).stdout.splitlines()
    assert said[0] == "2 documents loaded; docs holds 2"
    assert "documents/s" in said[1]
    with Collections.open(data) as collections:
        (document,) = collections.get("docs").get(["a"]).documents
        assert (document.text, json.loads(document.metadata)) == ("t", {"page": 1})
    path.write_text(json.dumps(lines[2]))
    said = load("docs", path, "--data", data, "--no-create").stdout.splitlines()
    assert said[0] == "1 documents loaded, 1 of them replaced another; docs holds 2"
    with Collections.open(data) as collections:
        found = collections.get("docs").get(["a", "b"], with_vectors=True)
        assert found.documents[0].fields == {"year": (2027,)}
        assert (
            found.vectors.values.tolist()
            == SparseBatch.from_rows(DIMENSION, [((7,), (0.2,)), ((7,), (300.5,))]).values.tolist()
        )


def test_unknown_tokens_are_told(tmp_path: Path, vocabulary: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "contents": "", "vector": {"t1": 100, "cat": 1}}')
    options = ["--data", tmp_path / "data", "--vocabulary", vocabulary]
    said = load("docs", path, *options, code=2).stderr
    assert "x.jsonl:1 has the token 'cat'" in said
    assert "0 documents were loaded before the error" in said
    said = load("docs", path, *options, "--skip-unknown", "--scale", 100).stdout
    assert "1 weights of unknown tokens were left out: 'cat', ..." in said


def test_the_builtin_bundle_is_a_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "contents": "", "vector": {"dog": 150}}')
    data = tmp_path / "data"
    load("docs", path, "--data", data, "--vocabulary", "builtin", "--scale", 100)
    with Collections.open(data) as collections:
        assert collections.get("docs").stats().nnz == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "x.jsonl:1 is no vector"),
        ('{"id": "a", "vector": {"30": 1}}', "x.jsonl:1 has term 30"),
        ('{"id": "a", "vector": {"1": 16.5}}', "fixed16 collection holds weights up to 15.9998"),
        ('{"id": "%s", "vector": {"1": 1}}' % ("a" * 513), "expected 1 to 512 bytes"),
        (None, "cannot read"),
    ],
)
def test_a_bad_file_leaves_no_collection(content: str | None, words: str, tmp_path: Path) -> None:
    path, data = tmp_path / "x.jsonl", tmp_path / "data"
    if content is not None:
        path.write_text(content)
    said = load("docs", path, "--data", data, "--dimension", DIMENSION, code=2).stderr
    assert words in said
    assert str(path) in said
    with Collections.open(data) as collections:
        assert collections.names() == []


def test_what_was_loaded_before_an_error_stays(tmp_path: Path) -> None:
    """262,144 documents are a segment; the bad line is behind it."""
    path, data = tmp_path / "x.jsonl", tmp_path / "data"
    with path.open("w") as file:
        for number in range(270_000):
            file.write(f'{{"id":"{number}","vector":{{"1":1}}}}\n')
        file.write("{\n")
    said = load("docs", path, "--data", data, "--dimension", DIMENSION, code=2).stderr
    assert "x.jsonl:270001 is no vector" in said
    loaded = int(said.split(" documents were loaded before the error")[0].split()[-1])
    assert 262_144 <= loaded < 270_000
    with Collections.open(data) as collections:
        assert collections.get("docs").stats().documents == loaded


def test_what_does_not_fit_the_collection_is_refused(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "x.csr"
    write_vectors(path, [CHUNK], dimension=DIMENSION)
    missing = load("docs", path, "--data", data, "--no-create", code=2).stderr
    assert "there is no data folder" in missing
    with Collections.open(data) as collections:
        collections.create("small", CollectionSettings(DIMENSION - 1, space_id="sp-1"))
    assert "there is no collection 'docs'" in load(
        "docs", path, "--data", data, "--no-create", code=2
    ).stderr  # fmt: skip
    for options, words in (
        ([], "vectors of 30 terms, more than the 29"),
        (["--dimension", DIMENSION], "--dimension is 30, and the collection small has 29"),
        (["--weight-format", "float32"], "--weight-format is float32, and the collection"),
        (["--format", "npz"], "is no zip that can be read"),
    ):
        assert words in load("small", path, "--data", data, *options, code=2).stderr
    from spladed.jobs.vectors import parquet

    path = tmp_path / "x.parquet"
    parquet.write(path, [], DIMENSION - 1, space_id="sp-2")
    said = load("small", path, "--data", data, code=2).stderr
    assert "vectors of the space sp-2, and the collection small those of sp-1" in said


def test_a_folder_that_a_server_holds_names_it(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server()
    path = tmp_path / "x.csr"
    write_vectors(path, [CHUNK], dimension=DIMENSION)
    said = load("docs", path, "--data", server.folder / "data", code=3).stderr
    assert f"is held by process {server.process.pid}" in said


def test_a_server_serves_what_was_loaded(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    data, path = tmp_path / "data", tmp_path / "x.parquet"
    write_vectors(path, [CHUNK], dimension=DIMENSION)
    load("docs", path, "--data", data)
    server = start_server("--data", str(data), data=False)
    with Client(server.target) as client:
        hits = client.search("docs", vectors=QUERY, k=2).hits[0]
        assert [hit.id for hit in hits] == ["c", "a"]
