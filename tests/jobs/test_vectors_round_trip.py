"""What is written in a format is read back equal: any rows, ids and documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index.values import Document, Field
from spladed.jobs.vectors import Chunk, open_vectors, write_vectors
from spladed.jobs.vectors import jsonl as jsonl_format
from spladed.jobs.vectors.chunk import Options
from tests.jobs.vector_files import (
    DIMENSION,
    FIELDS,
    SCALE,
    VOCABULARY,
    chunk_lists,
    read_whole,
    same_rows,
    some_chunk,
    utf8,
    vocabulary_file,
    whole,
)

parquet_format = pytest.importorskip("spladed.jobs.vectors.parquet", reason="pyarrow is an extra")


def one_value(field: Field) -> st.SearchStrategy[Any]:
    return {
        "keyword": utf8,
        "integer": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(allow_nan=False),
        "boolean": st.booleans(),
        "time": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    }[field.type]


def values(field: Field) -> st.SearchStrategy[tuple[Any, ...]]:
    most = 3 if field.list else 1
    return st.lists(one_value(field), min_size=1, max_size=most).map(tuple)


documents = st.builds(
    Document,
    st.just(""),
    utf8,
    st.dictionaries(utf8, st.integers() | utf8, max_size=2).map(
        lambda said: json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else ""
    ),
    st.fixed_dictionaries({}, optional={each.name: values(each) for each in FIELDS}),
)


@pytest.mark.parametrize("format", ["csr", "npz"])
@settings(max_examples=40)
@given(chunks=chunk_lists())
def test_formats_without_ids_keep_the_rows(
    format: str, chunks: list[Chunk], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("x") / f"rows.{format}"
    expected = whole(chunks)
    assert write_vectors(path, chunks, dimension=DIMENSION) == len(expected.ids)
    found = read_whole(path)
    same_rows(found.vectors, expected.vectors)
    assert found.ids == [str(number) for number in range(len(expected.ids))]


@pytest.mark.parametrize("suffix", ["ciff", "ciff.gz", "jsonl", "jsonl.gz"])
@settings(max_examples=30)
@given(chunks=chunk_lists())
def test_formats_by_token_keep_ids_and_rows_on_their_grid(
    suffix: str, chunks: list[Chunk], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("x")
    path, vocabulary = folder / f"rows.{suffix}", vocabulary_file(folder)
    expected = whole(chunks)
    count = write_vectors(path, chunks, dimension=DIMENSION, vocabulary=VOCABULARY, scale=SCALE)
    assert count == len(expected.ids)
    found = read_whole(path, vocabulary=str(vocabulary), scale=SCALE)
    same_rows(found.vectors, expected.vectors)
    assert found.ids == expected.ids


@settings(max_examples=60)
@given(chunks=chunk_lists(documents=documents))
def test_json_lines_keep_everything(
    chunks: list[Chunk], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("x") / "rows.jsonl"
    expected = whole(chunks)
    write_vectors(path, chunks, dimension=DIMENSION)
    found = read_whole(path, dimension=DIMENSION, fields=FIELDS)
    same_rows(found.vectors, expected.vectors)
    assert (found.ids, found.documents) == (expected.ids, expected.documents)


@settings(max_examples=60)
@given(chunks=chunk_lists(documents=documents))
def test_parquet_keeps_everything(
    chunks: list[Chunk], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("x") / "rows.parquet"
    expected = whole(chunks)
    parquet_format.write(path, chunks, DIMENSION, fields=FIELDS, space_id="sp-1", bundle_id="bu-1")
    file = open_vectors(path, Options(fields=FIELDS))
    assert (file.dimension, file.space_id, file.bundle_id) == (DIMENSION, "sp-1", "bu-1")
    found = read_whole(file)
    same_rows(found.vectors, expected.vectors)
    assert (found.ids, found.documents) == (expected.ids, expected.documents)


def test_anserini_keeps_the_text(tmp_path: Path) -> None:
    chunk = some_chunk([((2,), (1.5,)), ((), ())], "a", "b")
    documents = [Document("a", "Wörter"), Document("b")]
    path = tmp_path / "rows.jsonl"
    write_vectors(
        path, [Chunk(chunk.ids, chunk.vectors, documents)], dimension=DIMENSION,
        vocabulary=VOCABULARY,
    )  # fmt: skip
    line = json.loads(path.read_text("utf-8").splitlines()[0])
    assert line == {"id": "a", "contents": "Wörter", "vector": {"Ġdog": 150}}
    found = read_whole(path, vocabulary=str(vocabulary_file(tmp_path)), scale=SCALE)
    assert found.documents == documents


def test_a_file_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    def cut() -> Any:
        yield some_chunk([((1,), (1.0,))])
        raise KeyboardInterrupt

    for name in ("rows.csr", "rows.npz", "rows.jsonl", "rows.parquet"):
        (tmp_path / name).write_bytes(b"before")
        with pytest.raises(KeyboardInterrupt):
            write_vectors(tmp_path / name, cut(), dimension=DIMENSION)
        assert (tmp_path / name).read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("suffix", ["csr", "npz", "parquet", "jsonl", "jsonl.gz", "ciff"])
def test_many_chunks_are_cut_anew(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of the reader are not those of the writer; limits are made small to see it."""
    for module in ("checked", "chunk", "parquet"):
        monkeypatch.setattr(f"spladed.jobs.vectors.{module}.CHUNK_ROWS", 64, raising=True)
    monkeypatch.setattr("spladed.jobs.vectors.checked.cuts.__defaults__", (64, 500))
    monkeypatch.setattr("spladed.jobs.vectors.lines._ROWS", 64)
    monkeypatch.setattr("spladed.jobs.vectors.ciff._SPOOLED", 300)
    numbers = np.random.default_rng(7)
    made = []
    for _ in range(1_000):
        terms = np.sort(numbers.choice(DIMENSION, numbers.integers(0, 60), replace=False))
        made.append((terms, numbers.integers(1, 500, len(terms)) / SCALE))
    chunk = some_chunk(made)
    path, by_token = tmp_path / f"rows.{suffix}", suffix == "ciff"
    vocabulary = VOCABULARY if by_token else ()
    write_vectors(path, [chunk], dimension=DIMENSION, vocabulary=vocabulary)
    options: dict[str, Any] = {"dimension": DIMENSION}
    if by_token:
        options |= {"vocabulary": str(vocabulary_file(tmp_path)), "scale": SCALE}
    file = open_vectors(path, Options(**options))
    chunks = list(file.chunks)
    if suffix != "ciff":  # whose rows stay under both limits
        assert len(chunks) > 10
    found = whole(chunks)
    same_rows(found.vectors, chunk.vectors)
    assert found.ids == chunk.ids


def test_zst_is_read_and_not_written(tmp_path: Path) -> None:
    import zstandard

    from spladed.errors import InvalidInput

    plain = tmp_path / "rows.jsonl"
    chunk = some_chunk([((1,), (1.0,))])
    jsonl_format.write(plain, [chunk])
    packed = tmp_path / "rows.jsonl.zst"
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    same_rows(read_whole(packed, dimension=DIMENSION).vectors, chunk.vectors)
    with pytest.raises(InvalidInput, match=r"\.zst is read and not written"):
        write_vectors(packed, [chunk], dimension=DIMENSION)
