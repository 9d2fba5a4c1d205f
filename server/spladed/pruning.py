"""Which terms of a row are worth keeping? Each row is judged by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.sparse import MAX_WEIGHT, SparseBatch

__all__ = ["Pruning"]

_LARGEST = {"top_terms": 2**32 - 1, "threshold": MAX_WEIGHT, "max_ratio": 1.0, "alpha_mass": 1.0}


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is kept of a row: the terms that pass every rule. A rule that is 0 is none.

    top_terms:  this many heaviest terms
    threshold:  weights of at least this
    max_ratio:  weights of at least this share, 0 to 1, of the row's heaviest
    alpha_mass: the heaviest terms that together make this share, 0 to 1, of the row's sum
                (alpha-mass subvectors, https://arxiv.org/abs/2404.18812)

    Of equal weights the lower term is the heavier one. Raises InvalidInput PRUNING.

    >>> rows = SparseBatch.from_rows(10, [([1, 4, 7], [0.5, 2.0, 1.0])])
    >>> Pruning(top_terms=2).apply(rows).indices.tolist()
    [4, 7]
    """

    top_terms: int = 0
    threshold: float = 0.0
    max_ratio: float = 0.0
    alpha_mass: float = 0.0

    def __post_init__(self) -> None:
        for name, largest in _LARGEST.items():
            found = getattr(self, name)
            if not 0 <= found <= largest:
                raise InvalidInput(
                    f"pruning.{name} is {found}; expected 0 to {largest:g}, where 0 drops nothing",
                    reason="PRUNING",
                    field=f"pruning.{name}",
                )

    def __bool__(self) -> bool:
        """Whether there is a rule."""
        return self != Pruning()

    def apply(self, rows: SparseBatch) -> SparseBatch:
        """The rows without the terms that are dropped."""
        if not self:
            return rows
        kept = [self._kept(values) for _, values in rows.rows()]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([np.count_nonzero(each) for each in kept], out=indptr[1:])
        which = np.concatenate([*kept, np.empty(0, np.bool_)])
        return SparseBatch(rows.dimension, indptr, rows.indices[which], rows.values[which])

    def _kept(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """A mask of one row's terms. Its sum is made in float64, heaviest weights first."""
        kept = values >= self.threshold
        if len(values) == 0:
            return kept
        kept &= values >= self.max_ratio * np.float64(values.max())
        order = np.argsort(-values, kind="stable")
        if self.top_terms:
            kept[order[self.top_terms :]] = False
        if self.alpha_mass:
            reached = np.cumsum(values[order], dtype=np.float64)
            enough = np.searchsorted(reached, self.alpha_mass * reached[-1])
            kept[order[enough + 1 :]] = False
        return kept
