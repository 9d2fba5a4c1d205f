"""Stored rows: CSR whose weights are what the collection keeps for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Rows", "Weights"]

# uint16 in steps of 1/4096 (fixed16), or float32.
Weights = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Row i is `[indptr[i], indptr[i+1])`.

    indptr:  int64 [rows + 1]
    indices: int32 [nnz], rising strictly within a row
    weights: uint16 or float32 [nnz], above 0
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    weights: Weights

    @classmethod
    def of_lengths(cls, lengths: npt.NDArray[np.int64], *, floats: bool) -> Rows:
        """Rows of these numbers of terms, to be filled."""
        indptr = _indptr(lengths)
        nnz = int(indptr[-1])
        weights = np.empty(nnz, np.float32 if floats else np.uint16)
        return cls(indptr, np.empty(nnz, np.int32), weights)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """The number of stored weights."""
        return len(self.indices)

    @property
    def floats(self) -> bool:
        """Whether weights are float32."""
        return self.weights.dtype == np.float32

    def row(self, number: int) -> tuple[npt.NDArray[np.int32], Weights]:
        """Indices and weights of one row, as views."""
        start, stop = self.indptr[number], self.indptr[number + 1]
        return self.indices[start:stop], self.weights[start:stop]

    def one(self, number: int) -> Rows:
        """One row as rows, as a view."""
        indices, weights = self.row(number)
        return Rows(np.array([0, len(indices)], np.int64), indices, weights)

    def put(self, numbers: npt.NDArray[np.int64], rows: Rows) -> None:
        """Write these rows in the places of rows of the same lengths."""
        lengths = np.diff(rows.indptr)
        places = np.arange(rows.nnz) + np.repeat(self.indptr[numbers] - rows.indptr[:-1], lengths)
        self.indices[places], self.weights[places] = rows.indices, rows.weights

    def where(self, keep: npt.NDArray[np.bool_]) -> Rows:
        """The weights for which `keep [nnz]` is true; no row is lost, one may become empty."""
        kept_before = np.zeros(len(keep) + 1, np.int64)
        np.cumsum(keep, out=kept_before[1:])
        return Rows(kept_before[self.indptr], self.indices[keep], self.weights[keep])


def _indptr(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr
