"""One pass over a collection by rising seq, a page at a time, all of one generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice

from spladed.index.filter import Filter
from spladed.index.snapshot import Place
from spladed.index.values import Document
from spladed.index.view import View
from spladed.sparse import SparseBatch

__all__ = ["Page", "Scan"]

# What a message spends on a document beside its contents: tags, lengths, an offset.
_OVERHEAD_BYTES = 32
# And on the value of a field: a time is two varints in two messages.
_VALUE_BYTES = 20
# Documents read at once: few enough to be small beside a page.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Row i of `vectors` is that of `documents[i]`, where vectors were asked for.

    last_seq: of the last document, where the next scan goes on; that of the scan's start if
              the page has no documents, which means that none are left
    """

    documents: list[Document]
    vectors: SparseBatch
    last_seq: int
    generation: int


class Scan:
    """Opens its view with the first page and holds it until `close`.

    What was deleted since then stays on the disk for as long. Not for two threads at once.
    """

    def __init__(
        self,
        view: AbstractContextManager[View],
        after_seq: int,
        *,
        keep: Filter | None,
        with_vectors: bool,
        with_documents: bool,
    ) -> None:
        self._opening: Callable[[], View] = lambda: self._held.enter_context(view)
        self._held = ExitStack()
        self._view: View | None = None
        self._entries: Iterator[tuple[Place, Document]] = iter(())
        self._ahead: tuple[Place, Document] | None = None
        self._last_seq = after_seq
        self._keep = keep
        self._with_vectors, self._with_documents = with_vectors, with_documents

    def page(self, *, max_documents: int, max_bytes: int) -> Page:
        """The next documents: as many as stay within both bounds, but at least one.

        max_bytes: of ids, texts and metadata in UTF-8, and 8 a weight where vectors come
        """
        view = self._opened()
        taken: list[tuple[Place, Document]] = []
        while len(taken) < max_documents and (entry := self._next()) is not None:
            max_bytes -= self._size(view, *entry)
            if taken and max_bytes < 0:
                self._ahead = entry
                break
            taken.append(entry)
        places = [place for place, _ in taken]
        if places:
            self._last_seq = view.snapshot.seq(places[-1])
        vectors = view.vectors(places if self._with_vectors else [])
        documents = [document for _, document in taken]
        return Page(documents, vectors, self._last_seq, view.snapshot.generation)

    def close(self) -> None:
        """Lets the view go; closing twice is fine."""
        self._held.close()

    def _opened(self) -> View:
        if self._view is None:
            self._view = self._opening()
            allowed = self._view.allowed(self._keep)
            places = self._view.snapshot.places_after(self._last_seq, allowed)
            self._entries = self._read(self._view, places)
        return self._view

    def _read(self, view: View, places: Iterator[Place]) -> Iterator[tuple[Place, Document]]:
        while chunk := list(islice(places, _CHUNK)):
            yield from zip(chunk, view.documents(chunk, whole=self._with_documents), strict=True)

    def _next(self) -> tuple[Place, Document] | None:
        if self._ahead is not None:
            entry, self._ahead = self._ahead, None
            return entry
        return next(self._entries, None)

    def _size(self, view: View, place: Place, document: Document) -> int:
        values = [value for each in document.fields.values() for value in each]
        named = (*document.fields, *(value for value in values if isinstance(value, str)))
        contents = (document.id, document.text, document.metadata, *named)
        weights = view.nnz(place) if self._with_vectors else 0
        fixed = _OVERHEAD_BYTES + _VALUE_BYTES * len(values) + 8 * weights
        return fixed + sum(len(each.encode()) for each in contents)
