"""What does not fit memory lies in temporary files: rows in order, or records by window.

The files have no name and vanish with the process. What cannot be written raises what
`unwritable` gives.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from spladed.jobs.vectors.files import unwritable
from spladed.sparse import SparseBatch

__all__ = ["RowSpool", "WindowSpool"]


class RowSpool:
    """Rows as three columns, for formats that want each whole; `indptr` alone is in memory."""

    def __init__(self, folder: Path) -> None:
        self._lengths = [np.zeros(1, np.int64)]
        self._indices: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # __exit__
        self._values: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._indices.close()
        self._values.close()

    def add(self, rows: SparseBatch) -> None:
        """Appends the rows."""
        self._lengths.append(np.diff(rows.indptr))
        with _writing():
            self._indices.write(np.ascontiguousarray(rows.indices, "<i4").data)
            self._values.write(np.ascontiguousarray(rows.values, "<f4").data)

    def indptr(self) -> npt.NDArray[np.int64]:
        """int64 [rows + 1]."""
        return np.cumsum(np.concatenate(self._lengths))

    def indices(self) -> IO[bytes]:
        """int32 [nnz], little endian, from the start."""
        self._indices.seek(0)
        return self._indices

    def values(self) -> IO[bytes]:
        """float32 [nnz], little endian, from the start."""
        self._values.seek(0)
        return self._values


class WindowSpool:
    """Records, each of a window, added in any order and read a window at a time.

    One file and a list of extents a window: as many windows as wanted, whatever the limit
    on open files. Within a window records come back in the order in which they were added.
    """

    def __init__(self, folder: Path | None, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        with _writing():
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # __exit__
        self._records = 0
        self._extents: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, windows: npt.NDArray[np.integer[Any]], records: npt.NDArray[Any]) -> None:
        """Appends records [n] of windows [n]."""
        # 16 bits sort by radix; more windows than that are 10^9 documents
        narrow = windows.astype(np.uint16) if windows.max(initial=0) < 1 << 16 else windows
        order = np.argsort(narrow, kind="stable")
        with _writing():
            self._file.write(np.ascontiguousarray(records[order]).data)
        counts = np.bincount(windows)
        for window in np.flatnonzero(counts).tolist():
            self._extents[window].append((self._records, int(counts[window])))
            self._records += int(counts[window])

    def read(self, window: int) -> npt.NDArray[Any]:
        """The records of this window; empty where there are none."""
        extents = self._extents.get(window, [])
        records = np.empty(sum(count for _, count in extents), self._dtype)
        filled = 0
        for start, count in extents:
            self._file.seek(start * self._dtype.itemsize)
            part = self._file.read(count * self._dtype.itemsize)
            records[filled : filled + count] = np.frombuffer(part, self._dtype)
            filled += count
        return records


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable("a temporary file", error) from error
