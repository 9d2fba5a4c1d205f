"""The hits of a query as columns, and their ids, which are read all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spladed.index.kernels import names as kernels
from spladed.index.snapshot import Part
from spladed.index.values import Document, Hit

__all__ = ["Names", "Ranked", "names"]

_Numbers = npt.NDArray[np.int64]

# Half of what `Hit(...)` takes, and a query may have ten thousand.
_hit = partial(tuple.__new__, Hit)


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Ids in UTF-8, end to end, a NUL behind each.

    starts: int64 [n + 1], where each starts
    """

    utf8: bytes
    starts: _Numbers

    def __len__(self) -> int:
        return len(self.starts) - 1

    def ids(self) -> list[str]:
        """As strings."""
        ids = self.utf8[:-1].decode().split("\0")
        return ids if len(ids) == len(self) else [each.decode() for each in self._cut()]

    def encoded(self) -> list[bytes]:
        """Each in UTF-8."""
        ids = self.utf8[:-1].split(b"\0")
        return ids if len(ids) == len(self) else self._cut()

    def _cut(self) -> list[bytes]:
        """One by one, which takes three times as long, where an id has a NUL in it."""
        return [self.utf8[start : stop - 1] for start, stop in pairwise(self.starts.tolist())]


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The hits of one query, best first.

    scores:    float64 [n]
    documents: where they were asked for
    """

    names: Names
    scores: npt.NDArray[np.float64]
    documents: Sequence[Document] | None = None

    def hits(self) -> list[Hit]:
        """One by one."""
        documents = self.documents or [None] * len(self.scores)
        columns = self.names.ids(), self.scores.tolist(), documents
        return list(map(_hit, zip(*columns, strict=True)))


def names(parts: Sequence[Part], places: _Numbers) -> Names:
    """The ids of the documents at these places (part << 32 | row), in that order."""
    starts = np.zeros(len(places) + 1, np.int64)
    found = [
        (number, parts[number].segment.container)
        for number in np.flatnonzero(np.bincount(places >> kernels.ROW_BITS)).tolist()
    ]
    for number, sections in found:
        kernels.measure(places, number, sections["id_starts"], starts)
    np.cumsum(starts, out=starts)
    utf8 = np.empty(starts[-1], np.uint8)
    for number, sections in found:
        kernels.copy(places, number, sections["ids"], sections["id_starts"], starts, utf8)
    return Names(utf8.tobytes(), starts)
