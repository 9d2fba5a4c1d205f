"""Bulk load is many upserts, faster; what it says is durable is durable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import Exhausted, InvalidInput, Mismatch, SpladedError, Unavailable
from spladed.index import Collection, Document, Field, Upkeep, chunk, commit, files
from spladed.index.load import deleted
from spladed.index.loader import Load
from spladed.sparse import SparseBatch

from .oracle import FORMATS, batch, collection, documents, hits, random_batch
from .stored import content_of

ONE = batch(100, {1: 1.0})
OFTEN = Upkeep(flush_documents=8, background=False)
FIELDS = (Field("n", "integer"), Field("tags", "keyword", list=True))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "_MAX_DOCUMENTS", 7)


def made(rng: np.random.Generator, count: int) -> tuple[list[Document], SparseBatch]:
    """Documents of few ids, so that they replace each other, each once a batch."""
    ids = [f"d{number}" for number in rng.choice(40, count, replace=False)]
    every = [
        Document(id, f"text {rng.integers(1000)}" * int(rng.integers(2)), "",
                 {"n": (int(rng.integers(9)),), "tags": ("x", str(rng.integers(3)))})
        for id in ids
    ]  # fmt: skip
    return every, random_batch(rng, 100, count, 5)


def all_of(c: Collection) -> list[tuple[Document, tuple[bytes, bytes]]]:
    """Every document with its fields and the bits of its row, in order."""
    ids = list(content_of(c))
    found = c.get(ids, with_vectors=True)
    rows = [(i.tobytes(), v.tobytes()) for i, v in found.vectors.rows()]
    return list(zip(found.documents, rows, strict=True))


@pytest.mark.parametrize("weight_format", FORMATS)
@pytest.mark.parametrize("upkeep", [None, OFTEN], ids=["buffer", "files"])
def test_loading_is_upserting(tmp_path: Path, weight_format: Any, upkeep: Upkeep | None) -> None:
    rng = np.random.default_rng(9)
    batches = [made(rng, int(rng.integers(0, 12))) for _ in range(20)]
    collections = []
    for name in ("loaded", "upserted"):
        (tmp_path / name).mkdir()
        c = collection(tmp_path / name, 100, weight_format, fields=FIELDS, upkeep=upkeep)
        c.upsert(*made(np.random.default_rng(1), 20))
        collections.append(c)
    loaded, upserted = collections
    with loaded, upserted:
        with loaded.load() as load:
            for every, vectors in batches:
                load.add([one.id for one in every], vectors, every)
        for every, vectors in batches:
            upserted.upsert(every, vectors)
        assert load.loaded == load.durable == sum(len(every) for every, _ in batches)
        expected = all_of(upserted)
        assert all_of(loaded) == expected
        query = random_batch(rng, 100, 1, 30)
        assert hits(loaded, query, 50) == hits(upserted, query, 50)
        loaded.compact()
        assert all_of(loaded) == expected
    with Collection.open(tmp_path / "loaded" / "c") as loaded:
        assert all_of(loaded) == expected


parts = st.lists(st.lists(st.sampled_from("abcdefghijk"), max_size=9), max_size=5)


@settings(max_examples=20, deadline=None)
@given(parts, st.lists(st.sampled_from("abcdefghijk"), unique=True), st.booleans())
def test_the_last_of_an_id_stays_wherever_the_others_are(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[str]], there: list[str], flush: bool
) -> None:
    """Within one call, one chunk, across chunks, in the buffer and in files."""
    with collection(tmp_path_factory.mktemp("load")) as c:
        c.upsert(documents(*there), batch(100, *[{9: 1.0}] * len(there)))
        if flush:
            c.flush()
        with c.load() as load:
            number = 0
            for ids in parts:
                texts = [Document(id, str(number + n)) for n, id in enumerate(ids)]
                load.add(ids, batch(100, *[{1: 1.0}] * len(ids)), texts)
                number += len(ids)
        every = [id for ids in parts for id in ids]
        last = {id: number for number, id in enumerate(every)}
        old = [(id, f"text of {id}") for id in there if id not in last]
        new = sorted(((id, str(number)) for id, number in last.items()), key=lambda x: int(x[1]))
        assert [(id, text) for id, (text, _) in content_of(c).items()] == old + new
        assert (load.loaded, load.durable) == (len(every), len(every))
        assert load.replaced == len(there) + len(every) - len(old) - len(new)


def test_what_is_durable_rises_with_the_chunks(tmp_path: Path) -> None:
    with collection(tmp_path) as c, c.load() as load:
        assert (load.loaded, load.durable, load.replaced) == (0, 0, 0)
        for number in range(21):
            load.add([f"d{number}"], ONE)
            assert load.loaded == number + 1
            assert load.durable % 7 == 0
            assert load.durable <= load.loaded
        assert load.durable >= 7
        with Collection.open(tmp_path / "c", read_only=True) as reader:
            assert reader.stats().documents >= 7


def test_a_chunk_ends_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "_MAX_BYTES", 1_000)
    wide = batch(100, dict.fromkeys(range(100), 1.0))
    with collection(tmp_path) as c:
        with c.load() as load:
            for number in range(6):
                load.add([f"d{number}"], wide)
        assert len(list((tmp_path / "c").glob("*.segment"))) == 3
        assert load.durable == c.stats().documents == 6


def test_nothing_loaded_changes_nothing(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        with c.load() as load:
            load.add([], SparseBatch.empty(100))
        with c.load():
            pass
        assert (c.generation, load.durable) == (0, 0)
        assert not list((tmp_path / "c").glob("*.segment*"))


def test_documents_without_texts_and_an_empty_part_between(tmp_path: Path) -> None:
    with collection(tmp_path, fields=FIELDS) as c:
        with c.load() as load:
            load.add(["a"], ONE)
            load.add([], SparseBatch.empty(100))
            load.add(["b"], ONE, [Document("b", "text", '{"x": 1}', {"n": (3,)})])
            load.add(["c"], ONE)
        assert c.get(["a", "b", "c"]).documents == [
            Document("a"), Document("b", "text", '{"x": 1}', {"n": (3,)}), Document("c"),
        ]  # fmt: skip


REFUSED: dict[str, tuple[Callable[[Load], None], type[SpladedError], str]] = {
    "fewer vectors": (lambda load: load.add(["a", "b"], ONE), InvalidInput, "LENGTHS"),
    "fewer documents": (
        lambda load: load.add(["a", "b"], batch(100, {}, {}), documents("a")),
        InvalidInput, "LENGTHS",
    ),
    "more documents": (
        lambda load: load.add(["a"], ONE, documents("a", "b")), InvalidInput, "LENGTHS",
    ),
    "an empty id": (lambda load: load.add([""], ONE), InvalidInput, "ID"),
    "dimension": (lambda load: load.add(["a"], batch(7, {})), Mismatch, "DIMENSION"),
    "weight": (lambda load: load.add(["a"], batch(100, {1: 99.0})), InvalidInput, "WEIGHT_RANGE"),
    "order of terms": (
        lambda load: load.add(["a"], SparseBatch.from_rows(100, [([2, 1], [1, 1])])),
        InvalidInput, "VECTOR_INDEX_ORDER",
    ),
    "a field": (
        lambda load: load.add(["a"], ONE, [Document("a", fields={"color": ("red",)})]),
        InvalidInput, "FIELD",
    ),
    "a text": (
        lambda load: load.add(["a"], ONE, [Document("a", "\udfff")]), InvalidInput, "TEXT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name_and_the_rest_goes_on(tmp_path: Path, case: str) -> None:
    call, error, reason = REFUSED[case]
    with collection(tmp_path, fields=FIELDS) as c:
        with c.load() as load:
            load.add(["before"], ONE, documents("before"))
            with pytest.raises(error) as caught:
                call(load)
            assert caught.value.reason == reason
            load.add(["after"], ONE, documents("after"))
        assert (load.loaded, load.durable) == (2, 2)
        assert c.get(["before", "after", "a"]).documents == documents("before", "after")


def test_an_error_in_the_block_keeps_what_is_durable_and_drops_the_rest(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        with pytest.raises(ZeroDivisionError), c.load() as load:
            for number in range(17):
                load.add([f"d{number}"], ONE)
            raise ZeroDivisionError
        assert load.durable == 14
        assert list(content_of(c)) == [f"d{number}" for number in range(14)]
        c.upsert(documents("next"), ONE)
        c.compact()
    with Collection.open(tmp_path / "c") as c:
        assert len(content_of(c)) == 15


@pytest.mark.parametrize("step", ["file", "transaction"])
def test_a_chunk_that_fails_is_told_and_what_is_durable_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    module, name = (files, "write") if step == "file" else (commit, "add_segment")
    before, calls = getattr(module, name), iter([False, True, False, False])

    def fail(*arguments: Any, **named: Any) -> None:
        if next(calls):
            raise Exhausted("the disk is full at x", reason="DISK_FULL")
        before(*arguments, **named)

    with collection(tmp_path) as c:
        c.upsert(documents("d3", "old"), batch(100, {9: 1.0}, {9: 1.0}))
        c.flush()
        monkeypatch.setattr(module, name, fail)
        with pytest.raises(Exhausted, match="disk is full"), c.load() as load:
            for number in range(50):
                load.add([f"d{number}"], ONE)
        assert load.durable == 7
        assert load.replaced == 1
        expected = content_of(c)
        assert list(expected) == ["old", *(f"d{number}" for number in range(7))]
        with c.load() as load:
            load.add(["d1"], batch(100, {2: 1.0}))
        expected = content_of(c)
        assert load.durable == load.replaced == 1
    with Collection.open(tmp_path / "c") as c:
        assert content_of(c) == expected
        names = {row.name for row in (part.segment for part in c._writer.snapshot.parts)}
        assert {path.name for path in (tmp_path / "c").glob("*.segment*")} == names


def test_bundles_of_loads_and_upserts_are_runs(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE, bundle_id="x")
        with c.load(bundle_id="x") as load:
            load.add(["b", "c"], batch(100, {}, {}))
        with c.load(bundle_id="y") as load:
            for number in range(20):
                load.add([f"d{number}"], ONE)
        c.upsert(documents("e"), ONE, bundle_id="y")
        with c._catalog.reading() as reading:
            assert reading.bundles() == [(0, "x"), (3, "y")]


def test_writes_and_upkeep_within_the_block_are_done(tmp_path: Path) -> None:
    """In the thread that holds the load: merges wait for its end, and nobody for himself."""
    with collection(tmp_path, upkeep=OFTEN) as c:
        with c.load() as load:
            for number in range(40):
                load.add([f"loaded {number}"], ONE)
                c.upsert(documents(f"upserted {number}"), ONE)
                if number % 10 == 9:
                    c.delete([f"upserted {number}"])
                    c.flush()
        assert load.durable == 40
        assert c.stats().documents == 40 + 36
        assert not c._keeper._merge_due()


def test_others_write_and_read_while_it_loads(tmp_path: Path) -> None:
    done = threading.Event()

    def write() -> dict[str, str]:
        last: dict[str, str] = {}
        number = 0
        while not done.is_set():
            id = f"w{number % 13}"
            last[id] = str(number)
            c.upsert([Document(id, last[id])], batch(100, {2: 1.0}))
            number += 1
        return last

    def read() -> int:
        before = 0
        while not done.is_set():
            found, _ = c.search(ONE, 1_000, with_documents=True)
            names = [int(hit.id) for hit in found[0]]
            assert names == list(range(len(names))), "a gap, or out of order"
            assert all(hit.document and hit.document.text == hit.id for hit in found[0])
            assert len(names) >= before
            before = len(names)
        return before

    with (
        collection(tmp_path, upkeep=Upkeep(flush_documents=20)) as c,
        ThreadPoolExecutor(2) as pool,
    ):
        reader, writer = pool.submit(read), pool.submit(write)
        load = c.load()
        try:
            with load:
                for start in range(0, 150, 5):
                    ids = [str(number) for number in range(start, start + 5)]
                    vectors = batch(100, *[{1: 1.0}] * 5)
                    load.add(ids, vectors, [Document(id, id) for id in ids])
        finally:
            done.set()
        reader.result()
        last = writer.result()
        content = content_of(c)
        assert load.durable == 150
        assert load.replaced == 0
        assert {id: text for id, (text, _) in content.items() if id[0] == "w"} == last
        assert len(content) == 150 + len(last)
    with Collection.open(tmp_path / "c", upkeep=Upkeep(background=False)) as c:
        assert content_of(c) == content


def test_the_dead_of_a_load_stay_dead(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        for replaced in (0, 20):
            with c.load() as load:
                load.add([f"d{n}" for n in range(20)], batch(100, *[{1: 1.0}] * 20))
            assert load.replaced == replaced
        with c._catalog.reading() as reading:
            assert sorted(deleted(reading).tolist()) == list(range(20))
        assert c.stats().documents == 20
        c.compact()
        assert (c.stats().documents, c.stats().deleted) == (20, 0)


def test_who_may_not_write_may_not_load(tmp_path: Path) -> None:
    c = collection(tmp_path)
    with Collection.open(tmp_path / "c", read_only=True) as reader:
        with pytest.raises(Mismatch) as caught:
            reader.load()
        assert caught.value.reason == "READ_ONLY"
    c.close()
    with pytest.raises(Unavailable, match="closed"):
        c.load()
