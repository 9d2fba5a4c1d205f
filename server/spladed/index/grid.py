"""A weight as it is stored: rounded once, when accepted, and never again.

    format    step     range                   stored as
    fixed16   1/4096   1/4096 to 65535/4096    uint16, the number of steps
    float32   none     as SparseBatch's        float32, bit for bit

A power of two as the step makes steps * 1/4096 exact in float32, and lets the kernel sum
steps and scale the sum: bit-equal to summing the weights. Learned sparse weights are
log(1 + x): on the published SPLADE models they stay under 8, so 16 leaves room, and half a
step is 1.2e-4, under what fp16 and int8 graphs move them by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.index.kernels import build as kernels
from spladed.index.rows import Rows, Weights
from spladed.index.values import WeightFormat
from spladed.sparse import SparseBatch

__all__ = ["FIXED16_LIMIT", "FIXED16_STEP", "dtype_of", "numbers", "step_of", "to_grid", "vectors"]

FIXED16_STEP = 1.0 / 4096.0
FIXED16_LIMIT = 65535 * FIXED16_STEP


def dtype_of(weight_format: WeightFormat) -> np.dtype[np.uint16] | np.dtype[np.float32]:
    """The type that weights are stored in, little endian."""
    return np.dtype("<u2") if weight_format == "fixed16" else np.dtype("<f4")


def step_of(weights: Weights) -> float:
    """What one stored unit is worth."""
    return FIXED16_STEP if weights.dtype == np.uint16 else 1.0


def numbers(weights: Weights) -> npt.NDArray[np.float32]:
    """Stored weights as the numbers they stand for, exactly."""
    return weights.astype(np.float32) * np.float32(step_of(weights))


def vectors(rows: Rows, dimension: int) -> SparseBatch:
    """Stored rows as the batch they stand for, exactly."""
    return SparseBatch(dimension, rows.indptr, rows.indices, numbers(rows.weights))


def to_grid(batch: SparseBatch, weight_format: WeightFormat) -> Rows:
    """The batch as it will be stored; the arrays are copies.

    fixed16 rounds half to even; a weight of half a step or less becomes 0 and is dropped.
    Raises InvalidInput WEIGHT_RANGE for one that rounds beyond the range.
    """
    indptr, indices = batch.indptr.astype(np.int64), batch.indices.astype(np.int32)
    if weight_format == "float32":
        return Rows(indptr, indices, batch.values.astype(np.float32))
    steps, zeros, beyond = kernels.to_steps(batch.values, 1.0 / FIXED16_STEP)
    if beyond >= 0:
        raise _beyond_range(batch, beyond)
    rows = Rows(indptr, indices, steps)
    return rows.where(steps > 0) if zeros else rows


def _beyond_range(batch: SparseBatch, position: int) -> InvalidInput:
    row = int(np.searchsorted(batch.indptr, position, side="right")) - 1
    return InvalidInput(
        f"vectors.values[{position}] (row {row}, term {batch.indices[position]}) is "
        f"{batch.values[position]}; a fixed16 collection holds weights up to {FIXED16_LIMIT:.4f}: "
        "make the collection with weight_format float32, or scale the weights down",
        reason="WEIGHT_RANGE",
        field="vectors.values",
    )
