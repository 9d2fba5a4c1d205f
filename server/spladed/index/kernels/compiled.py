"""Python loops as machine code. The only import of numba, and of its llvmlite.

Importing any kernel imports them all and compiles each for its written signatures, or takes
what `cache` kept; after that none can be compiled for another. So a query never waits for the
compiler. Where nothing can be kept each process compiles anew, and says so. Kernels hold no
GIL. Inputs may be read-only arrays.
"""

from __future__ import annotations

import atexit
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import llvmlite
import numba
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from spladed.config import kernel_cache, set_kernel_cache
from spladed.index.kernels.cache import Kept, work_folder

__all__ = [
    "array", "compile_all", "compiled", "inner", "intrinsic", "ir", "kept", "making", "types",
]  # fmt: skip

_Function = TypeVar("_Function", bound=Callable[..., Any])

_LOG = logging.getLogger("spladed")
# numba's stubs know no list of signatures, and lose the function's own types.
_njit: Any = numba.njit
# Each takes some 200 MB while it compiles, and the longest kernel takes a quarter of the time.
_MOST_PROCESSES = 4
_NUMBERS = re.compile(r"(int|float|bool|None|np\.uint64|tuple\[|, |\])+")
_IMPORT = re.compile(r"^from spladed\.index\.kernels\.(\w+) import", re.MULTILINE)


class _Kernel(NamedTuple):
    dispatcher: Any
    signatures: tuple[object, ...]

    @property
    def module(self) -> str:
        return self.dispatcher.__module__.rpartition(".")[2]

    @property
    def size(self) -> int:
        return len(self.dispatcher.py_func.__code__.co_code)

    @property
    def missed(self) -> bool:
        """Whether it was compiled although its cache was there."""
        return bool(self.dispatcher.stats.cache_misses)

    def compile(self) -> None:
        for signature in self.signatures:
            try:
                self.dispatcher.compile(signature)
            except OSError:  # it is compiled; only the disk was full when it was to be kept
                if not self.dispatcher.signatures:
                    raise


_kernels: list[_Kernel] = []


def array(dtype: types.Type, *, readonly: bool = True, dimensions: int = 1) -> types.Array:
    """The type of a contiguous array; a read-only one takes writable arrays too."""
    return types.Array(dtype, dimensions, "C", readonly=readonly)


def compiled(*signatures: object) -> Callable[[_Function], _Function]:
    """A kernel for these signatures, once `compile_all` was there."""

    def register(function: _Function) -> _Function:
        kernel = _njit(nogil=True)(function)
        _kernels.append(_Kernel(kernel, signatures))
        return kernel

    return register


def inner(function: _Function) -> _Function:
    """Compiled into the kernels that call it, and only there; gives numbers, makes no array.

    Arrays are lent to it: it counts no references to them, each an atomic instruction, of which
    a search made so many that they took a quarter of its time.
    """
    if not _NUMBERS.fullmatch(given := function.__annotations__["return"]):
        raise TypeError(f"{function.__name__} gives {given}, whose references nobody would count")
    return _njit(nogil=True, _nrt=False)(function)


def making(function: _Function) -> _Function:
    """Compiled into the kernels that call it, and only there; may make arrays."""
    return _njit(nogil=True, _nrt=True)(function)


def kept() -> list[Kept]:
    """Where this process's kernels are kept, a file for each module of them."""
    folder, here = kernel_cache(), Path(__file__).parent
    sources = {path.stem: path.read_text("utf-8") for path in here.glob("*.py")}
    modules = sorted({kernel.module for kernel in _kernels})
    return [Kept(folder, name, _key(name, sources, here)) for name in modules]


def compile_all() -> None:
    """Every kernel is compiled, from what was kept or anew, and then kept."""
    places = kept()
    with work_folder(places[0].folder, Path("/dev/shm")) as folder:
        if folder is None:
            _LOG.warning("kernels are not kept: no folder for temporary files can be written")
        else:
            _compile_in(folder, places)
    for kernel in _kernels:
        kernel.compile()
        kernel.dispatcher.disable_compile()


def _compile_in(folder: Path, places: list[Kept]) -> None:
    started = time.monotonic()
    with _caching(folder):
        missing = {place.name for place in places if not place.unpack(folder)}
        if missing:
            names = ", ".join(sorted(missing))
            _LOG.info("compiling the index's kernels for this version and machine: %s", names)
            _compile_side_by_side([each for each in _kernels if each.module in missing])
        for kernel in _kernels:
            kernel.compile()
    missing |= {kernel.module for kernel in _kernels if kernel.missed}
    if missing:
        _keep(folder, places, missing, time.monotonic() - started)


def _keep(folder: Path, places: list[Kept], missing: set[str], seconds: float) -> None:
    where = places[0].folder
    try:
        for place in places:
            if place.name in missing:
                place.pack(folder)
    except OSError as error:
        _LOG.warning(
            "compiled the index's kernels in %.0f s, as each start will: they cannot be kept in "
            "%s: %s; name another folder with kernel_cache of [index], or with the variable "
            "SPLADED_INDEX_KERNEL_CACHE", seconds, where, error.strerror,
        )  # fmt: skip
        _lend(folder, places)
    else:
        _LOG.info("compiled the index's kernels in %.0f s; kept in %s", seconds, where)


def _lend(folder: Path, places: list[Kept]) -> None:
    """Child processes need not compile too: they read a folder that ends with this one."""
    with suppress(OSError):
        lent = tempfile.mkdtemp(prefix="kernels-", dir=folder.parent)
        atexit.register(shutil.rmtree, lent, ignore_errors=True)
        for place in places:
            replace(place, folder=Path(lent)).pack(folder)
        set_kernel_cache(lent)


@contextmanager
def _caching(folder: Path) -> Iterator[None]:
    """numba keeps our kernels in the folder, and others' where it did before."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        for kernel in _kernels:
            kernel.dispatcher.enable_caching()
        yield
    finally:
        numba.config.CACHE_DIR = before


def _compile_side_by_side(kernels: list[_Kernel]) -> None:
    """Into numba's cache, in processes that end with it. What one of them leaves undone is
    still to be compiled; so is all where other threads run, which must not be forked."""
    processes = min(len(os.sched_getaffinity(0)), len(kernels), _MOST_PROCESSES)
    if processes == 1 or threading.active_count() > 1:
        return
    largest_first = sorted(kernels, key=lambda kernel: -kernel.size)
    left, numbers = os.pipe()
    os.write(numbers, bytes(range(len(kernels))))
    os.close(numbers)
    children = [_fork(largest_first, left) for _ in range(processes)]
    os.close(left)
    for child in children:
        os.waitpid(child, 0)


def _fork(kernels: list[_Kernel], left: int) -> int:
    """A process that compiles kernels, by the numbers it reads, until none is left."""
    with warnings.catch_warnings():
        # From Python 3.12 on, even if the other threads are of a library that expects forks.
        warnings.simplefilter("ignore", DeprecationWarning)
        if child := os.fork():
            return child
    try:
        while number := os.read(left, 1):
            kernels[number[0]].compile()
    finally:
        os._exit(0)


def _key(name: str, sources: dict[str, str], here: Path) -> str:
    """What the machine code of a module depends on: its source and all that it imports of
    ours, where they lie, who compiles, and for whom."""
    parts: list[object] = [here, numba.__version__, llvmlite.__version__]
    parts += [sys.implementation.cache_tag, platform.machine()]
    host, features = binding.get_host_cpu_name(), numba.config.CPU_FEATURES
    parts += [numba.config.CPU_NAME or host]
    parts += [binding.get_host_cpu_features().flatten() if features is None else features]
    parts += [sources[each] for each in sorted(_imported(name, sources))]
    return sha256(repr(parts).encode()).hexdigest()[:16]


def _imported(name: str, sources: dict[str, str]) -> set[str]:
    """The module and all that it imports of this folder, itself or through others."""
    found, ahead = set[str](), [name]
    while ahead:
        module = ahead.pop()
        if module not in found:
            found.add(module)
            ahead += _IMPORT.findall(sources[module])
    return found
