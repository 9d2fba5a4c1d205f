"""The one currency: a batch of sparse rows as CSR arrays.

Every room takes and gives `SparseBatch`; protobuf stops at `rpc.wire`, tensors stop at
`ort`. What is sparse never becomes dense again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput

__all__ = ["MAX_WEIGHT", "SparseBatch"]

# No SPLADE weight comes near (log1p keeps them under 15, idf tables under 20). A larger
# number is a unit error, or a sum that is about to lose float32 digits.
MAX_WEIGHT = 10_000.0


@dataclass(frozen=True, slots=True, eq=False)
class SparseBatch:
    """`rows` sparse rows over `dimension` terms; row i is `[indptr[i], indptr[i+1])`.

    dimension: the number of terms, V
    indptr:    int64 [rows + 1], starts at 0, never falls
    indices:   int32 [nnz], rising strictly within a row, each in [0, V)
    values:    float32 [nnz], finite, above 0 and at most MAX_WEIGHT

    The constructor trusts its arguments; `checked` does not.
    """

    dimension: int
    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, dimension: int) -> SparseBatch:
        """A batch of no rows."""
        return cls.from_rows(dimension, [])

    @classmethod
    def from_rows(
        cls, dimension: int, rows: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]
    ) -> SparseBatch:
        """A batch from (indices, values) pairs, one a row, indices already rising."""
        indices = [np.asarray(row, dtype=np.int32) for row, _ in rows]
        values = [np.asarray(row, dtype=np.float32) for _, row in rows]
        lengths = np.fromiter((len(row) for row in indices), np.int64, len(rows))
        return cls(
            dimension,
            _indptr(lengths),
            np.concatenate(indices) if rows else np.empty(0, np.int32),
            np.concatenate(values) if rows else np.empty(0, np.float32),
        )

    @classmethod
    def concatenate(cls, dimension: int, batches: Sequence[SparseBatch]) -> SparseBatch:
        """The rows of all batches, in order."""
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return cls.empty(dimension)
        return cls(
            dimension,
            _indptr(np.concatenate([np.diff(batch.indptr) for batch in batches])),
            np.concatenate([batch.indices for batch in batches]),
            np.concatenate([batch.values for batch in batches]),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """The number of stored weights."""
        return len(self.indices)

    def row(self, number: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Indices and values of one row, as views."""
        start, stop = self.indptr[number], self.indptr[number + 1]
        return self.indices[start:stop], self.values[start:stop]

    def rows(self) -> Iterable[tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
        """All rows in order, as views."""
        return (self.row(number) for number in range(len(self)))

    def slice(self, start: int, stop: int) -> SparseBatch:
        """Rows `start` to `stop`, sharing memory with this batch."""
        first, last = self.indptr[start], self.indptr[stop]
        return SparseBatch(
            self.dimension,
            self.indptr[start : stop + 1] - first,
            self.indices[first:last],
            self.values[first:last],
        )

    def take(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> SparseBatch:
        """The rows named, in the order named; a row may be named twice."""
        numbers = np.asarray(numbers, dtype=np.int64)
        lengths = np.diff(self.indptr)[numbers]
        indptr = _indptr(lengths)
        gather = np.arange(indptr[-1]) + np.repeat(self.indptr[numbers] - indptr[:-1], lengths)
        return SparseBatch(self.dimension, indptr, self.indices[gather], self.values[gather])

    def merged(self, counts: Sequence[int]) -> SparseBatch:
        """One row of every `counts[i]` rows that follow each other: each term's heaviest weight.

        counts: at least 1 each, as many rows together as this batch has
        """
        if len(counts) == len(self):
            return self
        group = np.repeat(np.repeat(np.arange(len(counts)), counts), np.diff(self.indptr))
        keys = group * self.dimension + self.indices
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        values = np.maximum.reduceat(self.values[order], starts) if len(starts) else self.values
        number, terms = np.divmod(found, self.dimension)
        indptr = np.searchsorted(number, np.arange(len(counts) + 1))
        return SparseBatch(self.dimension, indptr, terms.astype(np.int32), values)

    def checked(self, field: str) -> SparseBatch:
        """Itself, if every invariant of the class holds.

        Raises InvalidInput that names `field`, the first row and position at fault, what
        was found there and what was expected.
        """
        _check_dtypes(self, field)
        _check_indptr(self, field)
        _check_indices(self, field)
        _check_values(self, field)
        return self


def _indptr(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def _check_dtypes(batch: SparseBatch, field: str) -> None:
    for name, dtype in (("indptr", np.int64), ("indices", np.int32), ("values", np.float32)):
        found = getattr(batch, name)
        if found.dtype != dtype or found.ndim != 1:
            raise InvalidInput(
                f"{field}.{name} has dtype {found.dtype} and {found.ndim} dimensions; expected "
                f"one of {np.dtype(dtype)}",
                reason="VECTOR_DTYPE",
                field=f"{field}.{name}",
            )


def _check_indptr(batch: SparseBatch, field: str) -> None:
    where = f"{field}.indptr"
    if len(batch.indptr) == 0 or batch.indptr[0] != 0:
        found = "nothing" if len(batch.indptr) == 0 else str(batch.indptr[0])
        raise InvalidInput(
            f"{where} must start with 0, found {found}; send rows + 1 offsets into indices",
            reason="VECTOR_INDPTR",
            field=where,
        )
    falls = batch.indptr[1:] < batch.indptr[:-1]
    if falls.any():
        row = int(np.argmax(falls))
        raise InvalidInput(
            f"{where} falls at row {row} ({batch.indptr[row]} to {batch.indptr[row + 1]}); "
            "offsets must never fall",
            reason="VECTOR_INDPTR",
            field=where,
        )
    if not batch.indptr[-1] == len(batch.indices) == len(batch.values):
        raise InvalidInput(
            f"{where} ends at {batch.indptr[-1]}, with {len(batch.indices)} indices and "
            f"{len(batch.values)} values; the three must be equal",
            reason="VECTOR_LENGTHS",
            field=where,
        )


def _check_indices(batch: SparseBatch, field: str) -> None:
    if not len(batch.indices):
        return
    where = f"{field}.indices"
    # As unsigned numbers negative indices are large: one pass judges both ends.
    if batch.indices.view(np.uint32).max() >= batch.dimension:
        outside = (batch.indices < 0) | (batch.indices >= batch.dimension)
        _refuse(
            batch, where, outside, batch.indices,
            f"an index from 0 to {batch.dimension - 1}", "VECTOR_INDEX_RANGE",
        )  # fmt: skip
    rises = np.empty(len(batch.indices), bool)
    np.greater(batch.indices[1:], batch.indices[:-1], out=rises[1:])
    starts = batch.indptr[:-1]
    rises[starts[starts < len(batch.indices)]] = True
    if not rises.all():
        _refuse(
            batch, where, ~rises, batch.indices,
            "indices that rise strictly within a row (sorted, none repeated)", "VECTOR_INDEX_ORDER",
        )  # fmt: skip


def _check_values(batch: SparseBatch, field: str) -> None:
    values = batch.values
    # NaN comes through min and fails the comparison, as it should.
    if len(values) and not (values.min() > 0 and values.max() <= MAX_WEIGHT):
        _refuse(
            batch, f"{field}.values", ~((values > 0) & (values <= MAX_WEIGHT)), values,
            f"a finite weight above 0 and at most {MAX_WEIGHT:g}; leave zero weights out",
            "VECTOR_WEIGHT",
        )  # fmt: skip


def _refuse(
    batch: SparseBatch,
    where: str,
    wrong: npt.NDArray[np.bool_],
    found: npt.NDArray[np.generic],
    expected: str,
    reason: str,
) -> None:
    position = int(np.flatnonzero(wrong)[0])
    row = int(np.searchsorted(batch.indptr, position, side="right")) - 1
    raise InvalidInput(
        f"{where}[{position}] (row {row}) is {found[position]}; expected {expected}",
        reason=reason,
        field=where,
    )
