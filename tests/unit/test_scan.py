"""Scan, waiting readers, cursors and aliases, in one process."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import Corrupt, Exhausted, InvalidInput, Mismatch, Unavailable
from spladed.index import Collection, Collections, CollectionSettings, Document, storage
from spladed.index import aliases as aliases_file
from spladed.index.filter import Ids, Not
from spladed.index.reached import Reached
from spladed.index.scan import Page, Scan
from spladed.rpc.cursor import START, read_cursor, write_cursor
from spladed.sparse import SparseBatch

V = 10


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "c", CollectionSettings(V)) as collection:
        yield collection


def put(collection: Collection, *ids: str, text: str = "") -> None:
    rows = SparseBatch.from_rows(V, [([1, 3], [1.0, 2.0])] * len(ids))
    collection.upsert([Document(id, text) for id in ids], rows)


def all_pages(scan: Scan, *, max_documents: int = 100, max_bytes: int = 10_000) -> list[Page]:
    pages = []
    while True:
        page = scan.page(max_documents=max_documents, max_bytes=max_bytes)
        if not page.documents:
            scan.close()
            return pages
        pages.append(page)


def ids_of(pages: list[Page]) -> list[list[str]]:
    return [[document.id for document in page.documents] for page in pages]


def test_pages_end_at_either_bound_and_lose_nothing(collection: Collection) -> None:
    put(collection, *"abcde", text="x" * 60)
    assert ids_of(all_pages(collection.scan(), max_documents=2)) == [["a", "b"], ["c", "d"], ["e"]]
    by_bytes = all_pages(collection.scan(), max_bytes=200)  # 93 each: id, text and 32 around
    assert ids_of(by_bytes) == [["a", "b"], ["c", "d"], ["e"]]
    with_vectors = all_pages(collection.scan(with_vectors=True), max_bytes=200)  # and 16
    assert ids_of(with_vectors) == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert ids_of(all_pages(collection.scan(), max_bytes=1)) == [[id] for id in "abcde"]
    assert [page.last_seq for page in by_bytes] == [1, 3, 4]


def test_a_scan_goes_on_after_any_seq(collection: Collection) -> None:
    put(collection, *"abcd")
    put(collection, "b")
    put(collection, "e")
    order = ["a", "c", "d", "b", "e"]
    seqs = [page.last_seq for page in all_pages(collection.scan(), max_documents=1)]
    assert seqs == [0, 2, 3, 4, 5]
    for seq in range(-1, 8):
        rest = [id for id, found in zip(order, seqs, strict=True) if found > seq]
        assert [id for page in ids_of(all_pages(collection.scan(seq))) for id in page] == rest


def test_vectors_are_the_stored_ones_of_each_document(collection: Collection) -> None:
    put(collection, *"abc")
    (page,) = all_pages(collection.scan(with_vectors=True, keep=Not(Ids("b"))))
    assert ids_of([page]) == [["a", "c"]]
    got = collection.get(["a", "c"], with_vectors=True).vectors
    assert np.array_equal(page.vectors.values, got.values)


def test_an_open_scan_is_unmoved_and_lets_go(collection: Collection) -> None:
    put(collection, *"abc", text="old")
    scan = collection.scan()
    first = scan.page(max_documents=1, max_bytes=10_000)
    put(collection, *"bc", text="new")
    collection.delete(["a"])
    rest = all_pages(scan)
    assert [each.text for page in [first, *rest] for each in page.documents] == ["old"] * 3
    assert {page.generation for page in rest} == {first.generation}
    scan.close()
    assert not collection._pins._held


@pytest.mark.parametrize("change", ["flush", "compact", "merge in memory"])
def test_a_scan_goes_on_over_flush_and_merge(collection: Collection, change: str) -> None:
    """By a cursor too: a seq outlives where its document lies."""
    for id in "abcd":
        put(collection, id, text=id)
    collection.flush()
    put(collection, *"bef", text="new")
    scan = collection.scan()
    first = scan.page(max_documents=2, max_bytes=10_000)
    if change == "merge in memory":
        put(collection, "g")
    else:
        getattr(collection, change)()
    rest = all_pages(scan)
    assert ids_of([first, *rest]) == [["a", "c"], ["d", "b", "e", "f"]]
    again = all_pages(collection.scan(first.last_seq))
    assert ids_of(again)[0][:4] == ["d", "b", "e", "f"]
    assert [one.text for one in again[0].documents][:4] == ["d", "new", "new", "new"]


def test_a_scan_of_a_closed_collection_is_refused(collection: Collection) -> None:
    scan = collection.scan()
    collection.close()
    with pytest.raises(Unavailable):
        scan.page(max_documents=1, max_bytes=1)
    scan.close()


def test_waiters_are_told_of_their_generation_and_of_no_other() -> None:
    reached = Reached()
    waiting = {generation: reached.wait(generation) for generation in (1, 2, 3)}
    assert waiting[3].cancel()
    reached.publish(1)
    assert [waiting[number].done() for number in (1, 2)] == [True, False]
    reached.publish(7)
    assert waiting[2].result(0) is None
    assert reached._waiting == {}, "who was told, or went away, is forgotten"


def test_no_waiter_misses_a_write(collection: Collection) -> None:
    """Waiters that come at the same moment as the write."""
    futures: list[Future[None]] = []

    def wait_for(generations: range) -> None:
        futures.extend(collection.reached(generation) for generation in generations)

    waiters = [threading.Thread(target=wait_for, args=(range(1, 31),)) for _ in range(4)]
    for each in waiters:
        each.start()
    for number in range(30):
        put(collection, str(number))
    for each in waiters:
        each.join()
    assert not wait(futures, 10).not_done
    late = collection.reached(31)
    assert not late.done()
    assert late.cancel()
    assert collection._writer.reached._waiting == {}


@given(
    st.integers(START, (1 << 63) - 1), st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
)
def test_cursors_come_back(seq: int, name: str) -> None:
    assert read_cursor(name, write_cursor(name, seq)) == seq


@given(st.text(min_size=1))
def test_other_texts_are_no_cursors(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_cursor("c", text)
    assert caught.value.reason == "CURSOR"


def test_aliases_are_there_again(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as collections:
        collections.create("a", CollectionSettings(V))
        collections.set_alias("x", "a")
        collections.set_alias("y", "a")
        collections.remove_alias("y")
    with Collections.open(tmp_path) as collections:
        assert collections.get("x").name == "a"
        assert collections.names() == ["a"]
        with pytest.raises(Mismatch, match="'x' points at the collection 'a'"):
            collections.delete("a")
        collections.remove_alias("x")
        collections.delete("a")


@pytest.mark.parametrize(
    ("step", "count"),
    [("open", 1), ("write", 1), ("fsync", 1), ("rename", 1), ("fsync", 2)],
)
def test_a_disk_that_fails_leaves_the_aliases_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, count: int
) -> None:
    aliases_file.save(tmp_path, {"x": "a"})
    before, calls = getattr(storage.calls, step), itertools.count(1)

    def fail(*arguments: object) -> object:
        if next(calls) == count:
            raise OSError(28, "No space left on device")
        return before(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(storage.calls, step, fail)
        with pytest.raises(Exhausted) as caught:
            aliases_file.save(tmp_path, {"x": "b"})
    assert caught.value.reason == "DISK_FULL"
    assert aliases_file.load(tmp_path) == {"x": "a"}
    aliases_file.save(tmp_path, {"x": "c"})
    assert aliases_file.load(tmp_path) == {"x": "c"}


def test_a_file_that_is_not_what_was_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / aliases_file.ALIASES_NAME
    aliases_file.save(tmp_path, {"x": "a"})
    whole = file.read_bytes()
    content = json.loads(whole)
    damaged = [whole[:cut] for cut in range(len(whole))]
    damaged += [b"[]", json.dumps(content | {"aliases": {"x": "b"}}).encode()]
    for each in damaged:
        file.write_bytes(each)
        with pytest.raises(Corrupt) as caught:
            aliases_file.load(tmp_path)
        assert caught.value.reason == "ALIASES"
    file.write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(Mismatch):
        aliases_file.load(tmp_path)
