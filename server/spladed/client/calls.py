"""Every call of the contract as a value: method, request, and how its answer is read.

The blocking and the asyncio client differ only in how they send these. Long, as the contract is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from spladed.client import convert
from spladed.client.filters import Filter
from spladed.client.values import (
    BackedUp,
    CollectionDescription,
    Compacted,
    Deleted,
    Document,
    Encoded,
    Explanation,
    Field,
    Found,
    Loaded,
    Page,
    Scoring,
    SearchResult,
    TokenizedText,
    Upserted,
    WeightFormat,
)
from spladed.errors import InvalidInput
from spladed.rpc.wire import view, write_batch
from spladed.sparse import SparseBatch
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

__all__ = ["Call"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of one request; the reply of a scan is a stream of them.

    method:     Service/Method
    request:    a message of the contract, or of the wire's view of it
    reply:      class of the answer
    read:       the answer as a value
    idempotent: whether repeating it is safe, as the contract says
    """

    method: str
    request: Any
    reply: Any
    read: Callable[[Any], T]
    idempotent: bool = True


def encode(texts: Sequence[str], options: encoder_pb2.EncodeOptions) -> Call[Encoded]:
    """Encoder.Encode."""
    request = encoder_pb2.EncodeRequest(texts=texts, options=options)
    return Call("Encoder/Encode", request, encoder_pb2.EncodeResponse, convert.read_encoded)


def tokenize(texts: Sequence[str], options: encoder_pb2.EncodeOptions) -> Call[list[TokenizedText]]:
    """Encoder.Tokenize."""
    request = encoder_pb2.TokenizeRequest(texts=texts, options=options)
    read = convert.read_tokenized
    return Call("Encoder/Tokenize", request, encoder_pb2.TokenizeResponse, read)


def info() -> Call[encoder_pb2.GetInfoResponse]:
    """Encoder.GetInfo."""
    request = encoder_pb2.GetInfoRequest()
    return Call("Encoder/GetInfo", request, encoder_pb2.GetInfoResponse, lambda reply: reply)


def vocabulary(bundle: str, first: int) -> Call[encoder_pb2.GetVocabularyResponse]:
    """Encoder.GetVocabulary, one page."""
    request = encoder_pb2.GetVocabularyRequest(bundle=bundle, first=first)
    reply = encoder_pb2.GetVocabularyResponse
    return Call("Encoder/GetVocabulary", request, reply, lambda reply: reply)


def create_collection(
    name: str,
    bundle: str,
    dimension: int,
    weight_format: WeightFormat,
    scoring: Scoring,
    fields: Sequence[Field],
    store_text: bool,
) -> Call[CollectionDescription]:
    """Index.CreateCollection."""
    settings = index_pb2.CollectionSettings(
        bundle=bundle,
        dimension=dimension,
        weight_format=convert.choose(convert.WEIGHT_FORMATS, weight_format, "weight_format"),
        scoring=convert.write_scoring(scoring),
        fields=[convert.write_field(field) for field in fields],
        discard_text=not store_text,
    )
    return Call(
        "Index/CreateCollection",
        index_pb2.CreateCollectionRequest(name=name, settings=settings),
        index_pb2.CreateCollectionResponse,
        lambda reply: convert.read_collection(reply.collection),
        idempotent=False,
    )


def delete_collection(name: str) -> Call[None]:
    """Index.DeleteCollection."""
    request = index_pb2.DeleteCollectionRequest(name=name)
    reply = index_pb2.DeleteCollectionResponse
    return Call("Index/DeleteCollection", request, reply, lambda _: None, idempotent=False)


def collections() -> Call[list[CollectionDescription]]:
    """Index.ListCollections."""
    return Call(
        "Index/ListCollections",
        index_pb2.ListCollectionsRequest(),
        index_pb2.ListCollectionsResponse,
        lambda reply: [convert.read_collection(each) for each in reply.collections],
    )


def collection(name: str) -> Call[CollectionDescription]:
    """Index.GetCollection."""
    return Call(
        "Index/GetCollection",
        index_pb2.GetCollectionRequest(name=name),
        index_pb2.GetCollectionResponse,
        lambda reply: convert.read_collection(reply.collection),
    )


def upsert(
    name: str,
    documents: Sequence[Document],
    vectors: SparseBatch | None,
    options: encoder_pb2.EncodeOptions,
) -> Call[Upserted]:
    """Index.Upsert."""
    request = convert.write_upsert(name, documents, vectors, options)
    return Call("Index/Upsert", request, index_pb2.UpsertResponse, convert.read_upserted)


def delete(name: str, ids: Sequence[str]) -> Call[Deleted]:
    """Index.Delete."""
    return Call(
        "Index/Delete",
        index_pb2.DeleteRequest(collection=name, ids=ids),
        index_pb2.DeleteResponse,
        lambda reply: Deleted(reply.deleted, reply.generation),
    )


def delete_by_filter(name: str, filter: Filter) -> Call[Deleted]:
    """Index.DeleteByFilter."""
    return Call(
        "Index/DeleteByFilter",
        index_pb2.DeleteByFilterRequest(collection=name, filter=filter.message),
        index_pb2.DeleteByFilterResponse,
        lambda reply: Deleted(reply.deleted, reply.generation),
    )


def projection(
    text: bool, metadata: bool, fields: bool, vectors: bool = False
) -> index_pb2.Projection:
    """What comes back with documents."""
    return index_pb2.Projection(text=text, metadata=metadata, fields=fields, vectors=vectors)


def get(
    name: str, ids: Sequence[str], wanted: index_pb2.Projection, min_generation: int
) -> Call[Found]:
    """Index.Get."""
    request = index_pb2.GetRequest(
        collection=name, ids=ids, projection=wanted, min_generation=min_generation
    )
    return Call("Index/Get", request, index_pb2.GetResponse, convert.read_found)


def scan(
    name: str,
    filter: Filter | None,
    wanted: index_pb2.Projection,
    cursor: str,
    min_generation: int,
) -> Call[Page]:
    """Index.Scan."""
    request = index_pb2.ScanRequest(
        collection=name,
        projection=wanted,
        cursor=cursor,
        filter=None if filter is None else filter.message,
        min_generation=min_generation,
    )
    return Call("Index/Scan", request, index_pb2.ScanResponse, convert.read_page)


def search(
    name: str,
    texts: Sequence[str],
    vectors: SparseBatch | None,
    k: int,
    filter: Filter | None,
    effort: float,
    wanted: index_pb2.Projection,
    min_generation: int,
    options: encoder_pb2.EncodeOptions,
) -> Call[SearchResult]:
    """Index.Search; exact where the effort is 1."""
    request = view.SearchRequest(
        collection=name,
        texts=texts,
        vectors=None if vectors is None else write_batch(vectors),
        k=k,
        min_generation=min_generation,
    )
    # The view's messages take no others: what is not of it goes in as bytes.
    plain = index_pb2.SearchRequest(projection=wanted, options=options)
    if filter is not None:
        plain.filter.CopyFrom(filter.message)
    if effort != 1:
        plain.mode, plain.effort = index_pb2.SEARCH_MODE_APPROXIMATE, effort
    request.MergeFromString(plain.SerializeToString())
    return Call("Index/Search", request, index_pb2.SearchResponse, convert.read_search)


def explain(
    name: str,
    query: str | SparseBatch,
    ids: Sequence[str],
    min_generation: int,
    options: encoder_pb2.EncodeOptions,
) -> Call[list[Explanation]]:
    """Index.Explain."""
    is_text = isinstance(query, str)
    request = view.ExplainRequest(
        collection=name,
        text=query if is_text else None,
        vector=None if is_text else write_batch(query),
        ids=ids,
        min_generation=min_generation,
    )
    plain = index_pb2.ExplainRequest(options=options)
    request.MergeFromString(plain.SerializeToString())
    read = convert.read_explanations
    return Call("Index/Explain", request, index_pb2.ExplainResponse, read)


def stats(name: str) -> Call[index_pb2.GetStatsResponse]:
    """Index.GetStats."""
    request = index_pb2.GetStatsRequest(collection=name)
    return Call("Index/GetStats", request, index_pb2.GetStatsResponse, lambda reply: reply)


def flush(name: str) -> Call[int]:
    """Admin.Flush."""
    request = admin_pb2.FlushRequest(collection=name)
    return Call("Admin/Flush", request, admin_pb2.FlushResponse, lambda reply: reply.generation)


def compact(name: str) -> Call[Compacted]:
    """Admin.Compact."""
    return Call(
        "Admin/Compact",
        admin_pb2.CompactRequest(collection=name),
        admin_pb2.CompactResponse,
        lambda reply: Compacted(reply.generation, reply.bytes_before, reply.bytes_after),
    )


def backup(name: str, destination: str) -> Call[BackedUp]:
    """Admin.Backup."""
    return Call(
        "Admin/Backup",
        admin_pb2.BackupRequest(collection=name, destination=destination),
        admin_pb2.BackupResponse,
        lambda reply: BackedUp(reply.generation, reply.bytes),
        idempotent=False,
    )


def load_bundle(name: str, path: str) -> Call[Loaded]:
    """Admin.LoadBundle."""
    return Call(
        "Admin/LoadBundle",
        admin_pb2.LoadBundleRequest(name=name, path=path),
        admin_pb2.LoadBundleResponse,
        lambda reply: Loaded(reply.bundle_id, reply.space_id),
    )


def set_alias(alias: str, collection: str, bundle: str) -> Call[None]:
    """Admin.SetAlias; neither target removes the alias."""
    if collection and bundle:
        raise InvalidInput(
            f"alias {alias!r} cannot point at a collection and a bundle; name one",
            reason="ALIAS",
            field="alias",
        )
    request = admin_pb2.SetAliasRequest(alias=alias)
    if collection:
        request.collection = collection
    if bundle:
        request.bundle = bundle
    return Call("Admin/SetAlias", request, admin_pb2.SetAliasResponse, lambda _: None)
