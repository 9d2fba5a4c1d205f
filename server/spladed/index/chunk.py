"""Documents that gather until they are one segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spladed.index import columns
from spladed.index.batch import Batch, Columns
from spladed.index.ids import Ids
from spladed.index.packed import Packed, pack_into, packed_sizes
from spladed.index.rows import Rows
from spladed.index.values import CollectionSettings, Value

__all__ = ["Chunk"]

# 262,144 documents of 128 weights are 128 MiB.
_MAX_DOCUMENTS = 262_144
_MAX_BYTES = 192 << 20


class Chunk:
    """Takes rows until it is full; they are packed where they will be read from.

    names:    the ids, in order of their coming
    payloads: what lies beside a row, by its number
    """

    def __init__(self, settings: CollectionSettings, room: int = 0) -> None:
        self._settings = settings
        self._data = np.empty(max(room, _MAX_BYTES), np.uint8)
        self._used = 0
        self._starts = [np.zeros(1, np.int64)]
        self._ids: list[Ids] = []
        self._columns: list[Columns] = []
        self.names: list[str] = []
        self.payloads: dict[int, bytes] = {}

    @property
    def is_full(self) -> bool:
        """Whether it is large enough to become a segment."""
        return len(self.names) >= _MAX_DOCUMENTS

    def has_room(self, rows: Rows) -> bool:
        """Whether these rows fit behind the ones it has."""
        sizes = packed_sizes(rows, wide=self._settings.is_wide)
        return self._used + int(sizes.sum()) <= len(self._data)

    @classmethod
    def for_rows(cls, settings: CollectionSettings, rows: Rows) -> Chunk:
        """An empty one that has room for these rows, however many they are."""
        size = int(packed_sizes(rows, wide=settings.is_wide).sum())
        return cls(settings, size)

    def add(
        self, ids: Sequence[str], rows: Rows, fields: Sequence[Mapping[str, tuple[Value, ...]]]
    ) -> None:
        """Take documents, for whose rows there is room."""
        settings = self._settings
        starts = self._used + np.cumsum([0, *packed_sizes(rows, wide=settings.is_wide)])
        pack_into(self._data, starts, rows, wide=settings.is_wide)
        self._used = int(starts[-1])
        self._starts.append(starts[1:])
        self._ids.append(Ids.of(ids))
        self.names += ids
        if settings.fields:
            self._columns.append(columns.encode(settings.fields, fields))

    def batch(self, first_seq: int) -> tuple[Batch, Sequence[int]]:
        """The documents with seqs from this one on, and their numbers here: of each id the
        last one that came."""
        count, fields = len(self.names), self._settings.fields
        starts = np.concatenate(self._starts)
        floats = self._settings.weight_format == "float32"
        rows = Packed(self._data[: starts[-1]], starts, self._settings.is_wide, floats)
        counts = [len(each) for each in self._ids]
        batch = Batch(
            np.arange(first_seq, first_seq + count, dtype=np.int64),
            Ids.concatenate(self._ids),
            rows,
            columns.concatenate(fields, self._columns, counts) if fields else {},
        )
        if len(set(self.names)) == count:
            return batch, range(count)
        last = sorted({name: number for number, name in enumerate(self.names)}.values())
        return batch.take(np.array(last, np.int64), fields), last

    def payloads_of(
        self, seqs: npt.NDArray[np.int64], numbers: Sequence[int]
    ) -> list[tuple[int, bytes]]:
        """(seq, payload) of the documents of these numbers that have one."""
        if not self.payloads:
            return []
        pairs = zip(seqs.tolist(), numbers, strict=True)
        return [(seq, self.payloads[number]) for seq, number in pairs if number in self.payloads]
