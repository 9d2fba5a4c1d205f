"""Bulk load: rows straight into segment files, a chunk at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from spladed.errors import SpladedError
from spladed.index import columns, files, grid, payload
from spladed.index.batch import Batch, Columns
from spladed.index.catalog import Catalog
from spladed.index.check import check_contents, check_dimension, check_ids, check_lengths
from spladed.index.commit import Stored
from spladed.index.ids import Ids
from spladed.index.packed import Packed, pack
from spladed.index.upkeep import Keeper
from spladed.index.values import Document
from spladed.index.writer import Writer
from spladed.sparse import SparseBatch

__all__ = ["Load"]

# A chunk becomes a segment. Two chunks are in memory at once, one that fills, one that is
# built; 262,144 documents of 128 weights are 128 MiB.
_CHUNK_DOCUMENTS = 262_144
_CHUNK_BYTES = 256 << 20
# Of a build: while one window is written, the next is made.
_THREADS = 2


class _Chunk:
    """Documents that will be one segment."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[Packed] = []
        self.columns: list[Columns] = []
        self.counts: list[int] = []
        self.payloads: dict[int, bytes] = {}
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self.names) >= _CHUNK_DOCUMENTS or self.bytes >= _CHUNK_BYTES


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
        self._chunk = _Chunk()
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
        self._take(ids, pack(rows, wide=self._settings.is_wide))
        self._take_payloads(documents)
        if self._settings.fields:
            self._chunk.columns.append(columns.encode(self._settings.fields, fields))
        self.loaded += len(ids)
        if self._chunk.is_full:
            self._build()

    def _take(self, ids: Sequence[str], rows: Packed) -> None:
        chunk = self._chunk
        chunk.names += ids
        chunk.rows.append(rows)
        chunk.counts.append(len(ids))
        chunk.bytes += len(rows.data)

    def _take_payloads(self, documents: Sequence[Document]) -> None:
        first = len(self._chunk.names) - len(documents)
        for number, document in enumerate(documents, first):
            if stored := payload.encode(document, store_text=self._settings.store_text):
                self._chunk.payloads[number] = stored

    def _build(self) -> None:
        """Start building the chunk, once the one before is done."""
        self._wait()
        chunk, self._chunk = self._chunk, _Chunk()
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

    def _store(self, chunk: _Chunk) -> None:
        """Segment file, fsync, rename, fsync folder, one transaction, publish."""
        with self._keeper.empty_buffer(), self._writer.alone() as snapshot:
            kept = _last_of_each(chunk.names)
            batch = self._batch(chunk, kept)
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

    def _batch(self, chunk: _Chunk, kept: Sequence[int]) -> Batch:
        first, fields = self._writer.next_seq, self._settings.fields
        batch = Batch(
            np.arange(first, first + len(chunk.names), dtype=np.int64),
            Ids.of(chunk.names),
            Packed.concatenate(chunk.rows),
            columns.concatenate(fields, chunk.columns, chunk.counts) if fields else {},
        )
        chunk.rows.clear()
        return batch if len(kept) == len(batch) else batch.take(np.array(kept, np.int64), fields)

    def _stored(self, chunk: _Chunk, kept: Sequence[int], batch: Batch) -> Stored:
        seqs = batch.seqs.tolist()
        payloads = [
            (seq, chunk.payloads[number])
            for seq, number in zip(seqs, kept, strict=True)
            if number in chunk.payloads
        ]
        return Stored(
            seqs[0], seqs[-1], b"", payloads, self._writer.bundle_change(seqs[0], self._bundle_id)
        )


def _last_of_each(names: Sequence[str]) -> Sequence[int]:
    """The positions of the last of each name, rising."""
    last = {name: number for number, name in enumerate(names)}
    return range(len(names)) if len(last) == len(names) else sorted(last.values())
