"""Documents as arrays, on their way into a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spladed.index import columns
from spladed.index.ids import Ids
from spladed.index.packed import Packed
from spladed.index.values import Field

__all__ = ["Batch", "Source"]

Columns = Mapping[str, npt.NDArray[Any]]


class Source(Protocol):
    """Documents by rising seq, whose rows are read when they are needed.

    seqs: int64 [n], rising; columns: of declared fields, as `columns.encode` makes them
    """

    @property
    def seqs(self) -> npt.NDArray[np.int64]:
        """The seq of each document."""
        ...

    @property
    def ids(self) -> Ids:
        """The id of each document."""
        ...

    @property
    def columns(self) -> Columns:
        """The columns of declared fields."""
        ...

    def lengths(self) -> npt.NDArray[np.int64]:
        """How many terms each document has, int64 [n]."""
        ...

    def keys(self) -> npt.NDArray[np.uint64]:
        """The sort key of each document (`kernels.build.sort_keys`), uint64 [n]."""
        ...

    def packed(self, numbers: npt.NDArray[np.int64]) -> Packed:
        """The rows of these documents, in the order named."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A Source in memory; `whole` has the row of every document."""

    seqs: npt.NDArray[np.int64]
    ids: Ids
    whole: Packed
    columns: Columns

    def __len__(self) -> int:
        return len(self.seqs)

    def take(self, numbers: npt.NDArray[np.int64], fields: Sequence[Field]) -> Batch:
        """These documents, in the order named, which is that of their seqs."""
        return Batch(
            self.seqs[numbers],
            self.ids.take(numbers),
            self.whole.take(numbers),
            columns.take(fields, self.columns, numbers),
        )

    def lengths(self) -> npt.NDArray[np.int64]:
        """How many terms each document has."""
        return self.whole.lengths()

    def keys(self) -> npt.NDArray[np.uint64]:
        """The sort key of each document."""
        return self.whole.keys()

    def packed(self, numbers: npt.NDArray[np.int64]) -> Packed:
        """The rows of these documents, in the order named."""
        return self.whole.take(numbers)
