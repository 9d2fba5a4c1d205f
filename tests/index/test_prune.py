"""Pruned search gives what brute force over the stored numbers gives, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spladed.index import (
    CollectionSettings,
    Scoring,
    WeightFormat,
    bits,
    bounds,
    build,
    grid,
    search,
)
from spladed.index.kernels import pool
from spladed.index.kernels import prune as kernels
from spladed.index.plan import Plan
from spladed.index.segment import Segment
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
    rounded,
    score,
    segment_of,
)

Hits = list[tuple[float, int]]

# The ways through a segment; patience without end, of a while, and none.
WAYS = (
    Plan(kernels.EACH),
    Plan(kernels.ESSENTIAL),
    Plan(kernels.VISIT, patience=1),
    Plan(kernels.VISIT, patience=1000),
    Plan(kernels.VISIT, patience=1 << 62),
)


@pytest.fixture(autouse=True)
def bounds_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Segments of any size have bounds, of few frequent terms."""
    monkeypatch.setattr(build, "BOUNDS_FROM", 1)
    monkeypatch.setattr(bounds, "MAX_FREQUENT", 70)
    return iter([None])


def pruned(
    segments: list[Segment], allowed: list[bits.Bits], query: Row, k: int, how: Plan
) -> Hits:
    """(score, seq) of the k best over all segments."""
    terms = np.array(sorted(query), np.int32)
    weights = np.array([query[term] for term in sorted(query)])
    heap = np.empty(k), np.empty(k, np.int64), np.empty(k, np.int64)
    sums, room = np.zeros(build.WINDOW), pool.room(k)
    scratch, size = kernels.Scratch(), 0
    for number, (segment, rows) in enumerate(zip(segments, allowed, strict=True)):
        scratch.fit(segment.dimension, segment.documents)
        scaled = weights if segment.floats else weights * grid.FIXED16_STEP
        own = segment.bounds
        assert own is not None
        size = kernels.prune(
            terms, scaled, segment.data, segment.directory, segment.wide, segment.floats,
            segment.seqs, rows, own.frequent, own.slots, own.windows, own.spans,
            *how, number << 32, k, size, *scratch.arrays,
            *[sums, np.empty(room), np.empty(room, np.int64), *heap],
        )  # fmt: skip
        assert not scratch.flags.any()
        assert not sums.any()
    for seq, place in zip(heap[1][:size].tolist(), heap[2][:size].tolist(), strict=True):
        assert segments[place >> 32].seqs[place & 0xFFFFFFFF] == seq
    ranked = sorted((-score, seq) for score, seq in zip(heap[0][:size], heap[1], strict=False))
    return [(-score, int(seq)) for score, seq in ranked]


def brute(table: Mapping[int, Row], kept: set[int], query: Row, k: int) -> Hits:
    """(score, seq) of the k best, by scoring everything."""
    scored = [(score(query, row), seq) for seq, row in table.items() if seq in kept]
    return sorted((hit for hit in scored if hit[0] > 0), key=lambda hit: (-hit[0], hit[1]))[:k]


def allowed_of(segment: Segment, kept: set[int]) -> bits.Bits:
    return bits.pack(np.array([seq in kept for seq in segment.seqs.tolist()], np.bool_))


@pytest.mark.parametrize("weight_format", FORMATS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_equals_brute_force_bit_for_bit(weight_format: WeightFormat, data: st.DataObject) -> None:
    """Ties, empty rows, deleted and filtered rows, unknown terms, several segments, any k."""
    dimension = data.draw(st.sampled_from([97, 30_522, 50_368, 119_547, 250_002]))
    used = st.integers(0, 96) | st.integers(dimension - 3, dimension - 1)
    weights = st.sampled_from([0.25, 0.5, 1.0, 3.75]) | st.floats(2**-12, 15.875, width=32)
    rows = st.lists(st.dictionaries(used, weights, max_size=9), min_size=1, max_size=30)
    made = CollectionSettings(dimension, weight_format=weight_format)
    table: dict[int, Row] = {}
    segments = []
    for number, part in enumerate(data.draw(st.lists(rows, min_size=1, max_size=3))):
        part = part * data.draw(st.sampled_from([1, 7]))
        seqs = [1000 * number + 2 * place for place in range(len(part))]
        vectors = batch(dimension, *part)
        segment = segment_of(made, vectors, seqs=seqs)
        if segment.bounds is None:
            return  # rows of no terms at all
        segments.append(segment)
        table.update(zip(seqs, rounded(vectors, weight_format), strict=True))
    kept = set(data.draw(st.lists(st.sampled_from(sorted(table))))) or set(table)
    query = data.draw(st.dictionaries(used, weights, min_size=1, max_size=20))
    k = data.draw(st.integers(1, 40))
    allowed = [allowed_of(segment, kept) for segment in segments]
    how = data.draw(st.sampled_from(WAYS))
    assert pruned(segments, allowed, query, k, how) == brute(table, kept, query, k)


def collection_like(rng: np.random.Generator, dimension: int, count: int) -> SparseBatch:
    """Rows that share heavy terms, with a long tail of light ones; every tenth row twice."""
    rows: list[Row] = []
    for _ in range(count):
        topic = int(rng.integers(0, 40))
        terms = {topic * 5 + int(t): float(rng.integers(8000, 16000)) / 4096 for t in range(3)}
        for term in rng.zipf(1.3, 40) % dimension:
            terms.setdefault(int(term), float(rng.integers(1, 4000)) / 4096)
        rows.append(terms if len(rows) % 10 else rows[-9] if rows else terms)
    return batch(dimension, *rows)


@pytest.mark.parametrize("weight_format", FORMATS)
@pytest.mark.parametrize("dimension", [30_522, 250_002])
def test_thousands_of_rows_with_filters(dimension: int, weight_format: WeightFormat) -> None:
    rng = np.random.default_rng(11)
    vectors = collection_like(rng, dimension, 6000)
    segment = segment_of(CollectionSettings(dimension, weight_format=weight_format), vectors)
    table = dict(enumerate(rounded(vectors, weight_format)))
    for share in (1.0, 0.3, 0.01):
        kept = {seq for seq in table if rng.random() < share}
        allowed = [allowed_of(segment, kept)]
        for query in rounded(collection_like(rng, dimension, 3), "float32"):
            for k in (1, 10, 100):
                expected = brute(table, kept, query, k)
                for how in WAYS:
                    assert pruned([segment], allowed, query, k, how) == expected


@pytest.mark.parametrize("span", [1, 2])
def test_several_windows_and_spans(span: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SPAN_WINDOWS", span)
    rng = np.random.default_rng(5)
    base = collection_like(rng, 30_522, 300)
    count = 2 * build.WINDOW + 777
    segment = segment_of(CollectionSettings(30_522), base.take(np.arange(count) % 300))
    assert segment.bounds is not None
    assert len(segment.bounds.spans) == -(-3 // span)
    table = rounded(base, "fixed16")
    allowed = [bits.pack(np.ones(count, np.bool_))]
    for query in rounded(collection_like(rng, 30_522, 2), "float32"):
        every = np.array([score(query, row) for row in table])[np.arange(count) % 300]
        for k in (1, 10, 1000):
            order = np.lexsort((np.arange(count), -every))[:k]
            expected = [(every[seq], seq) for seq in order.tolist() if every[seq] > 0]
            for how in WAYS:
                assert pruned([segment], allowed, query, k, how) == expected


@pytest.mark.parametrize(
    "how", [Plan(kernels.VISIT, patience=1, most=1, trust=0.9), Plan(kernels.ESSENTIAL, trust=0.4)]
)
def test_less_effort_may_miss_hits_and_gives_as_many_with_their_scores(how: Plan) -> None:
    """Over two windows: in the first every term is essential, while hits are missing."""
    rng = np.random.default_rng(21)
    base = collection_like(rng, 30_522, 3000)
    count = build.WINDOW + 3000
    segment = segment_of(CollectionSettings(30_522), base.take(np.arange(count) % 3000))
    table = rounded(base, "fixed16")
    allowed = [bits.pack(np.ones(count, np.bool_))]
    differ = 0
    for query in rounded(collection_like(rng, 30_522, 10), "float32"):
        every = np.array([score(query, row) for row in table])[np.arange(count) % 3000]
        for k in (1, 10, 2000):
            order = np.lexsort((np.arange(count), -every))[:k]
            found = pruned([segment], allowed, query, k, how)
            assert len(found) == k
            assert all(given == every[seq] for given, seq in found)
            differ += found != [(every[seq], seq) for seq in order.tolist()]
    assert differ  # else it is another way to be exact


def test_magnitudes_that_float32_cannot_multiply() -> None:
    """Bounds neither vanish nor overflow where scores do not."""
    made = CollectionSettings(97, weight_format="float32")
    rows = [{1: 1e-12, 2: 1e4}, {1: 1e-12}, {3: 2e-12}, {2: 1e-6, 4: 1e4}]
    segment = segment_of(made, batch(97, *rows))
    table = dict(enumerate(rounded(batch(97, *rows), "float32")))
    allowed = [allowed_of(segment, set(table))]
    for query in ({1: 1e-12}, {3: 1e-12}, {1: 1e-12, 2: 1e4}, {1: 1e4, 3: 1e-12, 4: 1e-12}):
        asked = rounded(batch(97, query), "float32")[0]
        expected = brute(table, set(table), asked, 4)
        for how in WAYS:
            assert pruned([segment], allowed, asked, 4, how) == expected


def test_spread_counts_rows_and_superblocks() -> None:
    assert kernels.spread(np.zeros(0, np.uint64)) == (0, 0)
    assert kernels.spread(np.array([0, 5, 2**64 - 1, 0], np.uint64)) == (66, 2)


@pytest.mark.parametrize("how", SCORINGS)
def test_only_what_scores_as_it_is_stored_has_bounds(how: Scoring) -> None:
    made = CollectionSettings(97, scoring=how)
    assert (segment_of(made, batch(97, {1: 1.0})).bounds is None) == (how != DOT)
    assert segment_of(made, batch(97, {}, {})).bounds is None


@pytest.mark.parametrize("how", WAYS)
def test_a_collection_prunes_its_segments_and_not_its_buffer(
    how: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "plan", lambda k, effort, **sizes: how)
    rng = np.random.default_rng(2)
    vectors = collection_like(rng, 30_522, 3000)
    names = [f"d{number}" for number in range(3000)]
    with collection(tmp_path, 30_522) as c:
        for start in (0, 1400):
            c.upsert(
                documents(*names[start : start + 1400]), vectors.take(range(start, start + 1400))
            )
            c.flush()
        c.upsert(documents(*names[2800:]), vectors.take(range(2800, 3000)))
        c.delete(names[100:2000:3])
        deleted = set(names[100:2000:3])
        stored = zip(names, rounded(vectors, "fixed16"), strict=True)
        live = [(id, row) for id, row in stored if id not in deleted]
        queries = collection_like(rng, 30_522, 3)
        for number, query in enumerate(rounded(queries, "float32")):
            for k in (1, 10, 100):
                assert hits(c, queries.take([number]), k) == brute_force(live, query, k)
