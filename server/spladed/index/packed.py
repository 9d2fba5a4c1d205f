"""Packed rows: the bytes that a window's rows are in a segment (see `kernels.build`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index.kernels import build as kernels
from spladed.index.rows import Rows, Weights

__all__ = ["Packed", "by_type", "pack", "starts_of"]

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Row i is `data[starts[i]:starts[i+1]]`.

    data:   uint8
    starts: uint32 [rows + 1]
    wide, floats: terms of 32 bits, weights of 32 bits
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.uint32]
    wide: bool
    floats: bool

    def counts(self) -> _Numbers:
        """How many terms each row has."""
        size = (4 if self.wide else 2) + (4 if self.floats else 2)
        return np.diff(self.starts.astype(np.int64)) // size

    def unpacked(self) -> Rows:
        """The same rows as arrays."""
        rows = Rows.of_lengths(self.counts(), floats=self.floats)
        steps, numbers = by_type(rows.weights)
        kernels.unpack(
            self.data, self.starts, self.wide, self.floats, rows.indptr[:-1],
            rows.indices, steps, numbers,
        )  # fmt: skip
        return rows


def pack(rows: Rows, numbers: _Numbers, *, wide: bool) -> Packed:
    """These rows of some, in the order named."""
    floats = rows.weights.dtype == np.float32
    lengths = np.diff(rows.indptr)[numbers]
    starts = starts_of(kernels.packed_bytes(lengths, wide, floats))
    data = np.zeros(int(starts[-1]), np.uint8)
    steps, values = by_type(rows.weights)
    kernels.pack(rows.indptr, rows.indices, steps, values, numbers, starts, wide, floats, data)
    return Packed(data, starts, wide, floats)


def starts_of(sizes: _Numbers) -> npt.NDArray[np.uint32]:
    """Where rows of these bytes start and end."""
    starts = np.zeros(len(sizes) + 1, np.uint32)
    np.cumsum(sizes, out=starts[1:])
    return starts


def by_type(weights: Weights) -> tuple[Weights, Weights]:
    """(steps uint16, numbers float32), of which one is the weights and one is empty."""
    if weights.dtype == np.uint16:
        return weights, np.empty(0, np.float32)
    return np.empty(0, np.uint16), weights
