"""The Index service: collections of documents, searched and explained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from spladed.errors import InvalidInput
from spladed.index.collection import Collection
from spladed.index.collections import Collections
from spladed.index.filter import named_ids
from spladed.index.values import CollectionSettings, Explanation, Found
from spladed.rpc.checks import check_count, check_dimension, check_search, effort_of
from spladed.rpc.documents import (
    read_documents,
    wants_documents,
    write_collection,
    write_found,
)
from spladed.rpc.encoding import Encodings
from spladed.rpc.explained import write_explanations
from spladed.rpc.filters import read_filter
from spladed.rpc.generation import wait_for_generation
from spladed.rpc.hits import write_hits
from spladed.rpc.order import AdmissionOrder
from spladed.rpc.rows import Rows
from spladed.rpc.scan import pages
from spladed.rpc.settings import read_fields, read_scoring, read_weight_format
from spladed.rpc.threads import Threads
from spladed.rpc.watch import Watch, timed
from spladed.rpc.wire import view
from spladed.settings import Limits
from spladed.sparse import SparseBatch
from spladed.v1 import index_pb2 as pb

__all__ = ["IndexService"]

_DEFAULT_K = 10


class IndexService:
    """The methods of spladed.v1.Index that are built."""

    def __init__(
        self,
        collections: Collections,
        encodings: Encodings,
        threads: Threads,
        limits: Limits,
        watch: Watch,
    ) -> None:
        self._collections = collections
        self._encodings = encodings
        self._rows = Rows(encodings, limits)
        self._threads = threads
        self._limits = limits
        self._watch = watch
        self._order = AdmissionOrder()

    async def create_collection(self, request: pb.CreateCollectionRequest) -> Any:
        """Makes an empty collection."""
        settings = self._settings(request.settings)
        create = partial(self._collections.create, request.name, settings)
        collection = await asyncio.shield(self._threads.write(create))
        return pb.CreateCollectionResponse(collection=write_collection(collection))

    async def delete_collection(self, request: pb.DeleteCollectionRequest) -> Any:
        """Removes a collection."""
        await asyncio.shield(self._threads.write(partial(self._collections.delete, request.name)))
        return pb.DeleteCollectionResponse()

    async def list_collections(self, _: pb.ListCollectionsRequest) -> Any:
        """All collections that could be opened, by name."""
        failed = self._collections.failures()
        names = [name for name in self._collections.names() if name not in failed]
        collections = [write_collection(self._collections.get(name)) for name in names]
        return pb.ListCollectionsResponse(collections=collections)

    async def get_collection(self, request: pb.GetCollectionRequest) -> Any:
        """One collection."""
        collection = self._collections.get(request.name)
        return pb.GetCollectionResponse(collection=write_collection(collection))

    async def upsert(self, request: pb.UpsertRequest) -> Any:
        """Adds or replaces documents; durable and visible when this returns."""
        return await self._upsert(request, bulk=False)

    async def upsert_stream(self, chunk: pb.UpsertStreamRequest) -> Any:
        """Adds or replaces the documents of this chunk."""
        response = await self._upsert(chunk.request, bulk=True)
        return pb.UpsertStreamResponse(sequence=chunk.sequence, response=response)

    async def _upsert(self, request: pb.UpsertRequest, *, bulk: bool) -> pb.UpsertResponse:
        # Nothing is awaited before the turn is taken: calls are admitted in order of arrival.
        collection = self._collections.get(request.collection)
        check_count(len(request.documents), "documents", self._limits.max_documents)
        documents = read_documents(request.documents, collection.settings.fields)
        ids = [document.id for document in documents]
        async with self._order.turn(collection.name, ids) as turn:
            rows, bundle_id = await self._rows.documents(collection, request, bulk=bulk)
            await turn.come()
            write = partial(collection.upsert, documents, rows.vectors, bundle_id=bundle_id)
            with timed(self._watch, "commit"):
                generation = await turn.commit(self._threads.write(write))
        return pb.UpsertResponse(
            generation=generation, token_counts=rows.token_counts, truncated=rows.truncated
        )

    async def delete(self, request: pb.DeleteRequest) -> Any:
        """Deletes by id."""
        collection = self._collections.get(request.collection)
        check_count(len(request.ids), "ids", self._limits.max_documents)
        ids = list(request.ids)
        async with self._order.turn(collection.name, ids) as turn:
            await turn.come()
            write = partial(collection.delete, ids)
            deleted, generation = await turn.commit(self._threads.write(write))
        return pb.DeleteResponse(deleted=deleted, generation=generation)

    async def delete_by_filter(self, request: pb.DeleteByFilterRequest) -> Any:
        """Deletes what a filter keeps of the documents that are there when it commits.

        Among writes that share an id it has its turn by the ids that it names; for others it
        does not wait, whatever they may write into the fields that it asks for.
        """
        collection = self._collections.get(request.collection)
        keep = read_filter(request.filter, collection.settings.fields)
        async with self._order.turn(collection.name, named_ids(keep)) as turn:
            await turn.come()
            write = partial(collection.delete_kept, keep)
            deleted, generation = await turn.commit(self._threads.write(write))
        return pb.DeleteByFilterResponse(deleted=deleted, generation=generation)

    async def get(self, request: pb.GetRequest) -> Any:
        """Documents by id."""
        collection = self._collections.get(request.collection)
        check_count(len(request.ids), "ids", self._limits.max_documents)
        await wait_for_generation(collection, request.min_generation)
        wanted = request.projection
        found = await self._threads.read(
            partial(
                collection.get,
                list(request.ids),
                with_vectors=wanted.vectors,
                with_documents=wants_documents(wanted),
            )
        )
        return write_found(found, wanted)

    async def scan(self, request: pb.ScanRequest) -> AsyncGenerator[Any, None]:
        """All documents, in the order in which they were written."""
        collection = self._collections.get(request.collection)
        await wait_for_generation(collection, request.min_generation)
        async with aclosing(pages(collection, request, self._threads, self._limits)) as found:
            async for page in found:
                yield page

    async def search(self, request: pb.SearchRequest) -> Any:
        """The best documents for each query."""
        collection = self._collections.get(request.collection)
        check_search(request)
        k = self._check_k(request.k)
        fields = collection.settings.fields
        keep = read_filter(request.filter, fields) if request.HasField("filter") else None
        queries = await self._rows.queries(collection, request)
        await wait_for_generation(collection, request.min_generation)
        wanted = request.projection
        answers = collection.answers(
            queries.vectors,
            k,
            keep=keep,
            effort=effort_of(request),
            with_documents=wants_documents(wanted),
            made=partial(write_hits, wanted),
        )
        with timed(self._watch, "search"):
            await self._threads.share(answers)
        return view.SearchResponse(
            results=answers.answers,
            generation=answers.generation,
            token_counts=queries.token_counts,
            truncated=queries.truncated,
        )

    async def explain(self, request: pb.ExplainRequest) -> Any:
        """What each term contributed."""
        collection = self._collections.get(request.collection)
        check_count(len(request.ids), "ids", self._limits.max_documents)
        query = await self._rows.explained(collection, request)
        await wait_for_generation(collection, request.min_generation)
        ids = list(request.ids)
        explanations, found = await self._threads.read(partial(_explained, collection, query, ids))
        texts = {document.id: document.text for document in found.documents}
        knows_words = bool(collection.settings.space_id)
        encoding = self._rows.encoding(collection, request.options) if knows_words else None
        return pb.ExplainResponse(
            explanations=write_explanations(explanations, request.text, texts, encoding),
            generation=found.generation,
        )

    async def get_stats(self, request: pb.GetStatsRequest) -> Any:
        """Sizes and counts."""
        stats = await self._threads.read(self._collections.get(request.collection).stats)
        return pb.GetStatsResponse(
            documents=stats.documents,
            deleted_documents=stats.deleted,
            weights=stats.nnz,
            segments=stats.segments,
            disk_bytes=stats.disk_bytes,
            memory_bytes=stats.memory_bytes,
            generation=stats.generation,
            buffered_documents=stats.buffered_documents,
            mapped_bytes=stats.mapped_bytes,
        )

    def _settings(self, settings: pb.CollectionSettings) -> CollectionSettings:
        space, bundle, dimension = "", "", settings.dimension
        if settings.bundle or not dimension:
            encoding = self._encodings.get(settings.bundle, "settings.bundle")
            space, bundle = encoding.manifest.space_id, encoding.name
            dimension = encoding.manifest.model.vocabulary_size
            check_dimension(settings.dimension, dimension, bundle)
        return CollectionSettings(
            dimension=dimension,
            space_id=space,
            bundle=bundle,
            weight_format=read_weight_format(settings),
            store_text=not settings.discard_text,
            scoring=read_scoring(settings),
            fields=read_fields(settings),
        )

    def _check_k(self, k: int) -> int:
        if k > self._limits.max_hits:
            raise InvalidInput(
                f"k is {k}, more than max_hits {self._limits.max_hits}", reason="K", field="k"
            )
        return k or _DEFAULT_K


def _explained(
    collection: Collection, query: SparseBatch, ids: Sequence[str]
) -> tuple[list[Explanation], Found]:
    """The explanations, and the documents of that same generation."""
    with collection.snapshot() as seen:
        return seen.explain(query, ids), seen.get(ids)
