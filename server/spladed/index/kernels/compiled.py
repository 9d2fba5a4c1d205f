"""Python loops as machine code. The only import of numba, and of its llvmlite.

A kernel is compiled when its module is imported, for its one written signature, and cached
where numba can write: NUMBA_CACHE_DIR if set, else beside its file, else the user's cache
folder; where none can be written it is compiled in each process. Kernels hold no GIL.
Inputs may be read-only arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["array", "compiled", "inner", "intrinsic", "ir", "types"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

# numba's stubs know no list of signatures, and lose the function's own types.
_njit: Any = numba.njit


def array(dtype: types.Type, *, readonly: bool = True, dimensions: int = 1) -> types.Array:
    """The type of a contiguous array; a read-only one takes writable arrays too."""
    return types.Array(dtype, dimensions, "C", readonly=readonly)


def compiled(*signatures: object) -> Callable[[_Function], _Function]:
    """`numba.njit` for these signatures, cached where there is a place for it."""

    def compile_it(function: _Function) -> _Function:
        try:
            return _njit(list(signatures), nogil=True, cache=True)(function)
        except (RuntimeError, OSError):  # no cache folder, or one that cannot be written
            return _njit(list(signatures), nogil=True)(function)

    return compile_it


def inner(function: _Function) -> _Function:
    """Compiled into the kernels that call it, and only there."""
    return _njit(nogil=True)(function)
