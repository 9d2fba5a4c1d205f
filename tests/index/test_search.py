"""Search gives what brute force over the stored numbers gives, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import WeightFormat, grid, kernels, search
from spladed.index.segment import Segment
from spladed.index.snapshot import Snapshot
from spladed.sparse import SparseBatch

from .oracle import (
    Row,
    batch,
    brute_force,
    collection,
    documents,
    hits,
    random_batch,
    rows_of,
    score,
)

FORMATS: tuple[WeightFormat, ...] = ("fixed16", "float32")
weights = st.floats(2**-12, 15.875, width=32)
rows = st.dictionaries(st.integers(0, 15), weights, max_size=8)


def snapshot_of(dimension: int, parts: list[SparseBatch], weight_format: WeightFormat) -> Snapshot:
    """A snapshot with one part a batch and no merging; ids are the seqs."""
    snapshot = Snapshot(dimension, 0, ())
    made, first = [], 0
    for part in parts:
        seqs = np.arange(first, first + len(part))
        ids = [str(seq) for seq in seqs]
        segment = Segment.build(dimension, seqs, ids, grid.to_grid(part, weight_format))
        made.append(Snapshot.after(snapshot, [], segment).parts[0])
        first += len(part)
    return Snapshot(dimension, 0, tuple(made))


def found(snapshot: Snapshot, query: SparseBatch, k: int) -> list[tuple[str, float]]:
    best = search.top(snapshot, query, k)
    return [(snapshot.parts[part].segment.ids[row], score) for score, (part, row) in best]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(rows, min_size=1, max_size=8), max_size=4),
    rows,
    st.integers(1, 40),
    st.sampled_from(FORMATS),
)
def test_equals_brute_force_bit_for_bit(
    parts: list[list[Row]], query: Row, k: int, weight_format: WeightFormat
) -> None:
    batches = [batch(16, *part) for part in parts]
    snapshot = snapshot_of(16, batches, weight_format)
    stored = [
        (id, row)
        for part in snapshot.parts
        for id, row in zip(
            part.segment.ids, rows_of(grid.vectors(part.segment.rows, 16)), strict=True
        )
    ]
    assert found(snapshot, batch(16, query), k) == brute_force(stored, query, k)


@pytest.mark.parametrize("weight_format", FORMATS)
@pytest.mark.parametrize("k", [1, 10, 999, 10_000])
def test_equals_brute_force_over_windows_ties_and_a_large_vocabulary(
    weight_format: WeightFormat, k: int
) -> None:
    rng = np.random.default_rng(7)
    dimension, size = 250_002, kernels.WINDOW + 1000
    base = random_batch(rng, dimension, 700, 6)
    first = base.take(np.arange(size) % 700)  # every row a hundred times: ties everywhere
    snapshot = snapshot_of(dimension, [first, base], weight_format)
    table = rows_of(base)
    for query in random_batch(rng, dimension, 4, 8).rows():
        asked = dict(zip(*(side.tolist() for side in query), strict=True))
        scores = np.array([score(asked, row) for row in table])
        every = np.concatenate([scores[np.arange(size) % 700], scores])
        order = np.lexsort((np.arange(len(every)), -every))[:k]
        expected = [(str(seq), every[seq]) for seq in order if every[seq] > 0]
        assert found(snapshot, SparseBatch.from_rows(dimension, [query]), k) == expected


def test_ties_come_in_the_order_of_acceptance_and_replacing_goes_last(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("z", "a", "m"), batch(100, {1: 1}, {1: 1}, {1: 1}))
        query = batch(100, {1: 2})
        assert [id for id, _ in hits(c, query, 10)] == ["z", "a", "m"]
        assert [id for id, _ in hits(c, query, 2)] == ["z", "a"]
        c.upsert(documents("z"), batch(100, {1: 1}))
        assert [id for id, _ in hits(c, query, 10)] == ["a", "m", "z"]


@pytest.mark.parametrize("query", [{}, {99: 5.0}])
def test_what_matches_nothing_has_no_hits(tmp_path: Path, query: Row) -> None:
    with collection(tmp_path) as c:
        assert c.search(batch(100, query), 3) == ([[]], 0)
        c.upsert(documents("a", "empty"), batch(100, {1: 1}, {}))
        assert c.search(batch(100, query), 3) == ([[]], 1)
        assert c.search(SparseBatch.empty(100), 3) == ([], 1)


@pytest.mark.parametrize("weight_format", FORMATS)
def test_explain_sums_to_the_same_bits(tmp_path: Path, weight_format: WeightFormat) -> None:
    rng = np.random.default_rng(3)
    terms = np.arange(100)
    # Magnitudes apart, so that float64 sums round and their order shows in the last bit.
    rows = [(terms, 10 ** rng.uniform(-3, 1, 100)) for _ in range(21)]
    with collection(tmp_path, 100, weight_format) as c:
        c.upsert(documents(*map(str, range(20))), SparseBatch.from_rows(100, rows[:20]))
        query = SparseBatch.from_rows(100, rows[20:])
        ranked = hits(c, query, 20)
        explained = c.explain(query, [id for id, _ in ranked])
        assert [(one.id, one.score) for one in explained] == ranked
        for one in explained:
            order = [(-term.contribution, term.term) for term in one.terms]
            assert order == sorted(order)
            assert all(t.contribution == t.query_weight * t.document_weight for t in one.terms)


def test_read_only_and_strided_queries_are_fine(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), batch(100, {1: 1, 3: 2}))
        indices = np.frombuffer(np.array([1, 3], np.int32).tobytes(), np.int32)
        values = np.array([1, 9, 2, 9], np.float32)[::2]
        query = SparseBatch(100, np.array([0, 2]), indices, values)
        assert hits(c, query, 1) == [("a", 5.0)]


def test_the_scratch_is_clean_after_every_query() -> None:
    snapshot = snapshot_of(50, [random_batch(np.random.default_rng(1), 50, 300, 9)], "fixed16")
    query = batch(50, dict.fromkeys(range(50), 1.0))
    first = found(snapshot, query, 5)
    assert all(found(snapshot, query, 5) == first for _ in range(3))
    assert not search._scratch.sums.any()


def test_warm_up_runs() -> None:
    kernels.warm_up()
