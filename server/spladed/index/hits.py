"""The hits of a query as columns, and their ids, which are read all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.ids import gather_bytes
from spladed.index.snapshot import Snapshot
from spladed.index.values import Document, Hit

__all__ = ["Names", "Ranked", "names"]

_Numbers = npt.NDArray[np.int64]

# Half of what `Hit(...)` takes, and a query may have ten thousand.
_hit = partial(tuple.__new__, Hit)


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Ids as they are stored: id i is the UTF-8 in `blob[starts[i]:starts[i + 1]]`.

    blob: uint8; starts: int64 [n + 1]
    """

    blob: npt.NDArray[np.uint8]
    starts: _Numbers

    def ids(self) -> list[str]:
        """As strings."""
        raw, starts = self.blob.tobytes(), self.starts.tolist()
        if not raw.isascii():
            return [raw[start:stop].decode() for start, stop in pairwise(starts)]
        text = raw.decode("ascii")
        return [text[start:stop] for start, stop in pairwise(starts)]


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


def names(snapshot: Snapshot, parts: _Numbers, rows: _Numbers) -> Names:
    """The ids of the documents in these rows of these parts, in the order named."""
    found = np.flatnonzero(np.bincount(parts)).tolist()
    if len(found) == 1:
        return _of_part(snapshot, found[0], rows)
    positions = [np.flatnonzero(parts == number) for number in found]
    pieces = [
        _of_part(snapshot, number, rows[mine])
        for number, mine in zip(found, positions, strict=True)
    ]
    order = np.empty(len(parts), np.int64)
    order[_joined(positions, np.int64)] = np.arange(len(parts))
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(_joined([np.diff(piece.starts) for piece in pieces], np.int64), out=starts[1:])
    blob = _joined([piece.blob for piece in pieces], np.uint8)
    return Names(*gather_bytes(blob, starts, order))


def _of_part(snapshot: Snapshot, number: int, rows: _Numbers) -> Names:
    ids = snapshot.parts[number].segment.container
    return Names(*gather_bytes(ids["ids"], ids["id_starts"], rows))


def _joined(arrays: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([*arrays, np.empty(0, dtype)])
