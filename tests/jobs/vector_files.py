"""Rows to write and read back, and what a file holds when all its chunks are put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from spladed.index.values import Document, Field
from spladed.jobs.vectors import Chunk, Options, VectorFile, open_vectors
from spladed.sparse import SparseBatch

DIMENSION = 700
SCALE = 100.0
# "##gy" continues, "Ġ" starts, one is not of the basic plane, one looks like a number
VOCABULARY = ["[PAD]", "##gy", "Ġdog", "日本", "🙂", "7", *(f"t{n}" for n in range(6, DIMENSION))]
FIELDS = (
    Field("lang", "keyword"),
    Field("tags", "keyword", list=True),
    Field("year", "integer"),
    Field("price", "float"),
    Field("live", "boolean"),
    Field("at", "time"),
)

# Weights on the grid of the quantised formats: k / 100 as float32, which times 100 rounds to k.
weights = st.integers(1, 1_000_000).map(lambda k: float(np.float32(k / SCALE)))
rows = st.dictionaries(st.integers(0, DIMENSION - 1), weights, max_size=8).map(
    lambda row: tuple(zip(*sorted(row.items()), strict=True)) or ((), ())
)
utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# a line of an --ids file ends where Python's text lines do not: at "\n" alone
ids = utf8.filter(lambda text: text != "")


bare: st.SearchStrategy[Any] = st.none()  # vectors without documents


@st.composite
def chunk_lists(draw: st.DrawFn, *, documents: st.SearchStrategy[Any] = bare) -> list[Chunk]:
    """Chunks as a writer takes them, empty ones among them, with ids of their own."""
    chunks, first = [], 0
    for size in draw(st.lists(st.integers(0, 5), max_size=4)):
        batch = SparseBatch.from_rows(DIMENSION, draw(st.lists(rows, min_size=size, max_size=size)))
        names = draw(st.lists(ids, min_size=size, max_size=size))
        said = [draw(documents) for _ in names]
        given = None if not said or said[0] is None else said
        those = given and [
            Document(name, each.text, each.metadata, each.fields)
            for name, each in zip(names, given, strict=True)
        ]
        chunks.append(Chunk(names, batch, those, first))
        first += size
    return chunks


def whole(chunks: Sequence[Chunk] | Iterator[Chunk], dimension: int = DIMENSION) -> Chunk:
    """One chunk of all, each with a document."""
    chunks = list(chunks)
    return Chunk(
        [id for chunk in chunks for id in chunk.ids],
        SparseBatch.concatenate(dimension, [chunk.vectors for chunk in chunks]),
        [
            document
            for chunk in chunks
            for document in chunk.documents or [Document(id) for id in chunk.ids]
        ],
    )


def read_whole(file: Path | VectorFile, **options: Any) -> Chunk:
    """All of a file; its chunks follow each other and its total is right."""
    opened = file if isinstance(file, VectorFile) else open_vectors(file, Options(**options))
    chunks = list(opened.chunks)
    firsts = np.cumsum([0, *(len(chunk.ids) for chunk in chunks)])
    assert [chunk.first for chunk in chunks] == firsts[:-1].tolist()
    assert opened.total in (None, firsts[-1])
    for chunk in chunks:
        chunk.vectors.checked("vectors")
        assert chunk.vectors.dimension == opened.dimension
        assert len(chunk.ids) == len(chunk.vectors)
        assert chunk.documents is None or [each.id for each in chunk.documents] == chunk.ids
    return whole(chunks, opened.dimension)


def same_rows(found: SparseBatch, expected: SparseBatch) -> None:
    assert found.dimension == expected.dimension
    assert found.indptr.tolist() == expected.indptr.tolist()
    assert found.indices.tolist() == expected.indices.tolist()
    assert found.values.tolist() == expected.values.tolist()


def some_chunk(rows: Sequence[tuple[Sequence[int], Sequence[float]]], *ids: str) -> Chunk:
    """A chunk of a few rows, named "0", "1", ... unless told."""
    names = list(ids) or [str(number) for number in range(len(rows))]
    return Chunk(names, SparseBatch.from_rows(DIMENSION, rows))


def vocabulary_file(folder: Path) -> Path:
    """VOCABULARY as vocab.txt."""
    path = folder / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return path
