"""What one read sees: a snapshot, and if it needs texts the catalog at the same write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spladed.index import grid, search
from spladed.index.catalog import Reading
from spladed.index.snapshot import Place, Snapshot
from spladed.index.values import Document, Hit
from spladed.sparse import SparseBatch

__all__ = ["View"]


@dataclass(frozen=True, slots=True)
class View:
    """Reads answer from here; without `reading`, a Document has only its id."""

    snapshot: Snapshot
    reading: Reading | None = None

    def documents(self, places: Sequence[Place]) -> list[Document]:
        """The documents there, in order."""
        if self.reading is not None:
            return self.reading.documents(self.snapshot.seq(place) for place in places)
        return [Document(self._id(place)) for place in places]

    def nnz(self, place: Place) -> int:
        """How many weights the document there has."""
        indptr = self.snapshot.parts[place[0]].segment.rows.indptr
        return int(indptr[place[1] + 1] - indptr[place[1]])

    def vectors(self, places: Sequence[Place]) -> SparseBatch:
        """The stored numbers there, one row a place."""
        parts = self.snapshot.parts
        stored = (parts[number].segment.rows.row(row) for number, row in places)
        rows = [(terms, grid.numbers(weights)) for terms, weights in stored]
        return SparseBatch.from_rows(self.snapshot.dimension, rows)

    def hits(self, query: SparseBatch, k: int) -> list[Hit]:
        """The k best for a query of one row, with documents if this view reads them."""
        best = search.top(self.snapshot, query, k)
        if self.reading is None:
            return [Hit(self._id(place), score) for score, place in best]
        documents = self.documents([place for _, place in best])
        scored = zip(documents, best, strict=True)
        return [Hit(document.id, score, document) for document, (score, _) in scored]

    def _id(self, place: Place) -> str:
        return self.snapshot.parts[place[0]].segment.ids[place[1]]
