"""Rows are packed and inverted without loss, whatever the vocabulary and the windows."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import (
    CollectionSettings,
    Scoring,
    WeightFormat,
    build,
    container,
    grid,
    ids,
    storage,
)
from spladed.index.container import Container, to_bytes
from spladed.index.ids import Ids
from spladed.index.kernels import build as kernels
from spladed.index.packed import Packed, pack
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.union import Union

from .oracle import FORMATS, SCORINGS, Row, batch, impacts, rounded, rows_of, segment_of

# BERT, ModernBERT, the last of 16 bits and the first of 32, multilingual BERT, XLM-R.
DIMENSIONS = (30_522, 50_368, 65_536, 65_537, 119_547, 250_002)

dimensions = st.sampled_from(DIMENSIONS)
formats = st.sampled_from(FORMATS)
scorings = st.sampled_from(SCORINGS)
weights = st.sampled_from([0.25, 0.5, 1.0]) | st.floats(2**-12, 15.875, width=32)


def rows_over(dimension: int, max_size: int = 12) -> st.SearchStrategy[list[Row]]:
    """Rows that meet in some terms, with the ends of the vocabulary among them."""
    often = st.sampled_from([0, 1, 2, 3, 300, dimension - 2, dimension - 1])
    terms = often | st.integers(0, dimension - 1)
    return st.lists(st.dictionaries(terms, weights, max_size=7), max_size=max_size)


@contextmanager
def limits(window: int, max_weights: int = 1 << 29) -> Iterator[None]:
    """Windows of at most so many documents and weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "WINDOW", window)
        patch.setattr(build, "_MAX_WEIGHTS", max_weights)
        yield


def heaviest(row: Row) -> tuple[int, int, int]:
    """The three heaviest terms, equal weights by term; 0 where there are fewer."""
    terms = [term for _, term in sorted((-weight, term) for term, weight in row.items())]
    first, second, third = (*terms, 0, 0, 0)[:3]
    return first, second, third & 0xFFFF


def expected_order(rows: Sequence[Row]) -> list[int]:
    """By the heaviest terms, equal ones as they came."""
    return sorted(range(len(rows)), key=lambda number: heaviest(rows[number]))


def stored_rows(segment: Segment) -> list[dict[int, float]]:
    rows = segment.rows(np.arange(segment.documents))
    return rows_of(grid.vectors(rows, segment.dimension))


def postings(segment: Segment, how: Scoring) -> list[dict[int, list[tuple[int, float]]]]:
    """Each window's {term: [(document in it, impact)]}, as a reader of the format finds them."""
    windows = []
    step = 1.0 if segment.float_impacts else grid.FIXED16_STEP
    assert segment.float_impacts == (segment.floats or how.formula != "dot")
    for number in range(len(segment.directory)):
        terms, starts, docs, numbers = (
            segment.container[f"w{number}/{name}"]
            for name in ("terms", "starts", "docs", "impacts")
        )
        assert starts[0] == 0 and starts[-1] == len(docs) == len(numbers)
        assert np.all(np.diff(terms.astype(np.int64)) > 0)
        assert terms.dtype == (np.uint32 if segment.wide else np.uint16)
        pairs = list(zip(docs.tolist(), (numbers * step).tolist(), strict=True))
        spans = pairwise(starts.tolist())
        windows.append(
            {term: pairs[a:b] for term, (a, b) in zip(terms.tolist(), spans, strict=True)}
        )
    return windows


def inverted(rows: list[dict[int, float]], how: Scoring) -> dict[int, list[tuple[int, float]]]:
    found: dict[int, list[tuple[int, float]]] = {}
    for doc, row in enumerate(rows):
        for term, impact in impacts(how, row, how.document_power).items():
            found.setdefault(term, []).append((doc, impact))
    return dict(sorted(found.items()))


@settings(max_examples=150, deadline=None)
@given(st.data(), dimensions, formats, scorings, st.integers(1, 5), st.integers(1, 30))
def test_a_segment_has_every_row_in_order_and_its_postings_are_the_inversion(
    data: st.DataObject, dimension: int, weight_format: WeightFormat, how: Scoring,
    window: int, max_weights: int,
) -> None:  # fmt: skip
    given_rows = data.draw(rows_over(dimension).filter(len))
    vectors = batch(dimension, *given_rows)
    made = CollectionSettings(dimension, weight_format=weight_format, scoring=how)
    with limits(window, max_weights):
        segment = segment_of(made, vectors)
    segment.verify()
    stored = rounded(vectors, weight_format)
    order = expected_order(stored)
    rows = [stored[number] for number in order]
    assert stored_rows(segment) == rows
    assert (segment.documents, segment.weights) == (len(rows), sum(map(len, rows)))
    assert segment.lengths(np.arange(len(rows))).tolist() == [len(row) for row in rows]
    assert segment.seqs.tolist() == order
    assert segment.seqs_rising.tolist() == list(range(len(rows)))
    windows = postings(segment, how)
    firsts = [*segment.directory[:, kernels.FIRST_ROW].tolist(), len(rows)]
    for found, (start, stop) in zip(windows, pairwise(firsts), strict=True):
        assert 1 <= stop - start <= window
        assert stop - start == 1 or sum(map(len, rows[start:stop])) < max_weights
        assert found == inverted(rows[start:stop], how)


@settings(max_examples=100, deadline=None)
@given(st.data(), dimensions, formats)
def test_packed_rows_unpack_bit_for_bit(
    data: st.DataObject, dimension: int, weight_format: WeightFormat
) -> None:
    rows = grid.to_grid(batch(dimension, *data.draw(rows_over(dimension))), weight_format)
    packed = pack(rows, wide=dimension > 65_536)
    found = packed.unpacked()
    assert found.indptr.tolist() == rows.indptr.tolist()
    assert found.indices.tobytes() == rows.indices.tobytes()
    assert found.weights.tobytes() == rows.weights.tobytes()
    assert found.weights.dtype == rows.weights.dtype
    assert packed.lengths().tolist() == np.diff(rows.indptr).tolist()
    assert not np.any(packed.starts % 4), "a number may lie across its own size"
    numbers = np.array(data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)))), np.int64)
    if len(rows):
        taken = packed.take(numbers).unpacked()
        for place, number in enumerate(numbers.tolist()):
            for one, other in zip(taken.row(place), rows.row(number), strict=True):
                assert one.tobytes() == other.tobytes()
    twice = Packed.concatenate([packed, packed])
    assert twice.data.tobytes() == packed.data.tobytes() * 2
    assert twice.lengths().tolist() == packed.lengths().tolist() * 2


@pytest.mark.parametrize(
    ("dimension", "weight_format", "size"),
    [
        (65_536, "fixed16", 4),
        (65_536, "float32", 6),
        (65_537, "fixed16", 6),
        (65_537, "float32", 8),
    ],
)
def test_terms_are_of_16_bits_where_the_vocabulary_allows(
    dimension: int, weight_format: WeightFormat, size: int
) -> None:
    made = CollectionSettings(dimension, weight_format=weight_format)
    rows = [dict.fromkeys(range(0, 4 * count, 4), 1.0) for count in (2, 4, 6)]
    segment = segment_of(made, batch(dimension, *rows))
    assert segment.wide == (dimension == 65_537)
    assert sorted(segment.sizes(np.arange(3)).tolist()) == [2 * size, 4 * size, 6 * size]


@pytest.mark.parametrize(
    ("lengths", "window", "max_weights", "cuts"),
    [
        ([], 3, 10, [0]),
        ([1], 3, 10, [0, 1]),
        ([1, 1, 1, 1], 3, 10, [0, 3, 4]),
        ([4, 4, 4], 3, 9, [0, 2, 3]),
        ([4, 4, 4], 3, 8, [0, 1, 2, 3]),  # fewer than the limit, so that an offset stays under it
        ([4, 4, 1], 3, 9, [0, 2, 3]),
        ([9, 9, 9], 3, 8, [0, 1, 2, 3]),  # none fits, and each must go somewhere
        ([0, 0, 9, 0], 3, 8, [0, 2, 3, 4]),
        ([0] * 7, 3, 8, [0, 3, 6, 7]),
        ([8, 0, 0, 1], 4, 9, [0, 3, 4]),
    ],
)
def test_a_window_ends_by_documents_or_by_weights(
    lengths: list[int], window: int, max_weights: int, cuts: list[int]
) -> None:
    with limits(window, max_weights):
        assert build._cuts(np.array(lengths, np.int64)) == cuts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=30), st.data())
def test_ids_and_seqs_are_found_however_their_hashes_collide(
    names: list[str], data: st.DataObject
) -> None:
    names = [name for name in names if name.isprintable()] or ["a"]
    seqs = sorted(data.draw(st.sets(st.integers(0, 1 << 62), min_size=len(names),
                                    max_size=len(names))))  # fmt: skip
    rows = data.draw(st.lists(st.dictionaries(st.integers(0, 9), weights, max_size=3),
                              min_size=len(names), max_size=len(names)))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        buckets = data.draw(st.sampled_from([1, 2, 1 << 64]))
        patch.setattr(ids, "xxh3_64_intdigest", lambda text: hash(text) % buckets)
        segment = segment_of(CollectionSettings(10), batch(10, *rows), seqs=seqs, ids=names)
        found = segment.rows_of_ids([*names, "nobody here", names[0] + "\0"]).tolist()
        by_row = segment.ids
        assert [by_row[row] for row in range(len(names))] == [
            segment.id(row) for row in range(len(names))
        ]
        assert (
            by_row.hashes.tolist() == Ids.of([by_row[n] for n in range(len(names))]).hashes.tolist()
        )
    assert [segment.id(row) for row in found[:-2]] == names
    assert found[-2:] == [-1, -1]
    assert [segment.seqs[row] for row in found[:-2]] == seqs
    assert (segment.first_seq, segment.last_seq) == (seqs[0], seqs[-1])
    asked = np.array([*seqs, -1, seqs[-1] + 1, seqs[0] + 1], np.int64)
    expected = [found[seqs.index(seq)] if seq in seqs else -1 for seq in asked.tolist()]
    assert segment.rows_of_seqs(asked).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.data(), dimensions, formats, scorings, st.integers(1, 4))
def test_a_union_of_live_rows_is_what_would_be_built_of_them_anew(
    data: st.DataObject, dimension: int, weight_format: WeightFormat, how: Scoring, window: int
) -> None:
    """Byte for byte: a merge is as good as writing the documents again."""
    made = CollectionSettings(dimension, weight_format=weight_format, scoring=how)
    parts, kept_rows, kept_seqs, next_seq = [], [], [], 0
    with limits(window):
        for given_rows in data.draw(st.lists(rows_over(dimension, 6), min_size=1, max_size=3)):
            if not given_rows:
                continue
            seqs = range(next_seq, next_seq + len(given_rows))
            dead = data.draw(st.sets(st.sampled_from(seqs)))
            segment = segment_of(made, batch(dimension, *given_rows), seqs=seqs)
            parts.append(Part.of(segment).without_seqs(np.array(sorted(dead), np.int64)))
            kept_seqs += [seq for seq in seqs if seq not in dead]
            kept_rows += [given_rows[seq - next_seq] for seq in seqs if seq not in dead]
            next_seq += len(given_rows)
        if not kept_rows:
            return
        union = Union(parts, ())
        merged = to_bytes(build.segment_sections(union, made, build.sort_order(union)))
        anew = segment_of(made, batch(dimension, *kept_rows), seqs=kept_seqs)
    assert merged == anew.data.tobytes()


@pytest.mark.parametrize("weight_format", FORMATS)
def test_offsets_into_a_file_do_not_end_at_two_gigabytes(
    tmp_path: Path, weight_format: WeightFormat
) -> None:
    """All sections lie behind a hole that takes no room on the disk."""
    made = CollectionSettings(250_002, weight_format=weight_format)
    vectors = batch(250_002, *[{n: 1.0 + n, 250_000 + n % 2: 0.5} for n in range(9)])
    segment = segment_of(made, vectors)
    hole = np.zeros((1 << 31) + 64, np.uint8)
    sections: list[tuple[str, Any]] = [("hole", hole)]
    sections += [(name, segment.container[name]) for name in segment.container.names]
    path = tmp_path / "large.segment"
    with path.open("wb") as file:

        def append(data: Any) -> None:
            if len(data) == len(hole):
                file.seek(len(data), 1)
            else:
                file.write(data)

        with pytest.MonkeyPatch.context() as patch:
            digest = container.xxh3_64_intdigest  # of 2 GiB of nothing it takes half a second
            patch.setattr(
                container, "xxh3_64_intdigest",
                lambda data: 0 if len(data) == len(hole) else digest(data),
            )  # fmt: skip
            container.write(sections, append)
    large = Segment.open(path)
    assert large.directory[:, kernels.ROWS].min() > 1 << 31
    assert stored_rows(large) == stored_rows(segment)
    assert postings(large, Scoring()) == postings(segment, Scoring())
    found = Union([Part.of(large)], ()).packed(np.arange(9))
    assert found.data.tobytes() == Union([Part.of(segment)], ()).packed(np.arange(9)).data.tobytes()


def test_offsets_into_the_rows_of_a_window_do_not_end_at_two_gigabytes() -> None:
    starts = np.array([0, 1 << 31, (1 << 31) + 8, (1 << 32) - 4], np.uint32)
    directory = np.zeros((1, kernels.COLUMNS), np.int64)
    directory[0, kernels.DOCUMENTS], directory[0, kernels.ROWS] = 3, 1 << 33
    begins, sizes = kernels.locate(starts.view(np.uint8), directory, np.array([2, 1, 0]))
    assert begins.tolist() == [(1 << 33) + (1 << 31) + 8, (1 << 33) + (1 << 31), 1 << 33]
    assert sizes.tolist() == [(1 << 31) - 12, 8, 1 << 31]


def test_a_batch_has_its_rows_by_seq_and_no_postings() -> None:
    vectors = batch(30_522, {5: 1.0}, {}, {1: 2.0, 7: 0.5})
    made = CollectionSettings(30_522)
    segment = segment_of(made, vectors)
    union = Union([Part.of(segment)], ())
    data = to_bytes(build.batch_sections(union, made))
    stored = Segment(Container.of(data, "a batch"))
    assert stored_rows(stored) == rows_of(vectors)
    assert stored.seqs.tolist() == stored.by_seq.tolist() == [0, 1, 2]
    assert not stored.has_postings
    assert not any("docs" in name for name in stored.container.names)


def test_what_searches_read_here_and_there_is_mapped_so_and_a_merge_reads_it_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [dict.fromkeys(range(number % 7, 2000, 3), 1.0) for number in range(40)]
    made = segment_of(CollectionSettings(30_522), batch(30_522, *rows))
    (tmp_path / "segment").write_bytes(made.data.tobytes())
    advised: list[tuple[int, int]] = []
    monkeypatch.setattr(
        storage.calls, "advise", lambda _, __, start, length: advised.append((start, length))
    )
    Segment.open(tmp_path / "segment")
    assert advised == []
    parts = Segment.open(tmp_path / "segment", for_searches=True).container
    first = parts.offset("w0/rows")
    stop = first + parts.size("w0/rows")
    ((start, length),) = advised
    assert first <= start < start + length <= stop
    assert length > stop - first - 2 * mmap.PAGESIZE
