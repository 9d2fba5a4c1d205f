"""The room's face: one collection, durable, exact, safe to call from any thread.

Long, since the room's promises stand here, each with its method.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from spladed.errors import Mismatch, NotFound, Unavailable
from spladed.index import commit, folder, grid
from spladed.index.blob import Batch
from spladed.index.catalog import CATALOG_NAME, Catalog
from spladed.index.check import (
    check_dimension,
    check_documents,
    check_ids,
    check_k,
    check_one_row,
)
from spladed.index.commit import Added, Change
from spladed.index.explain import explain
from spladed.index.filter import Filter
from spladed.index.load import load
from spladed.index.lock import FolderLock
from spladed.index.reached import Reached
from spladed.index.rows import Rows
from spladed.index.scan import Scan
from spladed.index.segment import Segment
from spladed.index.snapshot import Place, Snapshot
from spladed.index.values import (
    CollectionSettings,
    Document,
    Explanation,
    Found,
    Hit,
    Stats,
    WeightFormat,
)
from spladed.index.view import View
from spladed.sparse import SparseBatch

__all__ = [
    "Collection",
    "CollectionSettings",
    "Document",
    "Explanation",
    "Found",
    "Hit",
    "Stats",
    "WeightFormat",
]


class Collection:
    """Documents with sparse vectors in one folder; `create` or `open` makes one.

    Writes go one after another. Reads see the last acknowledged write and wait for none.
    After `close` every method raises Unavailable CLOSED.
    """

    def __init__(self, path: Path) -> None:
        """Use `create` or `open`."""
        self._path = path
        self._writing = threading.Lock()
        self._closed = False
        self._lock = _locked(path)
        try:
            self._catalog = Catalog(path / CATALOG_NAME)
            try:
                with self._catalog.reading() as reading:
                    self._snapshot = load(reading, self._catalog.settings, path.name)
                    self._next_seq = reading.next_seq()
            except BaseException:
                self._catalog.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        # Set while a commit is under way: what the catalog holds, should it be done already.
        self._upcoming = self._snapshot
        self._reached = Reached()

    @classmethod
    def create(cls, path: str | Path, settings: CollectionSettings) -> Self:
        """A new, empty collection in a folder of its own; durable on return.

        Raises AlreadyExists FOLDER_EXISTS, Unavailable FOLDER_NOT_WRITABLE.
        """
        path = Path(path)
        folder.make(path, lambda aside: Catalog.create(aside / CATALOG_NAME, settings))
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The collection in this folder, every vector's bytes checked.

        Raises NotFound COLLECTION, Unavailable FOLDER_HELD, Mismatch FORMAT_VERSION, Corrupt.
        """
        return cls(Path(path))

    def close(self) -> None:
        """Wait for the write under way, then let go of the files; closing twice is fine."""
        with self._writing:
            if not self._closed:
                self._closed = True
                self._catalog.close()
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._path.name

    @property
    def settings(self) -> CollectionSettings:
        """What it was made with."""
        return self._catalog.settings

    @property
    def generation(self) -> int:
        """How many writes changed it; reads that start now see at least this one."""
        return self._snapshot.generation

    def reached(self, generation: int) -> Future[None]:
        """Resolves once reads see this generation, which may be never; cancelling is fine."""
        future = self._reached.wait(generation)
        self._reached.publish(self.generation)
        return future

    def upsert(
        self, documents: Sequence[Document], vectors: SparseBatch, *, bundle_id: str = ""
    ) -> int:
        """Add these documents, replacing those of the same ids; all of them or none.

        Durable and visible on return, which gives the generation. No documents change
        nothing. Weights are rounded to the collection's grid.
        Raises InvalidInput LENGTHS, ID, DUPLICATE_ID, TEXT, WEIGHT_RANGE, VECTOR_*; Mismatch
        DIMENSION; Exhausted DISK_FULL; Unavailable STORAGE. Then nothing has changed.
        """
        check_dimension(vectors, self.settings.dimension, "vectors")
        check_documents(documents, vectors)
        rows = grid.to_grid(vectors.checked("vectors"), self.settings.weight_format)
        with self._writing:
            self._check_open()
            if not documents:
                return self.generation
            return self._replace(documents, rows, bundle_id)

    def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """(how many of these ids were there, generation); durable and visible on return.

        Unknown ids are fine, a repeated id counts once; where none was there nothing changes.
        """
        check_ids(ids)
        with self._writing:
            self._check_open()
            dead = self._snapshot.places(ids)
            if dead:
                self._commit(dead, None, self._snapshot.after(dead, None))
            return len(dead), self.generation

    def delete_kept(self, keep: Filter) -> tuple[int, int]:
        """Delete what this filter keeps; returns as `delete` does, durable and visible."""
        with self._writing:
            self._check_open()
            dead = list(self._snapshot.only(keep).live_after(-1))
            if dead:
                self._commit(dead, None, self._snapshot.after(dead, None))
            return len(dead), self.generation

    def get(
        self, ids: Sequence[str], *, with_vectors: bool = False, with_documents: bool = True
    ) -> Found:
        """The documents of these ids, in order of request, and the ids that are unknown.

        Vectors are the stored numbers, bit-equal on every call. Without `with_documents` a
        Document has only its id.
        """
        check_ids(ids)
        with self._view(with_documents) as view:
            found = [(id, view.snapshot.find(id)) for id in ids]
            places = [place for _, place in found if place is not None]
            documents = view.documents(places)
        missing = [id for id, place in found if place is None]
        vectors = view.vectors(places if with_vectors else [])
        return Found(documents, vectors, missing, view.snapshot.generation)

    def scan(
        self,
        after_seq: int = -1,
        *,
        keep: Filter | None = None,
        with_vectors: bool = False,
        with_documents: bool = True,
    ) -> Scan:
        """The documents beyond this seq, of those that the filter keeps; close what you get.

        A seq outlives restarts, and need not be that of a document which is still there.
        """
        view = self._view(with_documents, keep)
        return Scan(view, after_seq, with_vectors=with_vectors)

    def search(
        self,
        queries: SparseBatch,
        k: int,
        *,
        keep: Filter | None = None,
        with_documents: bool = False,
    ) -> tuple[list[list[Hit]], int]:
        """The k best documents of each query, and the generation that all of them saw.

        keep: only documents that this filter keeps are hits
        Exact: score falling, ties in the order of acceptance, none that scores 0. `queries`
        holds the invariants of SparseBatch (`checked`). Raises InvalidInput K, Mismatch
        DIMENSION.
        """
        check_k(k)
        check_dimension(queries, self.settings.dimension, "queries")
        with self._view(with_documents, keep) as view:
            rows = (queries.slice(row, row + 1) for row in range(len(queries)))
            hits = [view.hits(query, k) for query in rows]
        return hits, view.snapshot.generation

    def explain(self, query: SparseBatch, ids: Sequence[str]) -> list[Explanation]:
        """The terms that each of these documents shares with a query of one row.

        A score is bit-equal to search's. Raises NotFound DOCUMENT for the first unknown id.
        """
        check_dimension(query, self.settings.dimension, "query")
        check_one_row(query)
        check_ids(ids)
        with self._view(with_documents=False) as view:
            vectors = view.vectors([self._place(view.snapshot, id) for id in ids])
        return [explain(id, query, *vectors.row(row)) for row, id in enumerate(ids)]

    def stats(self) -> Stats:
        """What it holds now."""
        self._check_open()
        snapshot = self._snapshot
        return Stats(
            documents=len(snapshot),
            deleted=sum(part.dead_count for part in snapshot.parts),
            nnz=sum(part.live_nnz for part in snapshot.parts),
            generation=snapshot.generation,
            segments=len(snapshot.parts),
            memory_bytes=sum(part.segment.nbytes + part.dead.nbytes for part in snapshot.parts),
            disk_bytes=folder.size(self._path),
        )

    def _replace(self, documents: Sequence[Document], rows: Rows, bundle_id: str) -> int:
        seqs = np.arange(self._next_seq, self._next_seq + len(documents), dtype=np.int64)
        ids = [document.id for document in documents]
        segment = Segment.build(self.settings.dimension, seqs, ids, rows)
        dead = self._snapshot.places(ids)
        added = Added(documents, Batch(seqs, rows), bundle_id)
        self._commit(dead, added, self._snapshot.after(dead, segment))
        self._next_seq += len(documents)
        return self.generation

    def _commit(self, dead: Sequence[Place], added: Added | None, after: Snapshot) -> None:
        """Data, fsync, publish. Everything that can fail has happened before the commit."""
        dead_seqs = [self._snapshot.seq(place) for place in dead]
        self._upcoming = after
        with self._catalog.writing() as connection:  # ends in COMMIT, which ends in fsync
            commit.apply(connection, Change(after.generation, dead_seqs, added), self.settings)
        self._snapshot = after
        self._reached.publish(after.generation)

    @contextmanager
    def _view(self, with_documents: bool, keep: Filter | None = None) -> Iterator[View]:
        """What the filter keeps of the published snapshot, and if asked for the catalog as
        it was at that same write."""
        self._check_open()
        if not with_documents:
            yield View(_kept(self._snapshot, keep))
            return
        while True:
            with self._catalog.reading() as reading:
                snapshot = self._at(reading.generation)
                if snapshot is not None:
                    yield View(_kept(snapshot, keep), reading)
                    return
            # Writes went by between the two reads; a further try takes further writes.

    def _at(self, generation: int) -> Snapshot | None:
        """The snapshot of that write, if it is the published one or the one to come."""
        candidates = (self._snapshot, self._upcoming)
        return next((one for one in candidates if one.generation == generation), None)

    def _place(self, snapshot: Snapshot, id: str) -> Place:
        place = snapshot.find(id)
        if place is None:
            raise NotFound(
                f"collection {self.name} has no document {id!r}", reason="DOCUMENT", field="ids"
            )
        return place

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"collection {self.name} is closed", reason="CLOSED")


def _kept(snapshot: Snapshot, keep: Filter | None) -> Snapshot:
    return snapshot if keep is None else snapshot.only(keep)


def _locked(path: Path) -> FolderLock:
    if not path.is_dir():
        raise NotFound(f"there is no collection at {path}", reason="COLLECTION")
    if not (path / CATALOG_NAME).is_file():
        raise Mismatch(f"{path} has no {CATALOG_NAME}: no collection", reason="NOT_A_COLLECTION")
    return FolderLock(path)
