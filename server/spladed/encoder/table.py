"""Rows without a network: a query is the set of its tokens, each with a weight from a table.

Of inference-free models only documents pass through the network; a query's terms are its own
tokens, without special ones, however often they stand in it (https://arxiv.org/abs/2411.04403,
section 3; the weights are inverse document frequencies, or were trained).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt
from spladed.sparse import MAX_WEIGHT, SparseBatch

__all__ = ["QueryTable"]


class QueryTable:
    """A weight for every token, float32 [V]; a weight of 0 leaves its token out."""

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._weights = weights

    @classmethod
    def open(cls, path: Path, *, dimension: int) -> Self:
        """The table in a file of numpy's; raises Corrupt for one that is none, or does not fit."""
        try:
            weights = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _corrupt(path, f"cannot be read ({error})") from error
        if weights.dtype != np.float32 or weights.shape != (dimension,):
            raise _corrupt(path, f"holds {weights.dtype} {weights.shape}")
        if not (weights.min() >= 0 and weights.max() <= MAX_WEIGHT):
            raise _corrupt(path, f"has weights from {weights.min()} to {weights.max()}")
        return cls(weights)

    def rows(self, texts: Sequence[npt.NDArray[np.int64]]) -> SparseBatch:
        """One row for the token ids of each text, in order."""
        dimension = len(self._weights)
        starts = np.arange(len(texts), dtype=np.int64) * dimension
        tokens = np.concatenate([*texts, np.empty(0, np.int64)])
        found = np.unique(tokens + np.repeat(starts, [len(ids) for ids in texts]))
        number, terms = np.divmod(found, dimension)
        values = self._weights[terms]
        kept = values > 0
        indptr = np.searchsorted(number[kept], np.arange(len(texts) + 1))
        return SparseBatch(dimension, indptr, terms[kept].astype(np.int32), values[kept])


def _corrupt(path: Path, what: str) -> Corrupt:
    return Corrupt(
        f"{path} {what}; expected one float32 weight for every token, from 0 to {MAX_WEIGHT:g}; "
        "export the model again",
        reason="BUNDLE_TABLE",
        field=str(path),
    )
