"""Rows that never change, as rows and as postings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index import kernels
from spladed.index.rows import Rows, Weights

__all__ = ["Postings", "Segment"]


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Term-major: the documents of `terms[i]` are `docs[starts[i]:starts[i+1]]`, rising.

    terms: int32 [T], rising; starts: int64 [T + 1]; docs: int32 [nnz], rows of the segment;
    weights: uint16 or float32 [nnz]
    """

    terms: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    docs: npt.NDArray[np.int32]
    weights: Weights


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Documents by rising seq: `seqs` int64 [n], `ids` [n], their rows and postings.

    `row_of` is the row of each id; a segment never holds an id twice.
    """

    seqs: npt.NDArray[np.int64]
    ids: Sequence[str]
    row_of: dict[str, int]
    rows: Rows
    postings: Postings

    @classmethod
    def build(
        cls, dimension: int, seqs: npt.NDArray[np.int64], ids: Sequence[str], rows: Rows
    ) -> Segment:
        """The segment of these documents; seqs rise, ids are distinct."""
        postings = kernels.invert(rows.indptr, rows.indices, rows.weights, dimension)
        row_of = {id: row for row, id in enumerate(ids)}
        return cls(seqs, ids, row_of, rows, Postings(*postings))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """The arrays' size in bytes."""
        rows, postings = self.rows, self.postings
        arrays = (
            self.seqs, rows.indptr, rows.indices, rows.weights,
            postings.terms, postings.starts, postings.docs, postings.weights,
        )  # fmt: skip
        return sum(array.nbytes for array in arrays)
