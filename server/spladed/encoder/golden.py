"""Does this machine compute what the exporting one did? The bundle's golden texts tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spladed.bundle import Bundle
from spladed.errors import Corrupt
from spladed.manifest import Golden
from spladed.sparse import SparseBatch

__all__ = ["replay"]

# How far a golden weight may move between the exporting machine and this one. fp32 moves
# by the order of its sums; int8 also by a rounding that falls to the other side: 2 of 800
# texts, by up to 0.06, where onnxruntime only fused its nodes otherwise.
_TOLERANCE = {"fp32": 1e-3, "int8": 0.15, "fp16": 0.05, "bf16": 0.1}


def replay(bundle: Bundle, encode: Callable[[Golden], SparseBatch]) -> None:
    """Encodes the bundle's golden texts; raises Corrupt where a row has moved too far.

    encode: the row of one of them, alone
    """
    manifest = bundle.manifest
    tolerance = _TOLERANCE[manifest.precision]
    for golden, row in zip(manifest.golden, manifest.golden_rows().rows(), strict=True):
        moved = _distance(row, encode(golden).row(0), manifest.model.vocabulary_size)
        if moved > tolerance:
            raise Corrupt(
                f"{bundle.path}: the golden text {golden.text[:40]!r} moved by {moved:.4g} on "
                f"this machine, expected at most {tolerance:g}; this CPU or onnxruntime "
                "computes something else than the exporting one: export here",
                reason="BUNDLE_GOLDEN",
                field="golden",
            )


def _distance(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], dimension: int
) -> float:
    """The largest difference of a weight between two rows."""
    difference = np.zeros(dimension, np.float32)
    difference[left[0]] = left[1]
    difference[right[0]] -= right[1]
    return float(np.abs(difference).max())
