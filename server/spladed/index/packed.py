"""Packed rows: the bytes that a window's rows are in a segment (see `kernels.build`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index.kernels import build as kernels
from spladed.index.rows import Rows, Weights

__all__ = ["Packed", "bytes_a_weight", "pack", "pack_into", "packed_sizes", "unpack"]

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Row i is `data[starts[i]:starts[i+1]]`.

    data:   uint8
    starts: int64 [rows + 1]
    wide, floats: terms of 32 bits, weights of 32 bits
    """

    data: npt.NDArray[np.uint8]
    starts: _Numbers
    wide: bool
    floats: bool

    @classmethod
    def of_sizes(cls, sizes: _Numbers, *, wide: bool, floats: bool) -> Packed:
        """Rows of these bytes, to be filled."""
        starts = _starts_of(sizes)
        return cls(np.zeros(int(starts[-1]), np.uint8), starts, wide, floats)

    @classmethod
    def concatenate(cls, parts: Sequence[Packed]) -> Packed:
        """The rows of all parts, in order; at least one part, all of one kind."""
        if len(parts) == 1:
            return parts[0]
        sizes = np.concatenate([np.diff(part.starts) for part in parts])
        data = np.concatenate([part.data for part in parts])
        return cls(data, _starts_of(sizes), parts[0].wide, parts[0].floats)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self) -> _Numbers:
        """How many terms each row has."""
        return np.diff(self.starts) // bytes_a_weight(self.wide, self.floats)

    def keys(self) -> npt.NDArray[np.uint64]:
        """The sort key of each row."""
        sizes = np.diff(self.starts)
        return kernels.sort_keys(self.data, self.starts[:-1], sizes, self.wide, self.floats)

    def take(self, numbers: _Numbers) -> Packed:
        """The rows named, in the order named."""
        if len(numbers) == len(self) and np.array_equal(numbers, np.arange(len(self))):
            return self
        begins, sizes = self.starts[numbers], np.diff(self.starts)[numbers]
        taken = Packed.of_sizes(sizes, wide=self.wide, floats=self.floats)
        kernels.copy(self.data, begins, sizes, taken.starts[:-1], taken.data)
        return taken

    def unpacked(self) -> Rows:
        """The same rows as arrays."""
        return unpack(self.data, self.starts[:-1], np.diff(self.starts), self.wide, self.floats)


def pack(rows: Rows, *, wide: bool) -> Packed:
    """These rows, packed."""
    packed = Packed.of_sizes(packed_sizes(rows, wide=wide), wide=wide, floats=rows.floats)
    pack_into(packed.data, packed.starts, rows, wide=wide)
    return packed


def packed_sizes(rows: Rows, *, wide: bool) -> _Numbers:
    """How many bytes each of these rows takes."""
    return kernels.packed_bytes(np.diff(rows.indptr), wide, rows.floats)


def pack_into(data: npt.NDArray[np.uint8], starts: _Numbers, rows: Rows, *, wide: bool) -> None:
    """Write each row to `data` where it starts."""
    steps, values = _by_type(rows.weights)
    kernels.pack(rows.indptr, rows.indices, steps, values, starts, wide, rows.floats, data)


def unpack(
    data: npt.NDArray[np.uint8], begins: _Numbers, sizes: _Numbers, wide: bool, floats: bool
) -> Rows:
    """The packed rows of these bytes as arrays."""
    rows = Rows.of_lengths(sizes // bytes_a_weight(wide, floats), floats=floats)
    steps, numbers = _by_type(rows.weights)
    kernels.unpack(
        data, begins, sizes, wide, floats, rows.indptr[:-1], rows.indices, steps, numbers
    )
    return rows


def bytes_a_weight(wide: bool, floats: bool) -> int:
    """Of a packed row; a pad of two bytes is less than one weight."""
    return (4 if wide else 2) + (4 if floats else 2)


def _by_type(weights: Weights) -> tuple[Weights, Weights]:
    """(steps uint16, numbers float32), of which one is the weights and one is empty."""
    if weights.dtype == np.uint16:
        return weights, np.empty(0, np.float32)
    return np.empty(0, np.uint16), weights


def _starts_of(sizes: _Numbers) -> _Numbers:
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _starts(sizes: _Numbers) -> _Numbers:
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
