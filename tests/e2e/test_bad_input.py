"""Whatever is wrong with a request: the right status, reason and field, nothing half-done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc
import numpy as np
import pytest

from spladed import errors
from spladed.client.client import Client
from spladed.client.values import Document
from spladed.rpc.status import from_call
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2
from tests.conftest import ServerProcess

V = 30_522


@pytest.fixture(scope="module")
def collection(client: Client) -> str:
    client.create_collection("bad")
    client.upsert("bad", [Document("there", "A text that is there.")])
    client.create_collection("bad-vectors", dimension=V)
    return "bad"


def batch(
    indptr: list[int], indices: list[int], values: list[float], dimension: int = V
) -> SparseBatch:
    return SparseBatch(
        dimension,
        np.array(indptr, np.int64),
        np.array(indices, np.int32),
        np.array(values, np.float32),
    )


def upsert(vectors: SparseBatch, name: str = "bad-vectors") -> Callable[[Client], object]:
    return lambda client: client.upsert(name, [Document("new", vector_row=0)], vectors=vectors)


def documents(*documents: Document) -> Callable[[Client], object]:
    return lambda client: client.upsert("bad", documents)


@dataclass(frozen=True)
class Case:
    call: Callable[[Client], object]
    error: type[errors.SpladedError]
    reason: str
    field: str


NAN, INF = float("nan"), float("inf")
WEIGHT = "vectors.values"
CASES = {
    "no texts": Case(lambda c: c.encode([]), errors.InvalidInput, "TEXTS_MISSING", "texts"),
    "an empty text": Case(
        lambda c: c.encode(["a", ""]), errors.InvalidInput, "TEXT_EMPTY", "texts[1]"
    ),
    "a blank text": Case(
        lambda c: c.encode([" \n\t"]), errors.InvalidInput, "TEXT_EMPTY", "texts[0]"
    ),
    "too many texts": Case(
        lambda c: c.encode(["a"] * 1025), errors.InvalidInput, "TOO_MANY_TEXTS", "texts"
    ),
    "a text of too many bytes": Case(
        lambda c: c.encode(["a", "b" * 300_000]), errors.InvalidInput, "TEXT_TOO_LARGE", "texts[1]"
    ),
    "a long text refused": Case(
        lambda c: c.encode(["x", "dog " * 600], long_text="refuse"),
        errors.InvalidInput,
        "TEXT_TOO_LONG",
        "texts[1]",
    ),
    "windows that share all they hold": Case(
        lambda c: c.encode(["x"], long_text="chunk_max", max_length=10, chunk_overlap=8),
        errors.InvalidInput,
        "CHUNK_OVERLAP",
        "chunk_overlap",
    ),
    "a maximum beyond the model": Case(
        lambda c: c.encode(["x"], max_length=513), errors.InvalidInput, "MAX_LENGTH", "max_length"
    ),
    "an unknown bundle": Case(
        lambda c: c.encode(["x"], bundle="nobody"),
        errors.NotFound,
        "BUNDLE_NOT_FOUND",
        "options.bundle",
    ),
    "an unknown collection": Case(
        lambda c: c.search("nobody", texts=["x"]), errors.NotFound, "COLLECTION", "collection"
    ),
    "a collection that is there": Case(
        lambda c: c.create_collection("bad"), errors.AlreadyExists, "COLLECTION", "name"
    ),
    "a wrong name": Case(
        lambda c: c.create_collection("Bad/../x"), errors.InvalidInput, "COLLECTION_NAME", "name"
    ),
    "a bundle's collection of another dimension": Case(
        lambda c: c.create_collection("other", bundle="spladed-tiny-en", dimension=9),
        errors.Mismatch,
        "DIMENSION",
        "settings.dimension",
    ),
    "a text for bare vectors": Case(
        lambda c: c.search("bad-vectors", texts=["x"]), errors.Mismatch, "NO_ENCODER", "texts"
    ),
    "too many hits": Case(
        lambda c: c.search("bad", texts=["x"], k=10_001), errors.InvalidInput, "K", "k"
    ),
    "an effort above 1": Case(
        lambda c: c.search("bad", texts=["x"], effort=1.5),
        errors.InvalidInput,
        "EFFORT",
        "effort",
    ),
    "an effort below 0": Case(
        lambda c: c.search("bad", texts=["x"], effort=-0.1),
        errors.InvalidInput,
        "EFFORT",
        "effort",
    ),
    "an effort that is no number": Case(
        lambda c: c.search("bad", texts=["x"], effort=float("nan")),
        errors.InvalidInput,
        "EFFORT",
        "effort",
    ),
    "texts and vectors": Case(
        lambda c: c.search("bad", texts=["x"], vectors=batch([0, 1], [1], [1])),
        errors.InvalidInput,
        "QUERY",
        "vectors",
    ),
    "no query": Case(lambda c: c.search("bad"), errors.InvalidInput, "TEXTS_MISSING", "texts"),
    "a query of another dimension": Case(
        lambda c: c.search("bad", vectors=batch([0, 1], [1], [1], dimension=5)),
        errors.Mismatch,
        "DIMENSION",
        "queries.dimension",
    ),
    "a generation of the future": Case(
        lambda c: c.search("bad", texts=["x"], min_generation=10**9),
        errors.Unavailable,
        "GENERATION_NOT_REACHED",
        "min_generation",
    ),
    "explaining who is not there": Case(
        lambda c: c.explain("bad", "x", ["there", "nobody"]), errors.NotFound, "DOCUMENT", "ids"
    ),
    "explaining two queries": Case(
        lambda c: c.explain("bad", batch([0, 1, 2], [1, 1], [1, 1]), ["there"]),
        errors.InvalidInput,
        "QUERY",
        "vector",
    ),
    "no documents": Case(documents(), errors.InvalidInput, "COUNT", "documents"),
    "a document of nothing": Case(
        documents(Document("x", "y"), Document("z")),
        errors.InvalidInput,
        "DOCUMENT_EMPTY",
        "documents[1]",
    ),
    "a blank document": Case(
        documents(Document("x", "y"), Document("z", "  ")),
        errors.InvalidInput,
        "TEXT_EMPTY",
        "documents[1].text",
    ),
    "an id twice": Case(
        documents(Document("x", "y"), Document("z", "y"), Document("x", "w")),
        errors.InvalidInput,
        "DUPLICATE_ID",
        "documents[2].id",
    ),
    "an empty id": Case(documents(Document("", "y")), errors.InvalidInput, "ID", "documents[0].id"),
    "a vector row that is not there": Case(
        documents(Document("x", vector_row=0)),
        errors.InvalidInput,
        "VECTOR_ROW",
        "documents[0].vector_row",
    ),
    "unsorted": Case(
        upsert(batch([0, 2], [5, 4], [1, 1])),
        errors.InvalidInput,
        "VECTOR_INDEX_ORDER",
        "vectors.indices",
    ),
    "repeated": Case(
        upsert(batch([0, 2], [5, 5], [1, 1])),
        errors.InvalidInput,
        "VECTOR_INDEX_ORDER",
        "vectors.indices",
    ),
    "out of range": Case(
        upsert(batch([0, 1], [V], [1])),
        errors.InvalidInput,
        "VECTOR_INDEX_RANGE",
        "vectors.indices",
    ),
    "NaN": Case(upsert(batch([0, 1], [5], [NAN])), errors.InvalidInput, "VECTOR_WEIGHT", WEIGHT),
    "infinite": Case(
        upsert(batch([0, 1], [5], [INF])), errors.InvalidInput, "VECTOR_WEIGHT", WEIGHT
    ),
    "negative": Case(
        upsert(batch([0, 1], [5], [-1])), errors.InvalidInput, "VECTOR_WEIGHT", WEIGHT
    ),
    "zero": Case(upsert(batch([0, 1], [5], [0])), errors.InvalidInput, "VECTOR_WEIGHT", WEIGHT),
    "absurd": Case(
        upsert(batch([0, 1], [5], [10_001])), errors.InvalidInput, "VECTOR_WEIGHT", WEIGHT
    ),
    "beyond the grid": Case(
        upsert(batch([0, 1], [5], [16.0])), errors.InvalidInput, "WEIGHT_RANGE", WEIGHT
    ),
    "offsets that lie": Case(
        upsert(batch([0, 2], [5], [1])), errors.InvalidInput, "VECTOR_LENGTHS", "vectors.indptr"
    ),
    "another dimension": Case(
        upsert(batch([0, 1], [1], [1], dimension=5)),
        errors.Mismatch,
        "DIMENSION",
        "vectors.dimension",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_named_and_nothing_changes(name: str, client: Client, collection: str) -> None:
    case = CASES[name]
    before = [(each.name, each.generation) for each in client.collections()]
    with pytest.raises(case.error) as caught:
        case.call(client)
    assert (caught.value.reason, caught.value.field) == (case.reason, case.field)
    assert [(each.name, each.generation) for each in client.collections()] == before


def raw_call(server: ServerProcess, method: str, raw: bytes) -> bytes:
    with grpc.insecure_channel(server.target) as channel:
        return channel.unary_unary(f"/spladed.v1.{method}")(raw, timeout=20)


def test_bytes_that_are_no_message_are_named(server: ServerProcess) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(server, "Encoder/Encode", b"\xff\xff\xff")
    error = from_call(caught.value)
    assert (type(error), error.reason) == (errors.InvalidInput, "MALFORMED_REQUEST")


def test_an_oversized_message_is_refused_by_name(server: ServerProcess) -> None:
    texts = ["x" * 250_000] * 70
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(
            server, "Encoder/Encode", encoder_pb2.EncodeRequest(texts=texts).SerializeToString()
        )
    error = from_call(caught.value)
    assert (type(error), error.reason) == (errors.Exhausted, "REQUEST_TOO_LARGE")


def test_a_far_too_large_message_never_reaches_the_server(server: ServerProcess) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(server, "Encoder/Encode", b"\x0a" * 40_000_000)
    assert type(from_call(caught.value)) is errors.Exhausted


def test_unpacked_fields_are_legal_and_read_right(
    server: ServerProcess, client: Client, collection: str
) -> None:
    request = index_pb2.UpsertRequest(
        collection="bad-vectors", documents=[index_pb2.Document(id="unpacked", vector_row=0)]
    )
    unpacked = b"\x0d" + np.uint32(V).tobytes()
    for field, numbers in ((2, [0, 2]), (3, [5, 9])):
        for number in numbers:
            unpacked += bytes([field << 3 | 5]) + np.uint32(number).tobytes()
    for value in (0.5, 0.25):
        unpacked += bytes([4 << 3 | 5]) + np.float32(value).tobytes()
    raw = request.SerializeToString() + bytes([3 << 3 | 2, len(unpacked)]) + unpacked
    raw_call(server, "Index/Upsert", raw)
    found = client.get("bad-vectors", ["unpacked"], vectors=True).vectors
    assert found is not None
    assert (found.indices.tolist(), found.values.tolist()) == ([5, 9], [0.5, 0.25])


def test_a_rule_of_pruning_out_of_range(server: ServerProcess) -> None:
    pruning = encoder_pb2.Pruning(max_ratio=1.5)
    options = encoder_pb2.EncodeOptions(pruning=pruning)
    request = encoder_pb2.EncodeRequest(texts=["x"], options=options)
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(server, "Encoder/Encode", request.SerializeToString())
    error = from_call(caught.value)
    assert (type(error), error.reason) == (errors.InvalidInput, "PRUNING")
    assert error.field == "options.pruning.max_ratio"
    assert error.message.startswith("options.pruning.max_ratio is 1.5; expected 0 to 1")


def test_a_deadline_that_passes_is_told(client: Client) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        client.encode(["dog " * 500] * 500, timeout_seconds=0.05)
    assert len(client.encode(["still here"]).vectors) == 1


def test_a_server_that_is_not_there_is_told() -> None:
    with Client("127.0.0.1:9", timeout_seconds=5) as client, pytest.raises(errors.Unavailable):
        client.encode(["x"])
