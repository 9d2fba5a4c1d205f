"""From nanoseconds to the figures of an encoder: pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from encode_models import GEMM, Shape
from encode_texts import Workload
from numpy.typing import NDArray


def figures(taken: NDArray[np.int64], workload: Workload) -> dict[str, float]:
    """Of a workload, from [times, 2]: speeds are of the least processor time."""
    wall, cpu = (taken[:, column] / 1e9 for column in (0, 1))
    best = float(cpu.min())
    return {
        "cpu_seconds": best,
        "cpu_median_seconds": float(np.median(cpu)),
        "wall_seconds": float(wall.min()),
        "wall_median_seconds": float(np.median(wall)),
        "times": len(taken),
        "tokens_per_second": workload.tokens / best,
        "texts_per_second": workload.texts / best,
        "ms_per_text": 1e3 * best / workload.texts,
    }


def peaks(times: Mapping[tuple[str, str], NDArray[np.int64]]) -> dict[str, float]:
    """Operations a second of the product alone, by precision."""
    operations = 2.0 * np.prod(GEMM)
    return {precision: float(operations / (times["gemm", precision][:, 1].min() / 1e9))
            for precision in ("fp32", "int8")}  # fmt: skip


def share_of_peak(
    speed: float, shape: Shape, workload: Workload, precision: str, peak: Mapping[str, float]
) -> float | None:
    """Of the product's speed in the same precision, what the model's products reach; padding is
    no work. None where that product was not measured."""
    if precision not in peak:
        return None
    return speed * shape.flops(round(workload.length)) / peak[precision]
