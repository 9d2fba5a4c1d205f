"""Sets of rows as bitmaps: uint64 [ceil(n / 64)], row r is bit r & 63 of word r >> 6.

Bits from n on are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bits", "every", "has", "inverted", "of_rows", "pack", "rows_of", "unpack", "words_of"]

Bits = npt.NDArray[np.uint64]


def words_of(n: int) -> int:
    """How many words hold n bits."""
    return (n + 63) >> 6


def every(n: int) -> Bits:
    """All rows of n."""
    return inverted(np.zeros(words_of(n), np.uint64), n)


def rows_of(bits: Bits, n: int) -> npt.NDArray[np.int64]:
    """The rows in the set, rising."""
    return np.flatnonzero(unpack(bits, n))


def pack(flags: npt.NDArray[np.bool_]) -> Bits:
    """The rows where `flags` [n] is true."""
    packed = np.zeros(words_of(len(flags)) * 8, np.uint8)
    packed[: (len(flags) + 7) >> 3] = np.packbits(flags, bitorder="little")
    return packed.view("<u8")


def unpack(bits: Bits, n: int) -> npt.NDArray[np.bool_]:
    """bool [n], true for the rows in the set."""
    return np.unpackbits(bits.view(np.uint8), count=n, bitorder="little").view(np.bool_)


def has(bits: Bits, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether each of these rows is in the set."""
    places = rows.astype(np.uint64) & np.uint64(63)
    return ((bits[rows >> 6] >> places) & np.uint64(1)).astype(np.bool_)


def of_rows(rows: npt.NDArray[Any], n: int) -> Bits:
    """The set of these rows, in any order, of n."""
    flags = np.zeros(n, np.bool_)
    flags[rows] = True
    return pack(flags)


def inverted(bits: Bits, n: int) -> Bits:
    """Every row of n that is not in the set."""
    turned = ~bits
    if n & 63:
        turned[-1] &= np.uint64((1 << (n & 63)) - 1)
    return turned
