"""A synchronous client: one channel, one deadline rule, the server's own errors."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

import grpc

from spladed.client.convert import (
    KINDS,
    LONG_TEXTS,
    WEIGHT_FORMATS,
    choose,
    read_collection,
    read_encoded,
    read_explanation,
    read_found,
    read_search,
    write_upsert,
)
from spladed.client.values import (
    CollectionDescription,
    Deleted,
    Document,
    Encoded,
    Explanation,
    Found,
    Kind,
    SearchResult,
    TokenizedText,
    Upserted,
    WeightFormat,
)
from spladed.rpc.status import from_call
from spladed.rpc.wire import view, write_batch
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2

__all__ = ["Client"]

LongText = Literal["truncate", "refuse", "chunk_max"]


class Client:
    """Calls one server; threads may share it. Every call raises `SpladedError`s.

    target:            HOST:PORT
    timeout_seconds:   deadline of each call; a method's own `timeout_seconds` goes before it
    max_reply_bytes:   what is accepted; the server's own limit is 4 MiB unless configured

    >>> with Client("127.0.0.1:50051") as client:             # doctest: +SKIP
    ...     client.create_collection("notes")
    ...     client.upsert("notes", [Document("1", "How to train your dog for agility.")])
    ...     client.search("notes", texts=["fox and dog agility"]).hits[0][0].id
    '1'
    """

    def __init__(
        self, target: str, *, timeout_seconds: float = 30.0, max_reply_bytes: int = 67_108_864
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self._methods: dict[str, grpc.UnaryUnaryMultiCallable[Any, Any]] = {}
        self._channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.max_receive_message_length", max_reply_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel; calls in flight are cancelled."""
        self._channel.close()

    # Encoder

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind | None = None,
        bundle: str = "",
        long_text: LongText = "truncate",
        max_length: int = 0,
        timeout_seconds: float | None = None,
    ) -> Encoded:
        """One sparse row a text, in order; `max_length` 0 takes the bundle's own."""
        request = encoder_pb2.EncodeRequest(
            texts=texts, options=_options(kind, bundle, long_text, max_length)
        )
        reply = self._call(
            "Encoder/Encode", request, encoder_pb2.EncodeResponse, timeout_seconds
        )  # fmt: skip
        return read_encoded(reply)

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        kind: Kind | None = None,
        bundle: str = "",
        timeout_seconds: float | None = None,
    ) -> list[TokenizedText]:
        """How each text splits into tokens."""
        request = encoder_pb2.TokenizeRequest(
            texts=texts, options=_options(kind, bundle, "truncate", 0)
        )
        reply = self._call(
            "Encoder/Tokenize", request, encoder_pb2.TokenizeResponse, timeout_seconds
        )
        return [
            TokenizedText(list(each.ids), list(each.tokens), each.truncated)
            for each in reply.texts
        ]  # fmt: skip

    def info(self, *, timeout_seconds: float | None = None) -> encoder_pb2.GetInfoResponse:
        """The server's version, bundles and limits, as the contract's own message."""
        request = encoder_pb2.GetInfoRequest()
        return self._call("Encoder/GetInfo", request, encoder_pb2.GetInfoResponse, timeout_seconds)

    def vocabulary(self, *, bundle: str = "", timeout_seconds: float | None = None) -> list[str]:
        """Every token of a bundle, in the order of the term ids."""
        tokens: list[str] = []
        total = 1
        while len(tokens) < total:
            request = encoder_pb2.GetVocabularyRequest(bundle=bundle, first=len(tokens))
            page = self._call(
                "Encoder/GetVocabulary", request, encoder_pb2.GetVocabularyResponse, timeout_seconds
            )
            tokens += page.tokens
            total = page.total
        return tokens

    # Index

    def create_collection(
        self,
        name: str,
        *,
        bundle: str = "",
        dimension: int = 0,
        weight_format: WeightFormat = "fixed16",
        store_text: bool = True,
        timeout_seconds: float | None = None,
    ) -> CollectionDescription:
        """Makes an empty collection: of a bundle's space (the default one's, if neither is
        named), or of bare vectors if only a dimension is given."""
        settings = index_pb2.CollectionSettings(
            bundle=bundle,
            dimension=dimension,
            weight_format=choose(WEIGHT_FORMATS, weight_format, "weight_format"),
            discard_text=not store_text,
        )
        request = index_pb2.CreateCollectionRequest(name=name, settings=settings)
        reply = self._call(
            "Index/CreateCollection", request, index_pb2.CreateCollectionResponse, timeout_seconds
        )
        return read_collection(reply.collection)

    def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Removes a collection and everything in it."""
        request = index_pb2.DeleteCollectionRequest(name=name)
        self._call(
            "Index/DeleteCollection", request, index_pb2.DeleteCollectionResponse, timeout_seconds
        )

    def collections(self, *, timeout_seconds: float | None = None) -> list[CollectionDescription]:
        """All collections, by name."""
        request = index_pb2.ListCollectionsRequest()
        reply = self._call(
            "Index/ListCollections", request, index_pb2.ListCollectionsResponse, timeout_seconds
        )
        return [read_collection(each) for each in reply.collections]

    def collection(
        self, name: str, *, timeout_seconds: float | None = None
    ) -> CollectionDescription:
        """One collection."""
        request = index_pb2.GetCollectionRequest(name=name)
        reply = self._call(
            "Index/GetCollection", request, index_pb2.GetCollectionResponse, timeout_seconds
        )
        return read_collection(reply.collection)

    def upsert(
        self,
        collection: str,
        documents: Sequence[Document],
        *,
        vectors: SparseBatch | None = None,
        long_text: LongText = "truncate",
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Adds or replaces documents, all or none; durable and visible on return.

        A document with a `vector_row` takes that row of `vectors`; the others are encoded.
        """
        options = _options(None, "", long_text, 0)
        request = write_upsert(collection, documents, vectors, options)
        reply = self._call("Index/Upsert", request, index_pb2.UpsertResponse, timeout_seconds)
        return Upserted(reply.generation, list(reply.token_counts), list(reply.truncated))

    def delete(
        self, collection: str, ids: Sequence[str], *, timeout_seconds: float | None = None
    ) -> Deleted:
        """Deletes by id; unknown ids are no error."""
        request = index_pb2.DeleteRequest(collection=collection, ids=ids)
        reply = self._call("Index/Delete", request, index_pb2.DeleteResponse, timeout_seconds)
        return Deleted(reply.deleted, reply.generation)

    def get(
        self,
        collection: str,
        ids: Sequence[str],
        *,
        text: bool = True,
        metadata: bool = True,
        vectors: bool = False,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
    ) -> Found:
        """Documents by id, with what is asked for."""
        projection = index_pb2.Projection(text=text, metadata=metadata, vectors=vectors)
        request = index_pb2.GetRequest(
            collection=collection, ids=ids, projection=projection, min_generation=min_generation
        )
        return read_found(
            self._call("Index/Get", request, index_pb2.GetResponse, timeout_seconds)
        )  # fmt: skip

    def search(
        self,
        collection: str,
        *,
        texts: Sequence[str] = (),
        vectors: SparseBatch | None = None,
        k: int = 10,
        text: bool = False,
        metadata: bool = False,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
    ) -> SearchResult:
        """The k best documents for each query; give `texts` or `vectors`."""
        request = view.SearchRequest(
            collection=collection,
            texts=texts,
            vectors=None if vectors is None else write_batch(vectors),
            k=k,
            projection=view.Projection(text=text, metadata=metadata),
            min_generation=min_generation,
        )
        return read_search(
            self._call("Index/Search", request, index_pb2.SearchResponse, timeout_seconds)
        )

    def explain(
        self,
        collection: str,
        query: str | SparseBatch,
        ids: Sequence[str],
        *,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
    ) -> list[Explanation]:
        """What each term contributed to the score of each document."""
        request = view.ExplainRequest(
            collection=collection,
            text=query if isinstance(query, str) else None,
            vector=None if isinstance(query, str) else write_batch(query),
            ids=ids,
            min_generation=min_generation,
        )
        reply = self._call("Index/Explain", request, index_pb2.ExplainResponse, timeout_seconds)
        return [read_explanation(each) for each in reply.explanations]

    def stats(
        self, collection: str, *, timeout_seconds: float | None = None
    ) -> index_pb2.GetStatsResponse:
        """Sizes and counts, as the contract's own message."""
        request = index_pb2.GetStatsRequest(collection=collection)
        return self._call("Index/GetStats", request, index_pb2.GetStatsResponse, timeout_seconds)

    def _call(self, method: str, request: Any, reply: Any, timeout_seconds: float | None) -> Any:
        """One unary call; `method` is Service/Method, `reply` the class of the answer."""
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(
                f"/spladed.v1.{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=reply.FromString,
            )
        timeout = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            return self._methods[method](request, timeout=timeout)
        except grpc.RpcError as error:
            raise from_call(error) from None


def _options(
    kind: Kind | None, bundle: str, long_text: LongText, max_length: int
) -> encoder_pb2.EncodeOptions:
    return encoder_pb2.EncodeOptions(
        bundle=bundle,
        kind=choose(KINDS, kind, "kind"),
        long_text=choose(LONG_TEXTS, long_text, "long_text"),
        max_length=max_length,
    )
