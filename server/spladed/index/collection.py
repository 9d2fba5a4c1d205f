"""The room's face: one collection, durable, exact, safe to call from any thread.

Long, since the room's promises stand here, each with its method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from spladed.errors import Mismatch, NotFound, SpladedError, Unavailable
from spladed.index import backup, bits, columns, folder, grid, payload
from spladed.index.answers import Answers
from spladed.index.backup import BackedUp
from spladed.index.catalog import CATALOG_NAME, Catalog, settle
from spladed.index.check import check_dimension, check_documents, check_ids, check_threads
from spladed.index.draft import Delete, Upsert
from spladed.index.files import sweep
from spladed.index.filter import Filter
from spladed.index.follower import Follower
from spladed.index.hits import Ranked
from spladed.index.ids import Ids
from spladed.index.load import load
from spladed.index.loader import Load
from spladed.index.lock import FolderLock
from spladed.index.masks import Masks
from spladed.index.packed import pack
from spladed.index.pins import Pins
from spladed.index.scan import Scan
from spladed.index.settings import check_settings
from spladed.index.snapshot import Snapshot
from spladed.index.stats import stats_of
from spladed.index.upkeep import Keeper, Upkeep
from spladed.index.values import (
    CollectionSettings,
    Compacted,
    Document,
    Explanation,
    Field,
    Found,
    Hit,
    Scoring,
    Stats,
    WeightFormat,
)
from spladed.index.view import Origin, View
from spladed.index.writer import Writer
from spladed.sparse import SparseBatch

__all__ = [
    "Collection",
    "CollectionSettings",
    "Document",
    "Explanation",
    "Field",
    "Found",
    "Hit",
    "Scoring",
    "Stats",
    "Upkeep",
    "WeightFormat",
]

T = TypeVar("T")


class Collection:
    """Documents with sparse vectors in one folder; `create` or `open` makes one.

    >>> folder = getfixture("tmp_path")
    >>> from spladed import Collection, SparseBatch
    >>> from spladed.index import CollectionSettings, Document, Field
    >>> settings = CollectionSettings(dimension=1_000, fields=(Field("year", "integer"),))
    >>> animals = Collection.create(folder / "animals", settings)
    >>> rows = SparseBatch.from_rows(1_000, [([3, 17], [1.5, 0.5]), ([17], [2.0])])
    >>> animals.upsert([Document("fox", fields={"year": (2019,)}), Document("dog")], rows)
    1
    >>> query = SparseBatch.from_rows(1_000, [([17], [1.0])])
    >>> [(hit.id, hit.score) for hit in animals.search(query, k=10)[0][0]]
    [('dog', 2.0), ('fox', 0.5)]

    Filters keep documents by their declared fields and ids:

    >>> from spladed.index.filter import Range
    >>> [hit.id for hit in animals.search(query, 10, keep=Range("year", at_least=2000))[0][0]]
    ['fox']

    A score is a sum that can be asked for, and rows come back as they were stored:

    >>> animals.explain(query, ["dog"])[0].terms[0].contribution
    2.0
    >>> animals.get(["fox"], with_vectors=True).vectors.values.tolist()
    [1.5, 0.5]

    A snapshot sees what was there when it was taken:

    >>> with animals.snapshot() as before:
    ...     animals.delete(["dog"])
    ...     len(before), animals.stats().documents
    (1, 2)
    (2, 1)
    >>> animals.close()
    >>> with Collection.open(folder / "animals") as again:
    ...     again.stats().documents
    1

    Writes go one group after another. Reads see the last acknowledged write and wait for
    none. After `close` every method raises Unavailable CLOSED.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, upkeep: Upkeep | None = None
    ) -> None:
        """Use `create` or `open`."""
        _check_folder(path)
        self._path = path
        self._closed = False
        self._lock = None if read_only else FolderLock(path)
        try:
            if not read_only:
                settle(path / CATALOG_NAME)
            self._catalog = Catalog(path / CATALOG_NAME, read_only=read_only)
            self._origin = Origin(path.name, self._catalog.settings, Masks())
            try:
                self._follower = Follower(path, self._catalog) if read_only else None
                if not read_only:
                    self._start_writing(upkeep or Upkeep())
            except BaseException:
                self._catalog.close()
                raise
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def _start_writing(self, upkeep: Upkeep) -> None:
        with self._catalog.reading() as reading:
            snapshot = load(self._path, reading, self._catalog.settings)
            sweep(self._path, [row.name for row in reading.segments()])
        self._writer = Writer(self._catalog, snapshot, self.name)
        self._pins = Pins(lambda: self._writer.snapshot)
        self._keeper = Keeper(self._path, self._catalog, self._writer, self._pins, upkeep)

    @classmethod
    def create(
        cls, path: str | Path, settings: CollectionSettings, *, upkeep: Upkeep | None = None
    ) -> Self:
        """A new, empty collection in a folder of its own; durable on return.

        Raises InvalidInput FIELD_DECLARATION, SCORING; AlreadyExists FOLDER_EXISTS;
        Unavailable FOLDER_NOT_WRITABLE.
        """
        check_settings(settings)
        path = Path(path)
        folder.make(path, lambda aside: Catalog.create(aside / CATALOG_NAME, settings))
        return cls._made(path, upkeep)

    @classmethod
    def open(
        cls, path: str | Path, *, read_only: bool = False, upkeep: Upkeep | None = None
    ) -> Self:
        """The collection in this folder; files are mapped, what is followed is checked.

        read_only: beside the process that writes it, whose acknowledged writes are seen as
                   they come; what writes raises Mismatch READ_ONLY
        Raises NotFound COLLECTION, Unavailable FOLDER_HELD, Mismatch FORMAT_VERSION, Corrupt.
        """
        path = Path(path)
        if not read_only and path.is_dir():
            folder.settle(path)
        return cls(path, read_only=read_only, upkeep=upkeep)

    @classmethod
    def restore(cls, source: str | Path, path: str | Path) -> Self:
        """A backup as a collection in a folder of its own, every byte checked; durable on
        return.

        Raises NotFound COLLECTION, AlreadyExists FOLDER_EXISTS, Corrupt, Exhausted DISK_FULL.
        """
        backup.restore(Path(source), Path(path))
        return cls._made(Path(path), None)

    @classmethod
    def _made(cls, path: Path, upkeep: Upkeep | None) -> Self:
        """The collection in a folder that was just made; without it there is no folder."""
        try:
            return cls(path, upkeep=upkeep)
        except BaseException:
            with suppress(SpladedError):
                folder.remove(path)
            raise

    def close(self) -> None:
        """Wait for the write under way, then let go of the files; closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        if self._follower is None:
            self._keeper.close()
            self._writer.close()
        self._catalog.close()
        if self._lock is not None:
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
        if self._follower is None:
            return self._writer.snapshot.generation
        with self._view() as view:
            return view.generation

    def reached(self, generation: int) -> Future[None]:
        """Resolves once reads see this generation, which may be never; cancelling is fine."""
        writer = self._writing()
        future = writer.reached.wait(generation)
        writer.reached.publish(writer.snapshot.generation)
        return future

    def upsert(
        self, documents: Sequence[Document], vectors: SparseBatch, *, bundle_id: str = ""
    ) -> int:
        """Add these documents, replacing those of the same ids; all of them or none.

        Durable and visible on return, which gives the generation. No documents change
        nothing. Weights are rounded to the collection's grid.
        Raises InvalidInput LENGTHS, ID, DUPLICATE_ID, TEXT, FIELD_*, WEIGHT_RANGE, VECTOR_*;
        Mismatch DIMENSION; Exhausted DISK_FULL, WRITES_AHEAD; Unavailable STORAGE. Then
        nothing has changed.
        """
        writer = self._writing()
        check_dimension(vectors, self.settings.dimension, "vectors")
        fields = check_documents(documents, vectors, self.settings.fields)
        rows = pack(
            grid.to_grid(vectors.checked("vectors"), self.settings.weight_format),
            wide=self.settings.is_wide,
        )
        if not documents:
            return self.generation
        self._keeper.admit()
        names = [document.id for document in documents]
        store_text = self.settings.store_text
        write = Upsert(
            names,
            Ids.of(names),
            rows,
            columns.encode(self.settings.fields, fields),
            [payload.encode(document, store_text=store_text) for document in documents],
            bundle_id,
        )
        _, generation = writer.submit(write)
        self._keeper.notify()
        return generation

    def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """(how many of these ids were there, generation); durable and visible on return.

        Unknown ids are fine, a repeated id counts once; where none was there nothing changes.
        """
        writer = self._writing()
        check_ids(ids)
        names = list(dict.fromkeys(ids))
        deleted = writer.submit(Delete(names, Ids.of(names)))
        self._keeper.notify()
        return deleted

    def delete_kept(self, keep: Filter) -> tuple[int, int]:
        """Delete what this filter keeps; returns as `delete` does, durable and visible."""
        deleted = self._writing().delete_rows(
            lambda snapshot: [
                bits.rows_of(allowed, part.segment.documents)
                for part, allowed in zip(
                    snapshot.parts, self._on(snapshot).allowed(keep), strict=True
                )
            ]
        )
        self._keeper.notify()
        return deleted

    def load(self, *, bundle_id: str = "") -> Load:
        """A context that takes any number of documents straight into segment files.

        Much faster than `upsert` for many, and not all or nothing: what `Load.durable` counts
        is durable and visible, whatever happens then. Other writes wait while a segment is
        being built, a compaction or another load until the block ends: none within it.
        """
        self._writing()
        return Load(self._path, self._catalog, self._writer, self._keeper, bundle_id)

    def get(
        self, ids: Sequence[str], *, with_vectors: bool = False, with_documents: bool = True
    ) -> Found:
        """The documents of these ids, in order of request, and the ids that are unknown.

        Vectors are the stored numbers, bit-equal on every call. Without `with_documents` a
        Document has only its id.
        """
        with self._view() as view:
            return view.get(ids, with_vectors=with_vectors, with_documents=with_documents)

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
        self._check_open()
        return Scan(
            self._view(),
            after_seq,
            keep=keep,
            with_vectors=with_vectors,
            with_documents=with_documents,
        )

    def search(
        self,
        queries: SparseBatch,
        k: int,
        *,
        keep: Filter | None = None,
        effort: float = 1.0,
        threads: int = 1,
        with_documents: bool = False,
    ) -> tuple[list[list[Hit]], int]:
        """The k best documents of each query, and the generation that all of them saw.

        keep:    only documents that this filter keeps are hits
        effort:  from 0 (fastest, may miss hits) to 1 (exact)
        threads: how many may share the queries, this one among them; one takes a query alone
        Score falling, ties in the order of acceptance, none that scores 0. `queries` holds the
        invariants of SparseBatch (`checked`). Raises InvalidInput K, EFFORT, THREADS, FILTER,
        FIELD, FIELD_TYPE; Mismatch DIMENSION.
        """
        check_threads(threads)
        asked = {"keep": keep, "effort": effort, "with_documents": with_documents}
        if min(threads, len(queries)) > 1:
            answers = self.answers(queries, k, **asked, made=Ranked.hits)
            return answers.finish(threads), answers.generation
        with self._view() as view:
            return view.search(queries, k, **asked), view.generation

    def answers(
        self,
        queries: SparseBatch,
        k: int,
        *,
        keep: Filter | None,
        effort: float,
        with_documents: bool,
        made: Callable[[Ranked], T],
    ) -> Answers[T]:
        """A search for whichever threads work on it; `made` is made of each query's hits."""
        ask = partial(
            View.ask, queries=queries, k=k, keep=keep, effort=effort, with_documents=with_documents
        )
        return Answers(len(queries), self._view(), ask, made)

    def explain(self, query: SparseBatch, ids: Sequence[str]) -> list[Explanation]:
        """The terms that each of these documents shares with a query of one row.

        A score is bit-equal to search's. Raises NotFound DOCUMENT for the first unknown id.
        """
        with self._view() as view:
            return view.explain(query, ids)

    def snapshot(self) -> AbstractContextManager[View]:
        """The documents as they are now, for as long as the context is open.

        It has `get`, `search`, `explain` and `len`, which all see this one generation.
        """
        return self._view()

    def stats(self) -> Stats:
        """What it holds now."""
        with self._view() as view:
            is_writer = self._follower is None
            buffered = self._writer.buffered[0] if is_writer else 0
            due = self._keeper.merges_due if is_writer else 0
            return stats_of(view.snapshot, buffered, due, self._origin.masks, self._path)

    def flush(self) -> int:
        """Put what is in memory into a segment file; the generation, which does not change.

        Nothing is safer for it: what was acknowledged is durable anyway.
        """
        self._writing()
        self._keeper.flush()
        return self.generation

    def compact(self) -> Compacted:
        """Merge all segments into one and give the room of dead documents back."""
        self._writing()
        before = folder.size(self._path)
        self._keeper.compact()
        return Compacted(self.generation, before, folder.size(self._path))

    def backup(self, destination: str | Path) -> BackedUp:
        """A copy of one generation in a folder of its own, complete and durable on return;
        reads and writes go on meanwhile.

        Raises AlreadyExists FOLDER_EXISTS, Exhausted DISK_FULL, Unavailable STORAGE, Corrupt.
        """
        self._writing()
        with self._keeper.keep_files():
            return backup.copy(self._path, self._catalog, Path(destination))

    @contextmanager
    def _view(self) -> Iterator[View]:
        """The present documents, whole for as long as the block runs."""
        self._check_open()
        if self._follower is not None:
            with self._follower.view() as (snapshot, reading):
                yield View(snapshot, self._origin, reading.payloads)
            return
        with self._pins.hold() as snapshot:
            yield self._on(snapshot)

    def _on(self, snapshot: Snapshot) -> View:
        return View(snapshot, self._origin, self._payloads)

    def _payloads(self, seqs: Sequence[int]) -> list[bytes | None]:
        with self._catalog.reading() as reading:
            return reading.payloads(seqs)

    def _writing(self) -> Writer:
        self._check_open()
        if self._follower is not None:
            raise Mismatch(
                f"collection {self.name} is open to be read; write through the process that "
                "holds it, or open it without read_only",
                reason="READ_ONLY",
            )
        return self._writer

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"collection {self.name} is closed", reason="CLOSED")


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        raise NotFound(f"there is no collection at {path}", reason="COLLECTION")
    if not (path / CATALOG_NAME).is_file():
        raise Mismatch(f"{path} has no {CATALOG_NAME}: no collection", reason="NOT_A_COLLECTION")
