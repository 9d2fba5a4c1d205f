"""What may be an inner kernel: arrays are lent to it, so it must not give one back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba.core.errors import NumbaError

from spladed.index.kernels.compiled import inner, making


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


def test_only_a_making_kernel_may_make_an_array() -> None:
    def first_doubled(values: npt.NDArray[Any]) -> float:
        doubled = np.empty(len(values))
        doubled[:] = values
        return doubled[0] * 2

    assert making(first_doubled)(np.ones(3)) == 2
    with pytest.raises(NumbaError):
        inner(first_doubled)(np.ones(3))
