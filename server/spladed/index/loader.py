"""Bulk load: rows straight into segment files, a chunk at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from spladed.errors import SpladedError
from spladed.index import files, grid, payload
from spladed.index.batch import Batch
from spladed.index.catalog import Catalog
from spladed.index.check import check_contents, check_dimension, check_ids, check_lengths
from spladed.index.chunk import Chunk
from spladed.index.commit import Stored
from spladed.index.upkeep import Keeper
from spladed.index.values import Document
from spladed.index.writer import Writer
from spladed.sparse import SparseBatch

__all__ = ["Load"]

# Of a build: while one window is written, the next is made.
_THREADS = 2


class Load:
    """Takes documents with `add`; a context, made by `Collection.load`.

    An id that comes again, or that the collection has, is replaced: the last one stays.
    While the context is open segments are not merged. If its block raises, what is durable
    stays and the rest is dropped.

    loaded:   documents taken
    durable:  of those, how many are in the collection whatever happens now
    replaced: documents that went for one of the same id
    """

    def __init__(
        self, folder: Path, catalog: Catalog, writer: Writer, keeper: Keeper, bundle_id: str
    ) -> None:
        self._folder = folder
        self._settings = catalog.settings
        self._writer = writer
        self._keeper = keeper
        self._bundle_id = bundle_id
        self._held = ExitStack()
        self._chunk = Chunk(self._settings)
        self._building: Future[None] | None = None
        self.loaded = self.durable = self.replaced = 0

    def __enter__(self) -> Self:
        self._held.enter_context(self._keeper.no_merge())
        self._thread = self._held.enter_context(
            ThreadPoolExecutor(1, thread_name_prefix="spladed-load")
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._held:
            if kind is None:
                self._build()
            self._wait(quiet=kind is not None)
        self._keeper.notify()

    def add(
        self,
        ids: Sequence[str],
        vectors: SparseBatch,
        documents: Sequence[Document] | None = None,
    ) -> None:
        """Take these documents; row i of `vectors` is that of `ids[i]`.

        documents: their texts, metadata and fields, if they have any
        Raises as `Collection.upsert` does, and what went wrong with a chunk before.
        """
        documents = documents or []
        check_dimension(vectors, self._settings.dimension, "vectors")
        check_lengths(len(ids), len(vectors))
        if documents:
            check_lengths(len(documents), len(vectors))
        check_ids(ids)
        fields = check_contents(documents, self._settings.fields) or [{}] * len(ids)
        rows = grid.to_grid(vectors.checked("vectors"), self._settings.weight_format)
        if not self._chunk.has_room(rows):
            self._build(Chunk.for_rows(self._settings, rows))
        self._chunk.add(ids, rows, fields)
        self._take_payloads(documents)
        self.loaded += len(ids)
        if self._chunk.is_full:
            self._build(Chunk(self._settings))

    def _take_payloads(self, documents: Sequence[Document]) -> None:
        first = len(self._chunk.names) - len(documents)
        for number, document in enumerate(documents, first):
            if stored := payload.encode(document, store_text=self._settings.store_text):
                self._chunk.payloads[number] = stored

    def _build(self, following: Chunk | None = None) -> None:
        """Start building the chunk, once the one before is done."""
        self._wait()
        chunk, self._chunk = self._chunk, following or self._chunk
        if chunk.names:
            self._building = self._thread.submit(self._store, chunk)

    def _wait(self, *, quiet: bool = False) -> None:
        building, self._building = self._building, None
        if building is None:
            return
        try:
            building.result()
        except SpladedError:
            if not quiet:
                raise

    def _store(self, chunk: Chunk) -> None:
        """Segment file, fsync, rename, fsync folder, one transaction, publish."""
        with self._keeper.empty_buffer(), self._writer.alone() as snapshot:
            batch, kept = chunk.batch(self._writer.next_seq)
            where, rows = snapshot.find(batch.ids)
            dead = [rows[where == number] for number in range(len(snapshot.parts))]
            path = self._folder / files.new_name(self._writer.next_seq)
            try:
                files.write(files.temporary(path), batch, self._settings, threads=_THREADS)
                segment = files.opened(path)
            except BaseException:
                files.discard(files.temporary(path), path)
                raise
            stored = self._stored(chunk, kept, batch)
            self._writer.append((segment, files.row_of(segment)), stored, dead)
            self.durable += len(chunk.names)
            self.replaced += sum(map(len, dead)) + len(chunk.names) - len(kept)

    def _stored(self, chunk: Chunk, kept: Sequence[int], batch: Batch) -> Stored:
        first, last = int(batch.seqs[0]), int(batch.seqs[-1])
        bundles = self._writer.bundle_change(first, self._bundle_id)
        return Stored(first, last, b"", chunk.payloads_of(batch.seqs, kept), bundles)
