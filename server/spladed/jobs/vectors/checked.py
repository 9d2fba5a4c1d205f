"""Rows as files have them -> `SparseBatch`: sorted, without zeros, or refused by place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.jobs.vectors.chunk import CHUNK_ROWS, CHUNK_WEIGHTS
from spladed.sparse import MAX_WEIGHT, SparseBatch

__all__ = ["Place", "check_indptr", "checked", "cuts"]

Place = Callable[[int], str]  # the number of a row -> where it stands, for errors
_Numbers = npt.NDArray[Any]  # whatever the file has


def checked(
    dimension: int,
    indptr: npt.NDArray[np.int64],
    indices: _Numbers,
    values: _Numbers,
    *,
    place: Place,
    scale: float = 1.0,
) -> SparseBatch:
    """The rows, terms rising, weights divided by `scale` and rounded to float32, zeros dropped.

    indptr: int64 [rows + 1], rising from 0 to the length of both; indices: integers;
    values: numbers. The fast path reads each array a few times and sorts nothing.

    Raises InvalidInput VECTOR_INDEX_RANGE, VECTOR_INDEX_ORDER (a term twice in a row) or
    VECTOR_WEIGHT (negative, not finite, above MAX_WEIGHT), naming the place of the row.
    """
    if indices.dtype.itemsize < 4:  # as unsigned numbers of 16 bits -1 is no large term
        indices = indices.astype(np.int32)
    _check_range(dimension, indptr, indices, place)
    batch = SparseBatch(
        dimension, indptr, indices.astype(np.int32, copy=False), _weights(values, scale)
    )
    if not len(batch.indices):
        return batch
    if not _rises(batch).all():
        batch = _sorted(batch)
        _check_repeats(batch, place)
    least, most = batch.values.min(), batch.values.max()
    if not (least >= 0 and most <= MAX_WEIGHT):  # NaN comes through min and fails
        _refuse_weight(batch, place)
    return batch if least > 0 else _without_zeros(batch)


def cuts(
    indptr: npt.NDArray[np.int64], rows: int = CHUNK_ROWS, weights: int = CHUNK_WEIGHTS
) -> Iterator[tuple[int, int]]:
    """Row ranges [start, stop) in order, of at most so many rows and weights, or one row."""
    start, last = 0, len(indptr) - 1
    while start < last:
        fits = int(np.searchsorted(indptr, indptr[start] + weights, side="right")) - 1
        stop = min(max(fits, start + 1), start + rows, last)
        yield start, stop
        start = stop


def check_indptr(indptr: npt.NDArray[np.int64], weights: int, where: str) -> None:
    """Raises InvalidInput VECTOR_INDPTR unless it rises from 0 to the number of weights."""
    if not len(indptr) or indptr[0] != 0 or indptr[-1] != weights:
        ends = f"from {indptr[0]} to {indptr[-1]}" if len(indptr) else "nowhere"
        found = f"goes {ends}, with {weights} weights in the file"
    elif (falls := indptr[1:] < indptr[:-1]).any():
        row = int(np.argmax(falls))
        found = f"falls at row {row}, from {indptr[row]} to {indptr[row + 1]}"
    else:
        return
    raise InvalidInput(
        f"{where} {found}; expected offsets that start at 0, never fall and end at the number "
        "of weights: copy or make the file again",
        reason="VECTOR_INDPTR",
        field=where,
    )


def _check_range(
    dimension: int, indptr: npt.NDArray[np.int64], indices: _Numbers, place: Place
) -> None:
    # As unsigned numbers negative indices are large: one pass judges both ends.
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if not len(indices) or unsigned.max() < dimension:
        return
    position = int(np.argmax(unsigned >= dimension))
    where = place(_row_of(indptr, position))
    raise InvalidInput(
        f"{where} has term {indices[position]}; expected 0 to {dimension - 1}, as the collection "
        f"(or --dimension) has {dimension} terms",
        reason="VECTOR_INDEX_RANGE",
        field=where,
    )


def _weights(values: _Numbers, scale: float) -> npt.NDArray[np.float32]:
    if values.dtype == np.float32 and scale == 1:
        return values.astype(np.float32, copy=False)  # of the machine's byte order
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and refused
        return (values.astype(np.float64) / scale).astype(np.float32)


def _rises(batch: SparseBatch) -> npt.NDArray[np.bool_]:
    """Whether each index is above the one before it in its row; [nnz]."""
    rises = np.empty(batch.nnz, bool)
    np.greater(batch.indices[1:], batch.indices[:-1], out=rises[1:])
    starts = batch.indptr[:-1]
    rises[starts[starts < batch.nnz]] = True
    return rises


def _sorted(batch: SparseBatch) -> SparseBatch:
    rows = np.repeat(np.arange(len(batch), dtype=np.int64), np.diff(batch.indptr))
    order = np.argsort(rows << 32 | batch.indices, kind="stable")
    return SparseBatch(batch.dimension, batch.indptr, batch.indices[order], batch.values[order])


def _check_repeats(batch: SparseBatch, place: Place) -> None:
    rises = _rises(batch)
    if rises.all():
        return
    position = int(np.argmin(rises))
    where = place(_row_of(batch.indptr, position))
    raise InvalidInput(
        f"{where} has term {batch.indices[position]} twice; expected each term once a row: "
        "decide which weight is meant and make the file again",
        reason="VECTOR_INDEX_ORDER",
        field=where,
    )


def _refuse_weight(batch: SparseBatch, place: Place) -> None:
    position = int(np.argmin((batch.values >= 0) & (batch.values <= MAX_WEIGHT)))
    where = place(_row_of(batch.indptr, position))
    raise InvalidInput(
        f"{where} has weight {batch.values[position]} for term {batch.indices[position]}; "
        f"expected 0 to {MAX_WEIGHT:g}: --scale divides weights that were quantised",
        reason="VECTOR_WEIGHT",
        field=where,
    )


def _without_zeros(batch: SparseBatch) -> SparseBatch:
    kept = batch.values > 0
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return SparseBatch(
        batch.dimension, before[batch.indptr], batch.indices[kept], batch.values[kept]
    )


def _row_of(indptr: npt.NDArray[np.int64], position: int) -> int:
    return int(np.searchsorted(indptr, position, side="right")) - 1
