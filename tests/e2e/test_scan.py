"""Scan, filters and min_generation over a real socket."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2

from spladed import errors
from spladed.rpc.status import from_call
from spladed.v1 import index_pb2 as pb
from spladed.v1 import sparse_pb2
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs, ended, ids_of

Start = Callable[..., ServerProcess]
V = 50
ALL = pb.Projection(text=True, metadata=True, vectors=True)


@pytest.fixture(scope="module")
def stubs(server: ServerProcess) -> Iterator[Stubs]:
    with Stubs(server) as stubs:
        yield stubs


def upsert(stubs: Stubs, name: str, ids: list[str], text: str = "", **metadata: Any) -> int:
    """Documents of one term each, weight 1, by the number that ends their id."""
    struct = struct_pb2.Struct()
    struct.update(metadata)
    documents = [
        pb.Document(id=id, text=text, vector_row=row, metadata=struct) for row, id in enumerate(ids)
    ]
    vectors = sparse_pb2.SparseBatch(
        dimension=V,
        indptr=range(len(ids) + 1),
        indices=[int(id.split("-")[-1]) % V for id in ids],
        values=[1.0] * len(ids),
    )
    request = pb.UpsertRequest(collection=name, documents=documents, vectors=vectors)
    return stubs.index.Upsert(request, timeout=SECONDS).generation


def numbered(count: int, prefix: str = "d") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def scan(stubs: Stubs, name: str, **options: Any) -> list[pb.ScanResponse]:
    request = pb.ScanRequest(collection=name, **options)
    return list(stubs.index.Scan(request, timeout=SECONDS))


def test_documents_come_in_the_order_of_their_last_write(stubs: Stubs) -> None:
    name = stubs.create("scan-order", dimension=V)
    upsert(stubs, name, numbered(6), "first", n=1)
    upsert(stubs, name, ["d-1", "d-4", "new-7"], "second", n=2)
    (page,) = scan(stubs, name, projection=ALL)
    assert [each.id for each in page.documents] == [
        "d-0",
        "d-2",
        "d-3",
        "d-5",
        "d-1",
        "d-4",
        "new-7",
    ]
    assert [each.text for each in page.documents] == ["first"] * 4 + ["second"] * 3
    assert [each.metadata["n"] for each in page.documents] == [1] * 4 + [2] * 3
    assert [each.vector_row for each in page.documents] == list(range(7))
    assert list(page.vectors.indices) == [0, 2, 3, 5, 1, 4, 7]
    (bare,) = scan(stubs, name)
    assert not bare.HasField("vectors")
    assert {(each.text, each.HasField("vector_row")) for each in bare.documents} == {("", False)}


def test_an_empty_collection_gives_its_generation(stubs: Stubs) -> None:
    name = stubs.create("scan-empty", dimension=V)
    (page,) = scan(stubs, name, projection=ALL)
    assert (len(page.documents), page.generation, page.cursor) == (0, 0, "")


def test_pages_stay_small_whatever_is_in_them(stubs: Stubs) -> None:
    name = stubs.create("scan-large", dimension=V)
    heavy = [[number] * 4 for number in range(30_000)]  # in a Struct four times its JSON
    for number in range(6):
        upsert(stubs, name, [f"m-{number}"], numbers=heavy[: 5_000 * (number % 3 + 1)])
        upsert(stubs, name, [f"t-{number}"], "\N{SNOWMAN}" * 80_000)
    upsert(stubs, name, numbered(1_000))
    upsert(stubs, name, numbered(1_000, "e"))
    pages = scan(stubs, name, projection=ALL)
    found = [each.id for page in pages for each in page.documents]
    assert len(found) == len(set(found)) == 2_012
    assert all(page.ByteSize() <= 4 << 20 for page in pages)
    assert max(len(page.documents) for page in pages) > 500, "light documents share pages"


def test_a_scan_sees_one_generation_while_writes_go_on(stubs: Stubs) -> None:
    name = stubs.create("scan-snapshot", dimension=V)
    for part in range(4):
        generation = upsert(stubs, name, numbered(1_000, f"p{part}"), "before " * 100)
    pages = stubs.index.Scan(pb.ScanRequest(collection=name, projection=ALL), timeout=SECONDS)
    got = [next(pages)]
    upsert(stubs, name, numbered(1_000, "p2"), "after")
    upsert(stubs, name, ["new-1"], "after")
    gone = pb.DeleteRequest(collection=name, ids=numbered(1_000, "p3"))
    assert stubs.index.Delete(gone, timeout=SECONDS).deleted == 1_000
    got += pages
    assert len(got) > 3
    assert {page.generation for page in got} == {generation}
    found = {each.id: each.text for page in got for each in page.documents}
    assert set(found) == {id for part in range(4) for id in numbered(1_000, f"p{part}")}
    assert set(found.values()) == {"before " * 100}
    assert len(ids_of(stubs, name)) == 3_001


def test_a_scan_that_is_left_holds_nothing(stubs: Stubs) -> None:
    name = stubs.create("scan-left", dimension=V)
    for part in range(6):
        upsert(stubs, name, numbered(1_000, f"p{part}"), "text " * 200)
    for _ in range(10):
        pages = stubs.index.Scan(pb.ScanRequest(collection=name, projection=ALL), timeout=SECONDS)
        next(pages)
        pages.cancel()
    assert len(ids_of(stubs, name, projection=ALL)) == 6_000
    stubs.index.DeleteCollection(pb.DeleteCollectionRequest(name=name), timeout=SECONDS)


def test_cursors_go_on_after_deletes_and_restarts(start_server: Start) -> None:
    server = start_server()
    with Stubs(server) as stubs:
        name = stubs.create("scan-cursor", dimension=V)
        for part in range(3):
            upsert(stubs, name, numbered(1_024, f"p{part}"))
        first = scan(stubs, name)[0]
        last = first.documents[-1].id
        stubs.index.Delete(pb.DeleteRequest(collection=name, ids=[last]), timeout=SECONDS)
    server.end(signal.SIGKILL)
    server.start()
    with Stubs(server) as stubs:
        upsert(stubs, name, ["late-1"])
        rest = scan(stubs, name, cursor=first.cursor)
        found = [each.id for page in [first, *rest] for each in page.documents]
        assert sorted(found) == sorted(
            [*(id for part in range(3) for id in numbered(1_024, f"p{part}")), "late-1"]
        )
        (end,) = scan(stubs, name, cursor=rest[-1].cursor)
        assert (list(end.documents), end.cursor) == ([], rest[-1].cursor)
        upsert(stubs, name, ["later-1"])
        assert ids_of(stubs, name, cursor=end.cursor) == ["later-1"]


@pytest.mark.parametrize("cursor", ["x", "-1", "7", "7-00000000", "f" * 16 + "-00000000", "\u0661"])
def test_a_wrong_cursor_is_named(stubs: Stubs, cursor: str) -> None:
    if not [each for each in stubs.collections() if each == "scan-wrong"]:
        stubs.create("scan-wrong", dimension=V)
    request = pb.ScanRequest(collection="scan-wrong", cursor=cursor)
    error = ended(stubs.index.Scan(request, timeout=SECONDS))
    assert (type(error), error.reason, error.field) == (errors.InvalidInput, "CURSOR", "cursor")


def ids(*names: str) -> pb.Filter:
    return pb.Filter(ids=pb.Ids(ids=names))


def no(filter: pb.Filter) -> pb.Filter:
    return pb.Filter(negation=filter)


def every(*filters: pb.Filter) -> pb.Filter:
    return pb.Filter(all_of=pb.Filters(filters=filters))


def either(*filters: pb.Filter) -> pb.Filter:
    return pb.Filter(any_of=pb.Filters(filters=filters))


FILTERS: dict[str, tuple[pb.Filter, Callable[[str], bool]]] = {
    "ids": (ids("d-1", "d-3", "nobody"), lambda id: id in {"d-1", "d-3"}),
    "no ids": (ids(), lambda id: False),
    "negation": (no(ids("d-1")), lambda id: id != "d-1"),
    "all_of": (
        every(ids("d-1", "d-2"), no(ids("d-2")), ids("d-1", "d-3")),
        lambda id: id == "d-1",
    ),
    "any_of": (either(ids("d-1"), ids("d-5")), lambda id: id in {"d-1", "d-5"}),
    "nested": (
        no(either(ids("d-1"), every(no(ids("d-2")), no(ids("d-3"))))),
        lambda id: id in {"d-2", "d-3"},
    ),
}


@pytest.fixture(scope="module")
def filtered(stubs: Stubs) -> str:
    """d-0 to d-9; term 0 has all of them, and those of the second write are replacements."""
    name = stubs.create("filtered", dimension=V)
    fill(stubs, name)
    return name


def fill(stubs: Stubs, name: str) -> None:
    for ids in (numbered(10), numbered(10)[::2]):
        documents = [pb.Document(id=id, vector_row=row) for row, id in enumerate(ids)]
        vectors = sparse_pb2.SparseBatch(
            dimension=V,
            indptr=range(len(ids) + 1),
            indices=[0] * len(ids),
            values=[1 + int(id[2:]) / 2 for id in ids],
        )
        request = pb.UpsertRequest(collection=name, documents=documents, vectors=vectors)
        stubs.index.Upsert(request, timeout=SECONDS)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_what_it_says(stubs: Stubs, filtered: str, name: str) -> None:
    filter, keeps = FILTERS[name]
    kept = [id for id in numbered(10) if keeps(id)]
    assert sorted(ids_of(stubs, filtered, filter=filter)) == kept
    query = sparse_pb2.SparseBatch(dimension=V, indptr=[0, 1], indices=[0], values=[1.0])
    request = pb.SearchRequest(collection=filtered, vectors=query, filter=filter, k=3)
    (hits,) = stubs.index.Search(request, timeout=SECONDS).results
    assert [hit.id for hit in hits.hits] == kept[::-1][:3], "the k best among the kept"
    copy = stubs.create(f"filtered-{list(FILTERS).index(name)}", dimension=V)
    fill(stubs, copy)
    deletion = pb.DeleteByFilterRequest(collection=copy, filter=filter)
    reply = stubs.index.DeleteByFilter(deletion, timeout=SECONDS)
    assert (reply.deleted, reply.generation) == (len(kept), 2 + bool(kept))
    assert sorted(ids_of(stubs, copy)) == [id for id in numbered(10) if not keeps(id)]
    assert stubs.index.DeleteByFilter(deletion, timeout=SECONDS).deleted == 0


@pytest.mark.parametrize(
    ("filter", "error", "field"),
    [
        (pb.Filter(), errors.InvalidInput, "filter"),
        (every(), errors.InvalidInput, "filter.all_of.filters"),
        (no(pb.Filter()), errors.InvalidInput, "filter.negation"),
        (pb.Filter(exists="x"), errors.InvalidInput, "filter.exists"),
        (
            either(ids("a"), pb.Filter(membership=pb.Membership(field="colour"))),
            errors.InvalidInput,
            "filter.any_of.filters[1].membership.field",
        ),
    ],
)
def test_a_filter_that_cannot_be_is_named(
    stubs: Stubs, filtered: str, filter: pb.Filter, error: type[errors.SpladedError], field: str
) -> None:
    request = pb.DeleteByFilterRequest(collection=filtered, filter=filter)
    with pytest.raises(grpc.RpcError) as caught:
        stubs.index.DeleteByFilter(request, timeout=SECONDS)
    found = from_call(caught.value)
    assert (type(found), found.field) == (error, field)
    assert len(ids_of(stubs, filtered)) == 10


def test_deleting_without_a_filter_deletes_nothing(stubs: Stubs, filtered: str) -> None:
    with pytest.raises(grpc.RpcError):
        stubs.index.DeleteByFilter(pb.DeleteByFilterRequest(collection=filtered), timeout=SECONDS)
    assert len(ids_of(stubs, filtered)) == 10


def test_a_read_waits_for_a_write_in_flight(stubs: Stubs) -> None:
    name = stubs.create("generations", dimension=V)
    generation = upsert(stubs, name, ["a-1"])
    get = pb.GetRequest(collection=name, ids=["b-2"], min_generation=generation + 2)
    waiting = [stubs.index.Get.future(get, timeout=SECONDS) for _ in range(20)]
    upsert(stubs, name, ["c-3"])
    assert not any(each.done() for each in waiting)
    upsert(stubs, name, ["b-2"])
    for each in waiting:
        found = each.result()
        assert ([document.id for document in found.documents], found.generation) == (
            ["b-2"],
            generation + 2,
        )


def test_readers_keep_up_with_a_writer(stubs: Stubs) -> None:
    """What a writer was told, every other caller can wait for, in every kind of read."""
    name = stubs.create("keeping-up", dimension=V)
    upsert(stubs, name, ["d-0"])
    failures: list[str] = []

    def read(number: int) -> None:
        for generation in range(2, 40):
            request = pb.ScanRequest(collection=name, min_generation=generation)
            found = list(stubs.index.Scan(request, timeout=SECONDS))
            if not found[-1].generation >= generation:
                failures.append(f"{number}: {generation}")

    readers = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for each in readers:
        each.start()
    for number in range(1, 41):
        upsert(stubs, name, [f"d-{number}"])
    for each in readers:
        each.join()
    assert failures == []


def test_a_deadline_ends_the_wait_sooner(stubs: Stubs) -> None:
    name = stubs.create("impatient", dimension=V)
    request = pb.ScanRequest(collection=name, min_generation=7)
    with pytest.raises(grpc.RpcError) as caught:
        list(stubs.index.Scan(request, timeout=0.2))
    assert type(from_call(caught.value)) is errors.DeadlineExceeded
    error = ended(stubs.index.Scan(request, timeout=SECONDS))
    assert (type(error), error.reason) == (errors.Unavailable, "GENERATION_NOT_REACHED")
