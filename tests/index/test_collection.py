"""What a collection promises beyond the model's walk: bad input, restarts, bounds, reads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from spladed.errors import (
    AlreadyExists,
    InvalidInput,
    Mismatch,
    NotFound,
    SpladedError,
    Unavailable,
)
from spladed.index import Collection, CollectionSettings, Document, Field
from spladed.index.filter import Exists, Ids, Membership, Not, Range
from spladed.index.values import Value
from spladed.sparse import SparseBatch

from .oracle import batch, collection, documents, hits, random_batch

ONE = batch(100, {1: 1.0})
Call = Callable[[Collection], object]

REFUSALS: dict[str, tuple[Call, type[SpladedError], str, str, str]] = {
    "duplicate id": (
        lambda c: c.upsert(documents("a", "b", "a"), batch(100, {}, {}, {})),
        InvalidInput, "DUPLICATE_ID", "documents[2].id", r"documents\[0\] and documents\[2\]",
    ),
    "empty id": (
        lambda c: c.upsert(documents("a", ""), batch(100, {}, {})),
        InvalidInput, "ID", "documents[1].id", "is empty",
    ),
    "long id": (
        lambda c: c.upsert(documents("é" * 257), batch(100, {})),
        InvalidInput, "ID", "documents[0].id", "514 bytes",
    ),
    "surrogate in an id": (
        lambda c: c.upsert(documents("\ud800"), batch(100, {})),
        InvalidInput, "ID", "documents[0].id", "surrogate",
    ),
    "surrogate in a text": (
        lambda c: c.upsert([Document("a", "x\udfff")], batch(100, {})),
        InvalidInput, "TEXT", "documents[0].text", "character 1",
    ),
    "fewer vectors": (
        lambda c: c.upsert(documents("a", "b"), ONE),
        InvalidInput, "LENGTHS", "documents", "2 documents with 1 vectors",
    ),
    "dimension of an upsert": (
        lambda c: c.upsert(documents("a"), batch(99, {1: 1})),
        Mismatch, "DIMENSION", "vectors.dimension", "99.*100",
    ),
    "unsorted vector": (
        lambda c: c.upsert(documents("a"), SparseBatch.from_rows(100, [([2, 1], [1, 1])])),
        InvalidInput, "VECTOR_INDEX_ORDER", "vectors.indices", "row 0",
    ),
    "weight out of range": (
        lambda c: c.upsert(documents("a"), batch(100, {1: 16.0})),
        InvalidInput, "WEIGHT_RANGE", "vectors.values", "row 0, term 1",
    ),
    "empty id to delete": (lambda c: c.delete(["a", ""]), InvalidInput, "ID", "ids[1]", "empty"),
    "long id to get": (lambda c: c.get(["x" * 513]), InvalidInput, "ID", "ids[0]", "513 bytes"),
    "k of 0": (lambda c: c.search(ONE, 0), InvalidInput, "K", "k", "is 0; expected 1 to 10000"),
    "k too large": (lambda c: c.search(ONE, 10_001), InvalidInput, "K", "k", "10001"),
    "dimension of a query": (
        lambda c: c.search(batch(7, {}), 1),
        Mismatch, "DIMENSION", "queries.dimension", "7.*100",
    ),
    "dimension to explain": (
        lambda c: c.explain(batch(7, {}), []),
        Mismatch, "DIMENSION", "query.dimension", "7.*100",
    ),
    "two rows to explain": (
        lambda c: c.explain(batch(100, {}, {}), []),
        InvalidInput, "LENGTHS", "query", "2 rows",
    ),
    "unknown id to explain": (
        lambda c: c.explain(ONE, ["kept", "nobody"]),
        NotFound, "DOCUMENT", "ids", "'nobody'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_by_name_and_changes_nothing(tmp_path: Path, case: str) -> None:
    call, error, reason, field, message = REFUSALS[case]
    with collection(tmp_path) as c:
        c.upsert(documents("kept"), ONE)
        with pytest.raises(error) as caught:
            call(c)
        assert re.search(message, caught.value.message)
        assert (caught.value.reason, caught.value.field) == (reason, field)
        assert (c.generation, hits(c, ONE, 9)) == (1, [("kept", 1.0)])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dimension": 0}, "DIMENSION"),
        ({"dimension": 1 << 25}, "DIMENSION"),
        ({"dimension": 5, "weight_format": "int8"}, "WEIGHT_FORMAT"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CollectionSettings(**settings)  # pyright: ignore[reportArgumentType]
    assert caught.value.reason == reason


def test_settings_text_and_generation_survive_a_restart(tmp_path: Path) -> None:
    settings = CollectionSettings(250_002, "space", "builtin", "float32", store_text=False)
    with Collection.create(tmp_path / "c", settings) as c:
        c.upsert(documents("a"), batch(250_002, {250_001: 10_000.0}), bundle_id="b1")
    with Collection.open(tmp_path / "c") as c:
        assert (c.name, c.settings, c.generation) == ("c", settings, 1)
        found = c.get(["a"], with_vectors=True)
        assert found.documents == [Document("a", "", '{"id": "a"}')]
        assert found.vectors.values.tolist() == [10_000.0]


def test_get_gives_what_was_asked_for_and_no_more(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1}, {2: 2}))
        found = c.get(["b", "nobody", "a", "b"], with_vectors=True, with_documents=False)
        assert found.documents == [Document("b"), Document("a"), Document("b")]
        assert found.vectors.indices.tolist() == [2, 1, 2]
        assert (found.missing, found.generation) == (["nobody"], 1)
        assert len(c.get(["a"]).vectors) == 0


def test_writes_that_change_nothing_make_no_generation(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        assert c.upsert([], SparseBatch.empty(100)) == 0
        assert c.delete(["nobody"]) == (0, 0)
        c.upsert(documents("a", "b"), batch(100, {1: 1}, {1: 1}))
        assert c.delete(["a", "nobody", "a"]) == (1, 2)


def test_a_seq_is_never_used_twice(tmp_path: Path) -> None:
    query = batch(100, {1: 1})
    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1}, {1: 1}))
        c.delete(["a", "b"])
    with Collection.open(tmp_path / "c") as c:
        c.upsert(documents("b"), query)
        assert c._writer.snapshot.parts[0].segment.seqs.tolist() == [2]


def test_many_small_writes_keep_few_segments(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with collection(tmp_path) as c:
        for number in range(100):
            c.upsert(documents(f"d{number}"), random_batch(rng, 100, 1, 10))
            assert c.stats().segments <= 12
        assert c.stats().documents == 100


def test_deleting_most_rows_frees_memory_and_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with collection(tmp_path) as c:
        c.upsert(documents(*map(str, range(100))), random_batch(rng, 100, 100, 20))
        before = c.stats()
        c.delete([str(number) for number in range(60)])
        c.upsert(documents("one more"), batch(100, {}))
        after = c.stats()
        assert (after.documents, after.deleted) == (41, 0)
        assert after.memory_bytes < before.memory_bytes * 0.6
        c.compact()
        assert c.stats().memory_bytes < 1_000
        c.delete([str(number) for number in range(100)])
        c.delete(["one more"])
        c.compact()
        with c._catalog.reading() as reading:
            counts = reading.counts()
        assert [counts[name] for name in ("segments", "batches", "documents")] == [0, 0, 0]


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(AlreadyExists):
        collection(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (lambda path: None, NotFound, "COLLECTION"),
        (lambda path: path.mkdir(), Mismatch, "NOT_A_COLLECTION"),
    ],
)
def test_opening_what_is_no_collection(
    tmp_path: Path, make: Callable[[Path], None], error: type[SpladedError], reason: str
) -> None:
    make(tmp_path / "c")
    with pytest.raises(error) as caught:
        Collection.open(tmp_path / "c")
    assert caught.value.reason == reason


def test_a_closed_collection_says_so(tmp_path: Path) -> None:
    c = collection(tmp_path)
    c.close()
    c.close()
    calls: list[Call] = [
        lambda c: c.upsert(documents("a"), ONE), lambda c: c.delete(["a"]),
        lambda c: c.get(["a"]), lambda c: c.search(ONE, 1),
        lambda c: c.explain(ONE, []), lambda c: c.stats(),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Unavailable, match="closed"):
            call(c)


@pytest.mark.parametrize("with_documents", [False, True])
def test_readers_see_whole_writes_while_a_writer_writes(
    tmp_path: Path, with_documents: bool
) -> None:
    """Write n sets every document's weight and text to n: no read may mix two writes."""
    names = [f"d{number}" for number in range(20)]

    def write(number: int) -> None:
        rows = batch(100, *({1: float(number)} for _ in names))
        c.upsert([Document(name, str(number)) for name in names], rows)

    def read() -> int:
        reads = 0
        while not done.is_set() or reads < 3:
            found, generation = c.search(ONE, 50, with_documents=with_documents)
            text = str(generation) if with_documents else None
            seen = [(hit.score, hit.document and hit.document.text) for hit in found[0]]
            assert seen == [(float(generation), text)] * 20
            got = c.get(names, with_vectors=True)
            assert [one.text for one in got.documents] == [str(got.generation)] * 20
            assert got.vectors.values.tolist() == [float(got.generation)] * 20
            reads += 1
        return reads

    done = threading.Event()
    with collection(tmp_path) as c, ThreadPoolExecutor(3) as pool:
        write(1)
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(2, 15):
                write(number)
        finally:
            done.set()
        assert all(reader.result() >= 3 for reader in readers)


def test_a_read_does_not_wait_for_a_write(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        in_its_commit = c._writer.alone(), c._catalog.writing()
        with in_its_commit[0], in_its_commit[1], ThreadPoolExecutor(1) as pool:
            pool.submit(read_a, c).result(30)


def read_a(c: Collection) -> None:
    assert hits(c, ONE, 1) == [("a", 1.0)]
    assert c.get(["a"], with_vectors=True).documents == documents("a")
    assert c.search(ONE, 1, with_documents=True)[0][0][0].document == documents("a")[0]
    assert c.stats().documents == 1
    with c.snapshot() as view:
        assert len(view) == 1


def test_what_is_committed_is_seen_by_whoever_reads_after_the_answer(tmp_path: Path) -> None:
    """A read sees one published write, whole, though the next one is committed already."""
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        before = c._writer.snapshot
        c.upsert([Document("a", "new")], batch(100, {1: 2}))
        after, c._writer.snapshot = c._writer.snapshot, before  # committed, not yet published
        assert c.get(["a"]).documents == documents("a")
        assert hits(c, ONE, 1) == [("a", 1.0)]
        c._writer.snapshot = after
        assert c.get(["a"]).documents == [Document("a", "new")]
        assert hits(c, ONE, 1) == [("a", 2.0)]


EVERY = (
    Field("kind", "keyword"),
    Field("größe", "integer", list=True),
    Field("score", "float"),
    Field("new", "boolean"),
    Field("seen", "time"),
)
VALUES: dict[str, tuple[Value, ...]] = {
    "kind": ("é",), "größe": (3, -1, 3), "score": (0.5,), "new": (False,),
    "seen": (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),),
}  # fmt: skip


@pytest.mark.parametrize("then", ["nothing", "reopen", "flush", "compact"])
def test_fields_come_back_as_they_were_given(tmp_path: Path, then: str) -> None:
    c = collection(tmp_path, fields=EVERY)
    given = [Document("a", fields=VALUES), Document("b"), Document("c", fields={"new": (True,)})]
    c.upsert(given[:2], batch(100, {1: 1.0}, {1: 1.0}))
    if then == "compact":
        c.flush()
    c.upsert(given[2:], ONE)
    if then == "reopen":
        c.close()
        c = Collection.open(tmp_path / "c")
    if then in ("flush", "compact"):
        getattr(c, then)()
    with c:
        assert c.get(["c", "a", "b"]).documents == [given[2], given[0], given[1]]
        for keep, ids in (
            (Membership("größe", [-1]), ["a"]),
            (Exists("new"), ["a", "c"]),
            (Not(Exists("new")), ["b"]),
            (Range("seen", below=datetime(2027, 1, 1, tzinfo=UTC)), ["a"]),
        ):
            assert [hit.id for hit in c.search(ONE, 9, keep=keep)[0][0]] == ids
        with pytest.raises(InvalidInput, match=r"declared: kind.*größe") as caught:
            c.search(ONE, 9, keep=Exists("color"))
        assert caught.value.reason == "FIELD"


def test_deleting_by_a_filter_counts_and_leaves_the_rest(tmp_path: Path) -> None:
    with collection(tmp_path, fields=EVERY) as c:
        for number in range(10):
            c.upsert([Document(f"d{number}", fields={"größe": (number,)})], ONE)
            if number % 4 == 3:
                c.flush()
        assert c.delete_kept(Range("größe", at_least=7)) == (3, 11)
        assert c.delete_kept(Range("größe", at_least=7)) == (0, 11)
        assert c.delete_kept(Ids(["d0", "nobody"])) == (1, 12)
        expected = [f"d{number}" for number in range(1, 7)]
        assert [id for id, _ in hits(c, ONE, 20)] == expected
    with Collection.open(tmp_path / "c") as c:
        assert (c.generation, [id for id, _ in hits(c, ONE, 20)]) == (12, expected)
