"""A batch of rows as bytes, and back. The layout stands in the room's docstring."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt
from spladed.index.grid import dtype_of
from spladed.index.rows import Rows
from spladed.index.values import WeightFormat

__all__ = ["Batch", "decode", "encode"]

_MAGIC = b"SPB1"
_HEADER = struct.Struct("<4s4xqq")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows and the seq of each: `seqs` int64 [rows], rising."""

    seqs: npt.NDArray[np.int64]
    rows: Rows

    def take(self, keep: npt.NDArray[np.int64]) -> Batch:
        """The rows named, in the order named."""
        return Batch(self.seqs[keep], self.rows.take(keep))


def encode(batch: Batch, weight_format: WeightFormat) -> bytes:
    """The batch as bytes."""
    rows = batch.rows
    arrays = (
        batch.seqs.astype("<i8"),
        rows.indptr.astype("<i8"),
        rows.indices.astype("<i4"),
        rows.weights.astype(dtype_of(weight_format)),
    )
    header = _HEADER.pack(_MAGIC, len(rows), rows.nnz)
    return b"".join((header, *(array.tobytes() for array in arrays)))


def decode(data: bytes, weight_format: WeightFormat) -> Batch:
    """The batch that these bytes stand for; its arrays are views of them.

    Raises Corrupt BLOB if the header and the length do not fit each other.
    """
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise Corrupt("a batch of rows does not start with SPB1", reason="BLOB")
    _, count, nnz = _HEADER.unpack_from(data)
    dtypes: list[np.dtype[Any]] = [np.dtype(name) for name in ("<i8", "<i8", "<i4")]
    dtypes.append(dtype_of(weight_format))
    sizes = (count, count + 1, nnz, nnz)
    lengths = [dtype.itemsize * size for dtype, size in zip(dtypes, sizes, strict=True)]
    if count < 0 or nnz < 0 or _HEADER.size + sum(lengths) != len(data):
        raise Corrupt(
            f"a batch of {count} rows and {nnz} weights is {len(data)} bytes long", reason="BLOB"
        )
    offsets = np.cumsum([_HEADER.size, *lengths]).tolist()
    seqs, indptr, indices, weights = (
        np.frombuffer(data, dtype, size, offset)
        for dtype, size, offset in zip(dtypes, sizes, offsets[:-1], strict=True)
    )
    return Batch(seqs, Rows(indptr, indices, weights))
