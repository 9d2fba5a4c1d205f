"""What one read sees: a snapshot, and the payloads beside its rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.errors import NotFound
from spladed.index import columns, explain, grid, payload, search
from spladed.index.bits import Bits
from spladed.index.check import (
    check_dimension,
    check_effort,
    check_ids,
    check_k,
    check_one_row,
)
from spladed.index.filter import Filter, checked
from spladed.index.hits import Ranked, names
from spladed.index.kernels.names import ROW_BITS
from spladed.index.masks import Masks
from spladed.index.rows import Rows
from spladed.index.snapshot import Part, Place, Snapshot
from spladed.index.union import shares_of
from spladed.index.values import CollectionSettings, Document, Explanation, Found, Hit, Value
from spladed.sparse import SparseBatch

__all__ = ["Asked", "Origin", "Payloads", "View"]

# The payload of each seq, None where there is none.
Payloads = Callable[[Sequence[int]], list[bytes | None]]


@dataclass(frozen=True, slots=True)
class Origin:
    """What every view of a collection shares."""

    name: str
    settings: CollectionSettings
    masks: Masks


class View:
    """The documents of one generation; every method sees the same ones.

    Arguments and errors are those of Collection's methods.
    """

    def __init__(self, snapshot: Snapshot, origin: Origin, payloads: Payloads) -> None:
        self.snapshot = snapshot
        self._origin = origin
        self._settings = origin.settings
        self._payloads = payloads
        # Those of a follower come over one connection, whichever threads ask.
        self._reading = threading.Lock()

    @property
    def generation(self) -> int:
        """How many writes made what is seen."""
        return self.snapshot.generation

    def __len__(self) -> int:
        return len(self.snapshot)

    def get(
        self, ids: Sequence[str], *, with_vectors: bool = False, with_documents: bool = True
    ) -> Found:
        """The documents of these ids, in order of request, and the ids that are unknown."""
        check_ids(ids)
        found = list(zip(ids, self.snapshot.places(ids), strict=True))
        places = [place for _, place in found if place is not None]
        return Found(
            self.documents(places, whole=with_documents),
            self.vectors(places if with_vectors else []),
            [id for id, place in found if place is None],
            self.generation,
        )

    def search(
        self,
        queries: SparseBatch,
        k: int,
        *,
        keep: Filter | None = None,
        effort: float = 1.0,
        with_documents: bool = False,
    ) -> list[list[Hit]]:
        """The k best documents of each query."""
        asked = self.ask(queries, k, keep=keep, effort=effort, with_documents=with_documents)
        return [asked.ranked(number).hits() for number in range(len(queries))]

    def ask(
        self,
        queries: SparseBatch,
        k: int,
        *,
        keep: Filter | None,
        effort: float,
        with_documents: bool,
    ) -> Asked:
        """The queries of a search, checked and prepared."""
        check_k(k)
        check_effort(effort)
        check_dimension(queries, self._settings.dimension, "queries")
        how, allowed = self._settings.scoring, self.allowed(keep)
        prepared = search.Search(self.snapshot, allowed, queries, k, how, effort)
        return Asked(self, prepared, with_documents)

    def explain(self, query: SparseBatch, ids: Sequence[str]) -> list[Explanation]:
        """The terms that each of these documents shares with a query of one row."""
        check_dimension(query, self._settings.dimension, "query")
        check_one_row(query)
        check_ids(ids)
        rows = self._rows([self._place(id) for id in ids])
        how = self._settings.scoring
        return [explain.explain(id, query, rows.one(number), how) for number, id in enumerate(ids)]

    def allowed(self, keep: Filter | None) -> list[Bits]:
        """For each part the live rows that a filter keeps."""
        if keep is None:
            return [part.live for part in self.snapshot.parts]
        keep = checked(keep, self._settings.fields)
        return [self._kept(part, keep) for part in self.snapshot.parts]

    def documents(self, places: Sequence[Place], *, whole: bool) -> list[Document]:
        """The documents there, in order; with nothing but their ids unless `whole`."""
        ids = names(self.snapshot.parts, _numbers(places)).ids()
        if not whole:
            return [Document(id) for id in ids]
        with self._reading:
            payloads = self._payloads([self.snapshot.seq(place) for place in places])
        texts = [
            payload.decode(stored, f"{self._origin.name}, document {id!r}") if stored else ("", "")
            for id, stored in zip(ids, payloads, strict=True)
        ]
        together = zip(ids, texts, self._fields(places), strict=True)
        return [Document(id, text, metadata, fields) for id, (text, metadata), fields in together]

    def vectors(self, places: Sequence[Place]) -> SparseBatch:
        """The stored numbers there, one row a place."""
        return grid.vectors(self._rows(places), self._settings.dimension)

    def nnz(self, place: Place) -> int:
        """How many weights the document there has."""
        rows = np.array([place[1]], np.int64)
        return int(self.snapshot.parts[place[0]].segment.lengths(rows)[0])

    def _kept(self, part: Part, keep: Filter) -> Bits:
        mask = self._origin.masks.get(keep, part.segment)
        return part.live & mask if part.dead_count else mask

    def _rows(self, places: Sequence[Place]) -> Rows:
        """The stored rows there, put together in the order of places."""
        part, rows = np.array(places, np.int64).reshape(-1, 2).T
        shares = list(shares_of([each.segment for each in self.snapshot.parts], part))
        lengths = np.empty(len(places), np.int64)
        found = [segment.rows(rows[mine]) for segment, mine in shares]
        for (_, mine), share in zip(shares, found, strict=True):
            lengths[mine] = np.diff(share.indptr)
        whole = Rows.of_lengths(lengths, floats=self._settings.weight_format == "float32")
        for (_, mine), share in zip(shares, found, strict=True):
            whole.put(mine, share)
        return whole

    def _fields(self, places: Sequence[Place]) -> list[Mapping[str, tuple[Value, ...]]]:
        if not self._settings.fields:
            return [{} for _ in places]
        values: list[Mapping[str, tuple[Value, ...]]] = [{} for _ in places]
        for number, part in enumerate(self.snapshot.parts):
            mine = [position for position, place in enumerate(places) if place[0] == number]
            rows = np.array([places[position][1] for position in mine], np.int64)
            if mine:
                found = columns.values(self._settings.fields, part.segment.columns, rows)
                for position, each in zip(mine, found, strict=True):
                    values[position] = each
        return values

    def _place(self, id: str) -> Place:
        (place,) = self.snapshot.places([id])
        if place is None:
            raise NotFound(
                f"collection {self._origin.name} has no document {id!r}",
                reason="DOCUMENT",
                field="ids",
            )
        return place


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of a search, each answered on demand; threads may share it."""

    view: View
    search: search.Search
    with_documents: bool

    @property
    def generation(self) -> int:
        """What all of them see."""
        return self.view.generation

    def ranked(self, number: int) -> Ranked:
        """The hits of one query."""
        best = self.search.best(number)
        found = names(self.view.snapshot.parts, best.places)
        if not self.with_documents:
            return Ranked(found, best.scores)
        parts, rows = best.places >> ROW_BITS, best.places & ((1 << ROW_BITS) - 1)
        places = list(zip(parts.tolist(), rows.tolist(), strict=True))
        return Ranked(found, best.scores, self.view.documents(places, whole=True))


def _numbers(places: Sequence[Place]) -> npt.NDArray[np.int64]:
    """Each place as one number."""
    parts, rows = np.array(places, np.int64).reshape(-1, 2).T
    return parts << ROW_BITS | rows
