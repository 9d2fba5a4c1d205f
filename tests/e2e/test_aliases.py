"""Aliases of collections and bundles over a real socket."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from spladed import errors
from spladed.rpc.status import from_call
from spladed.v1 import admin_pb2, encoder_pb2
from spladed.v1 import index_pb2 as pb
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs, ids_of

Start = Callable[..., ServerProcess]
BUNDLE = "spladed-tiny-en"


@pytest.fixture(scope="module")
def stubs(server: ServerProcess) -> Iterator[Stubs]:
    with Stubs(server) as stubs:
        yield stubs


def point(stubs: Stubs, alias: str, **target: str) -> None:
    stubs.admin.SetAlias(admin_pb2.SetAliasRequest(alias=alias, **target), timeout=SECONDS)


def upsert(stubs: Stubs, name: str, *ids: str) -> None:
    documents = [pb.Document(id=id, text=f"The dog {id}.") for id in ids]
    request = pb.UpsertRequest(collection=name, documents=documents)
    stubs.index.Upsert(request, timeout=SECONDS)


def refusal(call: Callable[[], object]) -> tuple[type[errors.SpladedError], str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = from_call(caught.value)
    return type(error), error.reason, error.field


def described(stubs: Stubs, name: str) -> pb.Collection:
    request = pb.GetCollectionRequest(name=name)
    return stubs.index.GetCollection(request, timeout=SECONDS).collection


def drop(stubs: Stubs, name: str) -> None:
    stubs.index.DeleteCollection(pb.DeleteCollectionRequest(name=name), timeout=SECONDS)


def test_an_alias_stands_wherever_a_collection_is_named(stubs: Stubs) -> None:
    index = stubs.index
    stubs.create("blue")
    point(stubs, "live", collection="blue")
    upsert(stubs, "live", "a", "b", "c")
    found = index.Get(pb.GetRequest(collection="live", ids=["a"]), timeout=SECONDS)
    assert len(found.documents) == 1
    search = pb.SearchRequest(collection="live", texts=["dog"])
    assert len(index.Search(search, timeout=SECONDS).results[0].hits) == 3
    explain = pb.ExplainRequest(collection="live", text="dog", ids=["a"])
    assert index.Explain(explain, timeout=SECONDS).explanations[0].score > 0
    assert index.Delete(pb.DeleteRequest(collection="live", ids=["b"])).deleted == 1
    assert index.GetStats(pb.GetStatsRequest(collection="live")).documents == 2
    filter = pb.Filter(ids=pb.Ids(ids=["c"]))
    assert index.DeleteByFilter(pb.DeleteByFilterRequest(collection="live", filter=filter)).deleted
    chunk = pb.UpsertStreamRequest(
        request=pb.UpsertRequest(collection="live", documents=[pb.Document(id="d", text="dog")])
    )
    (reply,) = index.UpsertStream(iter([chunk]), timeout=SECONDS)
    assert reply.HasField("response")
    assert ids_of(stubs, "live") == ids_of(stubs, "blue") == ["a", "d"]


def test_collections_keep_their_own_names(stubs: Stubs) -> None:
    stubs.create("own")
    point(stubs, "other", collection="own")
    assert described(stubs, "other").name == "own"
    assert "own" in stubs.collections()
    assert "other" not in stubs.collections()


def test_writes_by_both_names_stand_in_one_order(stubs: Stubs) -> None:
    stubs.create("one-order")
    point(stubs, "one-order-alias", collection="one-order")

    def chunks() -> Iterator[pb.UpsertStreamRequest]:
        for number in range(10):
            name = "one-order" if number % 2 else "one-order-alias"
            text = "dog " * (1 if number % 2 else 400) + str(number)
            document = pb.Document(id="same", text=text)
            request = pb.UpsertRequest(collection=name, documents=[document])
            yield pb.UpsertStreamRequest(sequence=number, request=request)

    assert len(list(stubs.index.UpsertStream(chunks(), timeout=SECONDS))) == 10
    projection = pb.Projection(text=True)
    get = pb.GetRequest(collection="one-order", ids=["same"], projection=projection)
    assert stubs.index.Get(get, timeout=SECONDS).documents[0].text == "dog 9"


def test_an_alias_moves_at_once(stubs: Stubs) -> None:
    """Readers find one collection or the other, at every moment."""
    for name in ("left", "right"):
        stubs.create(name)
        upsert(stubs, name, name)
    point(stubs, "moving", collection="left")
    seen: list[list[str]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(ids_of(stubs, "moving"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        point(stubs, "moving", collection=("left", "right")[number % 2])
    stop.set()
    reader.join()
    assert {tuple(each) for each in seen} == {("left",), ("right",)}


def test_a_cursor_does_not_go_on_in_another_collection(stubs: Stubs) -> None:
    for name in ("cursor-a", "cursor-b"):
        stubs.create(name)
        upsert(stubs, name, "1", "2")
    point(stubs, "cursors", collection="cursor-a")
    (page,) = stubs.index.Scan(pb.ScanRequest(collection="cursors"), timeout=SECONDS)
    point(stubs, "cursors", collection="cursor-b")
    request = pb.ScanRequest(collection="cursors", cursor=page.cursor)
    assert refusal(lambda: list(stubs.index.Scan(request, timeout=SECONDS))) == (
        errors.InvalidInput,
        "CURSOR",
        "cursor",
    )


def test_what_cannot_be_is_named_and_changes_nothing(stubs: Stubs) -> None:
    stubs.create("kept")
    stubs.create("kept-too")
    point(stubs, "to-kept", collection="kept")
    refused = {
        lambda: point(stubs, "x", collection="nobody"): (
            errors.NotFound, "COLLECTION", "collection"),
        lambda: point(stubs, "x", collection="to-nobody"): (
            errors.NotFound, "COLLECTION", "collection"),
        lambda: point(stubs, "x", bundle="nobody"): (
            errors.NotFound, "BUNDLE_NOT_FOUND", "bundle"),
        lambda: point(stubs, "kept", collection="kept-too"): (
            errors.AlreadyExists, "COLLECTION", "alias"),
        lambda: point(stubs, BUNDLE, bundle=BUNDLE): (errors.AlreadyExists, "BUNDLE", "alias"),
        lambda: point(stubs, "../x", collection="kept"): (
            errors.InvalidInput, "ALIAS_NAME", "alias"),
        lambda: point(stubs, "", bundle=BUNDLE): (errors.InvalidInput, "ALIAS_NAME", "alias"),
        lambda: stubs.create("to-kept"): (errors.AlreadyExists, "ALIAS", "name"),
        lambda: drop(stubs, "kept"): (errors.Mismatch, "ALIASED", "name"),
        lambda: drop(stubs, "to-kept"): (errors.Mismatch, "ALIASED", "name"),
    }  # fmt: skip
    for call, expected in refused.items():
        assert refusal(call) == expected
    assert described(stubs, "to-kept").name == "kept"
    point(stubs, "to-kept")
    point(stubs, "to-kept")  # every call of Admin may be repeated
    assert refusal(lambda: described(stubs, "to-kept"))[0] is errors.NotFound
    drop(stubs, "kept")


def bundles(stubs: Stubs) -> dict[str, list[str]]:
    info = stubs.encoder.GetInfo(encoder_pb2.GetInfoRequest(), timeout=SECONDS)
    return {bundle.name: list(bundle.aliases) for bundle in info.bundles}


def test_an_alias_stands_wherever_a_bundle_is_named(stubs: Stubs) -> None:
    point(stubs, "small", bundle=BUNDLE)
    point(stubs, "english", bundle="small")
    assert bundles(stubs) == {BUNDLE: ["english", "small"]}
    options = encoder_pb2.EncodeOptions(bundle="english")
    encoder = stubs.encoder
    assert encoder.Encode(encoder_pb2.EncodeRequest(texts=["x"], options=options)).space_id
    assert encoder.Tokenize(encoder_pb2.TokenizeRequest(texts=["x"], options=options)).texts
    page = encoder_pb2.GetVocabularyRequest(bundle="english", limit=1)
    assert encoder.GetVocabulary(page).total > 0
    stubs.create("by-alias", bundle="english")
    assert described(stubs, "by-alias").settings.bundle == BUNDLE
    upsert(stubs, "by-alias", "a")
    search = pb.SearchRequest(collection="by-alias", texts=["dog"], options=options)
    assert len(stubs.index.Search(search, timeout=SECONDS).results[0].hits) == 1
    point(stubs, "small")
    point(stubs, "english")
    assert bundles(stubs) == {BUNDLE: []}
    assert len(stubs.index.Search(pb.SearchRequest(collection="by-alias", texts=["dog"])).results)


def test_aliases_of_collections_survive_kill_9(start_server: Start) -> None:
    server = start_server()
    with Stubs(server) as stubs:
        for name in ("a", "b"):
            stubs.create(name)
            upsert(stubs, name, name)
        point(stubs, "live", collection="a")
        point(stubs, "old", collection="a")
        point(stubs, "live", collection="b")
        point(stubs, "old")
    server.end(signal.SIGKILL)
    server.start()
    with Stubs(server) as stubs:
        assert ids_of(stubs, "live") == ["b"]
        assert refusal(lambda: described(stubs, "old"))[0] is errors.NotFound
        assert refusal(lambda: drop(stubs, "b"))[1] == "ALIASED"


def test_a_server_of_encoders_alone_has_aliases_of_bundles(start_server: Start) -> None:
    with Stubs(start_server(data=False)) as stubs:
        point(stubs, "small", bundle=BUNDLE)
        assert bundles(stubs) == {BUNDLE: ["small"]}
        point(stubs, "small")
        assert refusal(lambda: point(stubs, "x", collection="y"))[:2] == (
            errors.Unimplemented,
            "NO_INDEX",
        )
