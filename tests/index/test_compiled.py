"""What may be an inner kernel: arrays are lent to it, so it must not give one back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba.core.errors import NumbaError

from spladed.index.kernels.compiled import inner


def test_an_inner_kernel_gives_numbers() -> None:
    @inner
    def both(values: npt.NDArray[Any]) -> tuple[int, float]:
        return len(values), values[0]

    assert both(np.array([2.5, 1.0])) == (2, 2.5)


def test_an_inner_kernel_that_gives_an_array_is_refused() -> None:
    def first_half(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[: len(values) // 2]

    with pytest.raises(TypeError, match=r"first_half gives npt\.NDArray"):
        inner(first_half)


def test_an_inner_kernel_that_makes_an_array_does_not_compile() -> None:
    @inner
    def total(values: npt.NDArray[Any]) -> float:
        doubled = np.empty(len(values))
        doubled[:] = values + values
        return doubled[0]

    with pytest.raises(NumbaError, match="Only accept returning of array passed"):
        total(np.ones(3))
