"""Search gives what brute force over the stored numbers gives, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import CollectionSettings, Scoring, Upkeep, WeightFormat, build, search
from spladed.index import hits as hits_of
from spladed.index.snapshot import Part, Snapshot
from spladed.sparse import SparseBatch

from .oracle import (
    DOT,
    FORMATS,
    SCORINGS,
    Row,
    batch,
    brute_force,
    collection,
    documents,
    hits,
    random_batch,
    rounded,
    rows_of,
    score,
    segment_of,
)

by_formula = pytest.mark.parametrize("how", SCORINGS, ids=lambda how: how.formula)
by_format = pytest.mark.parametrize("weight_format", FORMATS)
weights = st.floats(2**-12, 15.875, width=32)
rows = st.dictionaries(st.integers(0, 15), weights, max_size=8)


def snapshot_of(
    dimension: int, parts: list[SparseBatch], weight_format: WeightFormat, how: Scoring = DOT
) -> Snapshot:
    """A snapshot with one part a batch and no merging; ids are the seqs."""
    made = CollectionSettings(dimension, weight_format=weight_format, scoring=how)
    segments, first = [], 0
    for part in parts:
        segments.append(segment_of(made, part, seqs=range(first, first + len(part))))
        first += len(part)
    return Snapshot(0, tuple(map(Part.of, segments)))


def found(
    snapshot: Snapshot, query: SparseBatch, k: int, how: Scoring = DOT
) -> list[tuple[str, float]]:
    allowed = [part.live for part in snapshot.parts]
    best = search.Search(snapshot, allowed, query, k, how).best(0)
    ids = hits_of.names(snapshot.parts, best.places).ids()
    return list(zip(ids, best.scores.tolist(), strict=True))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(rows, min_size=1, max_size=8), max_size=4),
    rows,
    st.integers(1, 40),
    st.sampled_from(FORMATS),
    st.sampled_from([*SCORINGS, Scoring("saturation", 8.0, 8.0), Scoring("saturation", 1.0, 0.1)]),
    st.integers(1, 9) | st.just(64),
    st.sampled_from([1, 1, 23]),
    st.data(),
)
def test_equals_brute_force_bit_for_bit(
    parts: list[list[Row]], query: Row, k: int, weight_format: WeightFormat, how: Scoring,
    window: int, times: int, data: st.DataObject,
) -> None:  # fmt: skip
    batches = [batch(16, *part * times) for part in parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "WINDOW", window)
        snapshot = snapshot_of(16, batches, weight_format, how)
    stored = [row for part in batches for row in rounded(part, weight_format)]
    dead = data.draw(st.sets(st.sampled_from(range(len(stored))))) if stored else set()
    seqs = np.array(sorted(dead), np.int64)
    snapshot = Snapshot(1, tuple(part.without_seqs(seqs) for part in snapshot.parts))
    live = [(str(seq), row) for seq, row in enumerate(stored) if seq not in dead]
    assert found(snapshot, batch(16, query), k, how) == brute_force(live, query, k, how)


@by_format
@pytest.mark.parametrize("k", [1, 10, 999, 10_000])
def test_equals_brute_force_over_windows_ties_and_a_large_vocabulary(
    weight_format: WeightFormat, k: int
) -> None:
    rng = np.random.default_rng(7)
    dimension, size = 250_002, build.WINDOW + 1000
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


@by_formula
def test_ties_go_by_acceptance_across_flush_and_merge(tmp_path: Path, how: Scoring) -> None:
    """Rows lie by their heaviest terms in files, which is another order."""
    rng = np.random.default_rng(8)
    c = collection(tmp_path, 100, scoring=how, upkeep=Upkeep(flush_documents=4, background=False))
    with c:
        for number in range(60):
            other = {int(rng.integers(50, 100)): 1.0}
            c.upsert(documents(f"d{number}"), batch(100, {1: 1.0} | other))
            if number % 7 == 3:
                c.upsert(documents(f"d{number - 3}"), batch(100, {1: 1.0} | other))
        moved = [number - 3 for number in range(3, 60, 7)]
        last = sorted(range(60), key=lambda number: number + 3.5 if number in moved else number)
        query = batch(100, {1: 2.0})
        for k in (60, 7, 1):
            assert [id for id, _ in hits(c, query, k)] == [f"d{number}" for number in last][:k]
        ranked = hits(c, query, 60)
        c.compact()
        assert hits(c, query, 60) == ranked
        assert len({score for _, score in ranked}) == 1


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


@by_formula
@by_format
def test_explain_sums_to_the_same_bits(
    tmp_path: Path, weight_format: WeightFormat, how: Scoring
) -> None:
    rng = np.random.default_rng(3)
    terms = np.arange(100)
    # Magnitudes apart, so that float64 sums round and their order shows in the last bit.
    rows = [(terms, 10 ** rng.uniform(-3, 1, 100)) for _ in range(21)]
    given_rows = SparseBatch.from_rows(100, rows[:20])
    with collection(tmp_path, 100, weight_format, scoring=how) as c:
        c.upsert(documents(*map(str, range(20))), given_rows)
        query = SparseBatch.from_rows(100, rows[20:])
        ranked = hits(c, query, 20)
        assert len(ranked) == 20
        explained = c.explain(query, [id for id, _ in ranked])
        assert [(one.id, one.score) for one in explained] == ranked
        stored = rounded(given_rows, weight_format)
        asked = rows_of(query)[0]
        for one in explained:
            order = [(-term.contribution, term.term) for term in one.terms]
            assert order == sorted(order)
            by_term = sorted(one.terms, key=lambda term: term.term)
            total = 0.0
            for term in by_term:
                total += term.contribution
            assert total == one.score
            row = stored[int(one.id)]
            assert {t.term: t.document_weight for t in one.terms} == row, "weights come raw"
            assert all(t.query_weight == asked[t.term] for t in one.terms)
            if how.formula == "dot":
                assert all(t.contribution == t.query_weight * t.document_weight for t in one.terms)


@pytest.mark.parametrize(
    ("how", "query", "row", "expected"),
    [
        (DOT, {1: 2.0, 2: 1.0}, {1: 3.0, 5: 1.0}, 6.0),
        (Scoring("cosine"), {1: 3.0, 2: 4.0}, {1: 3.0, 2: 4.0}, 1.0),
        (Scoring("cosine"), {1: 3.0, 2: 4.0}, {1: 8.0}, 0.6),
        (Scoring("cosine"), {1: 3.0}, {2: 8.0}, None),
        (Scoring("saturation", 2.0, 0.5), {1: 3.0, 2: 1.0}, {1: 4.0}, 18.0),
        (Scoring("saturation", 1.0, 1.0), {1: 3.0}, {1: 4.0}, 12.0),
    ],
)
def test_scores_are_those_of_the_formula(
    tmp_path: Path, how: Scoring, query: Row, row: Row, expected: float | None
) -> None:
    with collection(tmp_path, scoring=how) as c:
        c.upsert(documents("a"), batch(100, row))
        found = [score for _, score in hits(c, batch(100, query), 1)]
        assert found == ([] if expected is None else [pytest.approx(expected, rel=1e-6)])
        assert rows_of(c.get(["a"], with_vectors=True).vectors) == [row]


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
    assert search._idle
    assert not any(scratch.sums.any() for scratch in search._idle)
