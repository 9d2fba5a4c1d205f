"""The asyncio client: the blocking client's methods by the same names, awaited; as long."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc
import grpc.aio

from spladed.client import calls
from spladed.client.aio_pump import AioPump
from spladed.client.bulk import (
    EncodedPart,
    EncodedParts,
    Stream,
    Tally,
    encode_stream,
    serialise,
    upsert_stream,
)
from spladed.client.calls import Call
from spladed.client.channel import Tls, credentials_of, open_aio_channel
from spladed.client.filters import Filter
from spladed.client.options import EncodeOptions, TextOptions, encode_options
from spladed.client.outbox import ChunkSize
from spladed.client.retry import Retry
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
    UpsertedMany,
    WeightFormat,
)
from spladed.errors import SpladedError
from spladed.rpc.status import from_call
from spladed.sparse import SparseBatch
from spladed.v1.encoder_pb2 import GetInfoResponse
from spladed.v1.index_pb2 import GetStatsResponse

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """Calls one server from the event loop it is made in; see `Client` for the arguments.

    A task that is cancelled cancels its call, and the server drops it before it costs more.

    >>> async def terms(text: str) -> int:
    ...     async with AsyncClient(target) as client:
    ...         return (await client.encode([text], kind="query")).vectors.nnz
    >>> asyncio.run(terms("canine agility")) > 2
    True
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_seconds: float = 30.0,
        max_reply_bytes: int = 67_108_864,
        tls: Tls | None = None,
        api_key: str = "",
        retry: Retry | None = None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.retry = retry or Retry()
        self._metadata = credentials_of(api_key)
        self._channel = open_aio_channel(target, tls, max_reply_bytes)
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channel; calls in flight are cancelled."""
        await self._channel.close()

    # Encoder

    async def encode(
        self,
        texts: Sequence[str],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[EncodeOptions],
    ) -> Encoded:
        """One sparse row a text, in order."""
        encoding = encode_options(**options)
        return await self._call(calls.encode(texts, encoding), timeout_seconds)

    async def tokenize(
        self,
        texts: Sequence[str],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[EncodeOptions],
    ) -> list[TokenizedText]:
        """How each text splits into tokens."""
        encoding = encode_options(**options)
        return await self._call(calls.tokenize(texts, encoding), timeout_seconds)

    async def info(self, *, timeout_seconds: float | None = None) -> GetInfoResponse:
        """The server's version, bundles and limits, as the contract's own message."""
        return await self._call(calls.info(), timeout_seconds)

    async def vocabulary(
        self, *, bundle: str = "", timeout_seconds: float | None = None
    ) -> list[str]:
        """Every token of a bundle, in the order of the term ids."""
        tokens: list[str] = []
        total = 1
        while len(tokens) < total:
            page = await self._call(calls.vocabulary(bundle, len(tokens)), timeout_seconds)
            tokens += page.tokens
            total = page.total
        return tokens

    # Index

    async def create_collection(
        self,
        name: str,
        *,
        bundle: str = "",
        dimension: int = 0,
        weight_format: WeightFormat = "fixed16",
        scoring: Scoring | None = None,
        fields: Sequence[Field] = (),
        store_text: bool = True,
        timeout_seconds: float | None = None,
    ) -> CollectionDescription:
        """Makes an empty collection: of a bundle's space (the default one's, if neither is
        named), or of bare vectors if only a dimension is given.

        scoring: how scores are made of weights; None takes the dot product
        fields:  what filters may use
        """
        scoring = scoring or Scoring()
        call = calls.create_collection(
            name, bundle, dimension, weight_format, scoring, fields, store_text
        )
        return await self._call(call, timeout_seconds)

    async def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Removes a collection and everything in it."""
        await self._call(calls.delete_collection(name), timeout_seconds)

    async def collections(
        self, *, timeout_seconds: float | None = None
    ) -> list[CollectionDescription]:
        """All collections, by name."""
        return await self._call(calls.collections(), timeout_seconds)

    async def collection(
        self, name: str, *, timeout_seconds: float | None = None
    ) -> CollectionDescription:
        """One collection."""
        return await self._call(calls.collection(name), timeout_seconds)

    async def upsert(
        self,
        collection: str,
        documents: Sequence[Document],
        *,
        vectors: SparseBatch | None = None,
        timeout_seconds: float | None = None,
        **options: Unpack[TextOptions],
    ) -> Upserted:
        """Adds or replaces documents, all or none; durable and visible on return.

        A document with a `vector_row` takes that row of `vectors`; the others are encoded.
        """
        encoding = encode_options(**options)
        call = calls.upsert(collection, documents, vectors, encoding)
        return await self._call(call, timeout_seconds)

    async def delete(
        self, collection: str, ids: Sequence[str], *, timeout_seconds: float | None = None
    ) -> Deleted:
        """Deletes by id; unknown ids are no error."""
        return await self._call(calls.delete(collection, ids), timeout_seconds)

    async def delete_by_filter(
        self, collection: str, filter: Filter, *, timeout_seconds: float | None = None
    ) -> Deleted:
        """Deletes every document that the filter keeps."""
        return await self._call(calls.delete_by_filter(collection, filter), timeout_seconds)

    async def get(
        self,
        collection: str,
        ids: Sequence[str],
        *,
        text: bool = True,
        metadata: bool = True,
        fields: bool = True,
        vectors: bool = False,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
    ) -> Found:
        """Documents by id, with what is asked for."""
        wanted = calls.projection(text, metadata, fields, vectors)
        call = calls.get(collection, ids, wanted, min_generation)
        return await self._call(call, timeout_seconds)

    async def scan(
        self,
        collection: str,
        *,
        filter: Filter | None = None,
        text: bool = True,
        metadata: bool = True,
        fields: bool = True,
        vectors: bool = False,
        cursor: str = "",
        min_generation: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Page]:
        """All documents in the order of their last write, or those that the filter keeps.

        Pages are of one generation. A call that breaks is not repeated: go on from the
        `cursor` of the last page, then of the generation of that moment.
        timeout_seconds: of the scan as a whole; None sets no deadline
        """
        wanted = calls.projection(text, metadata, fields, vectors)
        call = calls.scan(collection, filter, wanted, cursor, min_generation)
        method = self._channel.unary_stream(
            f"/spladed.v1.{call.method}",
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.reply.FromString,
        )
        replies = method(call.request, timeout=timeout_seconds, metadata=self._metadata)
        try:
            async for reply in replies:
                yield call.read(reply)
        except grpc.RpcError as error:
            raise from_call(error) from None
        finally:
            replies.cancel()

    async def search(
        self,
        collection: str,
        *,
        texts: Sequence[str] = (),
        vectors: SparseBatch | None = None,
        k: int = 10,
        filter: Filter | None = None,
        effort: float = 1.0,
        text: bool = False,
        metadata: bool = False,
        fields: bool = False,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
        **options: Unpack[TextOptions],
    ) -> SearchResult:
        """The k best documents for each query; give `texts` or `vectors`.

        filter: only documents that it keeps are hits
        effort: from 0 (fastest, may miss hits) to 1 (exact)
        options: how texts are encoded
        """
        wanted = calls.projection(text, metadata, fields)
        encoding = encode_options(**options)
        call = calls.search(
            collection, texts, vectors, k, filter, effort, wanted, min_generation, encoding
        )
        return await self._call(call, timeout_seconds)

    async def explain(
        self,
        collection: str,
        query: str | SparseBatch,
        ids: Sequence[str],
        *,
        min_generation: int = 0,
        timeout_seconds: float | None = None,
        **options: Unpack[TextOptions],
    ) -> list[Explanation]:
        """What each term contributed to the score of each document."""
        encoding = encode_options(**options)
        call = calls.explain(collection, query, ids, min_generation, encoding)
        return await self._call(call, timeout_seconds)

    async def stats(
        self, collection: str, *, timeout_seconds: float | None = None
    ) -> GetStatsResponse:
        """Sizes and counts, as the contract's own message."""
        return await self._call(calls.stats(collection), timeout_seconds)

    # Bulk

    async def encode_many(
        self,
        texts: Iterable[str],
        *,
        size: ChunkSize | None = None,
        **options: Unpack[EncodeOptions],
    ) -> AsyncIterator[EncodedPart]:
        """Encodes any number of texts over a stream, and gives their rows in order.

        Texts are read as the server takes them. A text that is refused has no row and stands
        in a part's `failures`. A broken stream is resumed.
        """
        encoding = encode_options(**options)
        stream = encode_stream(texts, encoding, size or ChunkSize())
        parts = EncodedParts(stream.outbox)
        async for chunk, answer in self._pump(stream).answers():
            for part in parts.take(chunk, answer):
                yield part

    async def upsert_many(
        self,
        collection: str,
        documents: Iterable[Document],
        *,
        vectors: SparseBatch | None = None,
        size: ChunkSize | None = None,
        progress: Callable[[int], None] | None = None,
        **options: Unpack[TextOptions],
    ) -> UpsertedMany:
        """Adds or replaces any number of documents over a stream, in order.

        Documents are read as the server takes them. One that is refused stands in the
        result's `failures`; of two with one id the later remains. A broken stream is resumed,
        and what had arrived is only written over by itself: every document is there once.

        vectors:  the rows that documents name by `vector_row`
        progress: called with the number of documents acknowledged so far
        """
        encoding = encode_options(**options)
        stream = upsert_stream(collection, documents, vectors, encoding, size or ChunkSize())
        tally = Tally(stream.outbox, progress)
        async for chunk, answer in self._pump(stream).answers():
            tally.take(chunk, answer)
        return tally.result()

    # Admin

    async def flush(self, collection: str, *, timeout_seconds: float | None = None) -> int:
        """Writes the buffer to a segment file; the generation. What was acknowledged is
        durable without it."""
        return await self._call(calls.flush(collection), timeout_seconds)

    async def compact(self, collection: str, *, timeout_seconds: float | None = None) -> Compacted:
        """Merges all segments into one and gives the room of deleted documents back.

        Takes as long as writing the collection anew, and goes on when the time is out.
        """
        return await self._call(calls.compact(collection), timeout_seconds)

    async def backup(
        self, collection: str, destination: str, *, timeout_seconds: float | None = None
    ) -> BackedUp:
        """Copies one generation to a new folder below the server's folder for backups.

        Takes as long as copying and reading all bytes, and goes on when the time is out.
        """
        return await self._call(calls.backup(collection, destination), timeout_seconds)

    async def load_bundle(
        self, name: str, path: str, *, timeout_seconds: float | None = None
    ) -> Loaded:
        """Loads a bundle under this name, or in the place of the one that has it.

        path: below the server's folder for bundles (`serve --bundles`)
        """
        return await self._call(calls.load_bundle(name, path), timeout_seconds)

    async def set_alias(
        self,
        alias: str,
        *,
        collection: str = "",
        bundle: str = "",
        timeout_seconds: float | None = None,
    ) -> None:
        """Points an alias at a collection or a bundle, atomically; at neither removes it."""
        await self._call(calls.set_alias(alias, collection, bundle), timeout_seconds)

    def _pump(self, stream: Stream[T]) -> AioPump[T]:
        method = self._channel.stream_stream(
            f"/spladed.v1.{stream.method}",
            request_serializer=serialise,
            response_deserializer=stream.reply.FromString,
        )
        send = partial(method, timeout=self.timeout_seconds, metadata=self._metadata)
        return AioPump(stream, send, self.retry)

    async def _call(self, call: Call[T], timeout_seconds: float | None) -> T:
        """Makes a call, and again as long as that is safe, can help, and time is left."""
        timeout = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        failures = 0
        while True:
            try:
                return await self._once(call, deadline - clock())
            except SpladedError as error:
                failures += 1
                wait = self.retry.wait_seconds(failures, error, random.random())
                again = self.retry.repeats(failures, error, idempotent=call.idempotent)
                if not again or clock() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)

    async def _once(self, call: Call[T], timeout_seconds: float) -> T:
        if call.method not in self._methods:
            self._methods[call.method] = self._channel.unary_unary(
                f"/spladed.v1.{call.method}",
                request_serializer=type(call.request).SerializeToString,
                response_deserializer=call.reply.FromString,
            )
        send = self._methods[call.method]
        try:
            reply = await send(call.request, timeout=timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_call(error) from None
        return call.read(reply)
