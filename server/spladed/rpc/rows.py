"""The rows behind a call on a collection: given as vectors, or encoded from texts."""

from __future__ import annotations

from collections.abc import Sequence

from spladed.errors import InvalidInput, Mismatch
from spladed.index.collection import Collection
from spladed.rpc.checks import check_count
from spladed.rpc.encoding import EncodedTexts, Encoding, Encodings
from spladed.rpc.wire import read_batch
from spladed.settings import Limits
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2
from spladed.v1 import index_pb2 as pb

__all__ = ["Rows"]


class Rows:
    """Turns the documents and queries of requests into rows that a collection takes."""

    def __init__(self, encodings: Encodings, limits: Limits) -> None:
        self._encodings = encodings
        self._limits = limits

    def encoding(self, collection: Collection, options: encoder_pb2.EncodeOptions) -> Encoding:
        """The encoding whose vectors are comparable with the collection's.

        Raises Mismatch for a collection of bare vectors and for another space.
        """
        settings = collection.settings
        if not settings.space_id:
            raise Mismatch(
                "this collection holds bare vectors and has no encoder; send vectors, or make "
                "a collection with a bundle",
                reason="NO_ENCODER",
                field="texts",
            )
        encoding = self._encodings.get(options.bundle or settings.bundle, "options.bundle")
        if encoding.manifest.space_id != settings.space_id:
            raise Mismatch(
                f"the collection's vectors are of space {settings.space_id}, the bundle "
                f"{encoding.name!r} makes {encoding.manifest.space_id}; serve the bundle it was "
                "made with, or index the documents anew",
                reason="SPACE",
                field="options.bundle",
            )
        return encoding

    async def documents(
        self, collection: Collection, request: pb.UpsertRequest, *, bulk: bool
    ) -> tuple[EncodedTexts, str]:
        """One row a document, encoded from its text or the one it names; and the bundle_id
        of what was encoded, empty where nothing was."""
        given = self._given(collection, request)
        texts_at, sources = _sources(request.documents, len(given))
        if not texts_at:
            nothing = [0] * len(sources)
            return EncodedTexts(given.take(sources), nothing, [False] * len(sources)), ""
        encoding = self.encoding(collection, request.options)
        texts = [request.documents[position].text for position in texts_at]
        encoded = await encoding.encode(
            texts,
            request.options,
            "document",
            name=lambda number: f"documents[{texts_at[number]}].text",
            bulk=bulk,
        )
        both = SparseBatch.concatenate(given.dimension, [given, encoded.vectors])
        counts, truncated = [0] * len(sources), [False] * len(sources)
        for number, position in enumerate(texts_at):
            counts[position] = encoded.token_counts[number]
            truncated[position] = encoded.truncated[number]
        return EncodedTexts(both.take(sources), counts, truncated), encoding.manifest.bundle_id

    async def queries(self, collection: Collection, request: pb.SearchRequest) -> EncodedTexts:
        """One row a query."""
        if request.texts and request.HasField("vectors"):
            raise InvalidInput(
                "both texts and vectors are set; send one of them",
                reason="QUERY",
                field="vectors",
            )
        if not request.HasField("vectors"):
            encoding = self.encoding(collection, request.options)
            return await encoding.encode(request.texts, request.options, "query")
        vectors = read_batch(request.vectors, "vectors")
        check_count(len(vectors), "vectors", self._limits.max_texts)
        return EncodedTexts(vectors, [], [])

    async def explained(self, collection: Collection, request: pb.ExplainRequest) -> SparseBatch:
        """The one row that is explained."""
        if request.WhichOneof("query") == "text":
            encoding = self.encoding(collection, request.options)
            return (await encoding.encode([request.text], request.options, "query")).vectors
        query = read_batch(request.vector, "vector")
        if len(query) != 1:
            raise InvalidInput(
                f"vector has {len(query)} rows; send a text or exactly one row",
                reason="QUERY",
                field="vector",
            )
        return query

    def _given(self, collection: Collection, request: pb.UpsertRequest) -> SparseBatch:
        dimension = collection.settings.dimension
        if not request.HasField("vectors"):
            return SparseBatch.empty(dimension)
        given = read_batch(request.vectors, "vectors")
        if given.dimension != dimension:
            raise Mismatch(
                f"vectors.dimension is {given.dimension}; this collection has {dimension}",
                reason="DIMENSION",
                field="vectors.dimension",
            )
        return given


def _sources(documents: Sequence[pb.Document], given: int) -> tuple[list[int], list[int]]:
    """Which documents are encoded, and for each document its row in given + encoded rows."""
    texts_at: list[int] = []
    sources: list[int] = []
    for number, document in enumerate(documents):
        if document.HasField("vector_row"):
            sources.append(_checked_row(document.vector_row, number, given))
        else:
            _check_text(document, number)
            sources.append(given + len(texts_at))
            texts_at.append(number)
    return texts_at, sources


def _checked_row(row: int, number: int, given: int) -> int:
    if row < given:
        return row
    raise InvalidInput(
        f"documents[{number}].vector_row is {row}; vectors has {given} rows",
        reason="VECTOR_ROW",
        field=f"documents[{number}].vector_row",
    )


def _check_text(document: pb.Document, number: int) -> None:
    if not document.text:
        raise InvalidInput(
            f"documents[{number}] ({document.id!r}) has neither text nor vector_row; send one",
            reason="DOCUMENT_EMPTY",
            field=f"documents[{number}]",
        )
