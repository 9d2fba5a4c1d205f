"""Bulk work over the contract's streams: what a chunk becomes, and what its answers make.

`Stream` names the method and turns chunks into messages; `EncodedParts` and `Tally` collect
the answers. The clients bring the I/O: `pump` blocks, `aio_pump` awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from spladed.client import calls
from spladed.client.convert import read_encoded
from spladed.client.outbox import Chunk, ChunkSize, Outbox, cut
from spladed.client.values import Document, Encoded, Failure, UpsertedMany
from spladed.errors import InvalidInput
from spladed.rpc.wire import view
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2

__all__ = [
    "EncodedPart",
    "EncodedParts",
    "Stream",
    "Tally",
    "encode_stream",
    "serialise",
    "upsert_stream",
]

T = TypeVar("T")

# Enough that the server encodes a chunk while it commits the one before and receives the one
# after; more would only wait there.
WINDOW = 4


@dataclass(frozen=True, slots=True)
class Stream(Generic[T]):
    """A bidirectional method of the contract, and the work that goes through it.

    request: a chunk as a message
    reply:   class of the answers
    chunks:  the work, cut
    outbox:  its state
    """

    method: str
    request: Callable[[Chunk[T]], Any]
    reply: Any
    chunks: Iterator[Chunk[T]]
    outbox: Outbox[T]


def serialise(message: Any) -> bytes:
    """A message's bytes, whether it is of the contract or of the wire's view of it."""
    return message.SerializeToString()


def encode_stream(
    texts: Iterable[str], options: encoder_pb2.EncodeOptions, size: ChunkSize
) -> Stream[str]:
    """Texts through Encoder.EncodeStream."""

    def request(chunk: Chunk[str]) -> Any:
        inner = encoder_pb2.EncodeRequest(texts=chunk.items, options=options)
        return encoder_pb2.EncodeStreamRequest(sequence=chunk.sequence, request=inner)

    chunks = cut(texts, size, lambda text: len(text.encode()))
    reply = encoder_pb2.EncodeStreamResponse
    return Stream("Encoder/EncodeStream", request, reply, chunks, Outbox())


def upsert_stream(
    collection: str,
    documents: Iterable[Document],
    vectors: SparseBatch | None,
    options: encoder_pb2.EncodeOptions,
    size: ChunkSize,
) -> Stream[Document]:
    """Documents through Index.UpsertStream; `vectors` holds the rows that they name."""
    if vectors is not None:
        vectors.checked("vectors")

    def request(chunk: Chunk[Document]) -> Any:
        numbered, rows = _own_rows(chunk.items, vectors)
        inner = calls.upsert(collection, numbered, rows, options).request
        return view.UpsertStreamRequest(sequence=chunk.sequence, request=inner)

    chunks = cut(documents, size, _document_bytes(vectors), lambda document: document.id)
    outbox: Outbox[Document] = Outbox(key=lambda document: document.id)
    return Stream("Index/UpsertStream", request, index_pb2.UpsertStreamResponse, chunks, outbox)


def _own_rows(
    documents: Sequence[Document], vectors: SparseBatch | None
) -> tuple[list[Document], SparseBatch | None]:
    """The documents with the rows that they name renumbered, and just those rows."""
    rows = [document.vector_row for document in documents if document.vector_row is not None]
    if vectors is None or not rows:
        return list(documents), None
    numbers = iter(range(len(rows)))
    numbered = [
        document if document.vector_row is None else replace(document, vector_row=next(numbers))
        for document in documents
    ]
    return numbered, vectors.take(rows)


def _document_bytes(vectors: SparseBatch | None) -> Callable[[Document], int]:
    def count(document: Document) -> int:
        row = document.vector_row
        if row is None or vectors is None:
            return len(document.text.encode()) + 64
        if not 0 <= row < len(vectors):
            raise InvalidInput(
                f"document {document.id!r} has vector_row {row}; vectors has {len(vectors)} rows",
                reason="VECTOR_ROW",
                field="documents.vector_row",
            )
        return len(document.text.encode()) + 64 + 8 * len(vectors.row(row)[0])

    return count


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """Some of the texts: row i of `encoded` is the text at positions[i].

    failures: texts that were refused since the part before; they have no row
    """

    positions: Sequence[int]
    encoded: Encoded
    failures: Sequence[Failure] = ()


@dataclass(slots=True)
class EncodedParts:
    """Puts answers back into the order of the texts."""

    outbox: Outbox[str]
    _early: dict[int, EncodedPart] = field(default_factory=dict)
    _next: int = 0
    _told: int = 0

    def take(self, chunk: Chunk[str], answer: encoder_pb2.EncodeResponse) -> Iterator[EncodedPart]:
        """Stores an answer; gives whatever is now complete, in order."""
        self._early[chunk.sequence] = EncodedPart(chunk.positions, read_encoded(answer))
        while self._next in self._early:
            part = self._early.pop(self._next)
            self._next += 1
            failures = tuple(self.outbox.failures[self._told :])
            self._told = len(self.outbox.failures)
            yield replace(part, failures=failures)


@dataclass(slots=True)
class Tally:
    """Counts what an upsert has seen acknowledged."""

    outbox: Outbox[Document]
    progress: Callable[[int], None] | None
    upserted: int = 0
    generation: int = 0

    def take(self, chunk: Chunk[Document], answer: index_pb2.UpsertResponse) -> None:
        """Counts a chunk."""
        self.upserted += len(chunk.items)
        self.generation = max(self.generation, answer.generation)
        if self.progress is not None:
            self.progress(self.upserted)

    def result(self) -> UpsertedMany:
        """All that was written, and what was refused."""
        failures = sorted(self.outbox.failures, key=lambda failure: failure.position)
        return UpsertedMany(self.upserted, self.generation, failures)
