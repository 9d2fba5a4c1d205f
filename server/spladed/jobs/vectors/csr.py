"""Big-ANN's `.csr`: one matrix as raw arrays (the sparse track of NeurIPS'23), little endian.

    int64    rows, columns, nnz
    int64    indptr[rows + 1]
    int32    indices[nnz]
    float32  data[nnz]

The file's length says whether it is whole. Read in pieces, never mapped: a map of a file
that is cut meanwhile ends the process. `indptr` alone is held whole, 8 bytes a row.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from spladed.jobs.compressed import readable
from spladed.jobs.vectors.checked import check_indptr, checked, cuts
from spladed.jobs.vectors.chunk import Chunk, Options, VectorFile, decide_dimension
from spladed.jobs.vectors.files import foreign, written
from spladed.jobs.vectors.ids import ids_of_rows
from spladed.jobs.vectors.spool import RowSpool

__all__ = ["read", "write"]

_HEADER_BYTES = 24
_SHAPE = "a .csr file (int64 rows, columns, nnz; int64 indptr; int32 indices; float32 data)"


@dataclass(frozen=True, slots=True)
class _Layout:
    """The header, and where the arrays start."""

    rows: int
    columns: int
    nnz: int

    @property
    def indices(self) -> int:
        return _HEADER_BYTES + 8 * (self.rows + 1)

    @property
    def data(self) -> int:
        return self.indices + 4 * self.nnz

    @property
    def end(self) -> int:
        return self.data + 4 * self.nnz


def read(path: Path, options: Options) -> VectorFile:
    """The rows of the file; ids are row numbers, or those of `options.ids`.

    Raises NotFound FILE, InvalidInput FILE_FORMAT (no such file, or cut short) or
    VECTOR_INDPTR, and what `decide_dimension`, `ids_of_rows` and `checked` raise.
    """
    with readable(path), path.open("rb") as file:
        layout = _layout(file, path)
        indptr = np.fromfile(file, "<i8", layout.rows + 1).astype(np.int64, copy=False)
    check_indptr(indptr, layout.nnz, f"{path}: indptr")
    dimension = decide_dimension(path, layout.columns, options.dimension)
    ids = ids_of_rows(options.ids, layout.rows)
    chunks = _chunks(path, layout, indptr, ids, dimension, options.scale)
    return VectorFile(path, "csr", dimension, layout.rows, chunks)


def write(path: Path, chunks: Iterable[Chunk], dimension: int) -> int:
    """Writes the rows without their ids, which the format cannot hold; returns how many."""
    with written(path) as aside, RowSpool(path.parent) as spool:
        for chunk in chunks:
            spool.add(chunk.vectors)
        indptr = spool.indptr()
        with aside.open("wb") as file:
            file.write(np.array([len(indptr) - 1, dimension, indptr[-1]], "<i8").tobytes())
            file.write(indptr.astype("<i8", copy=False).data)
            shutil.copyfileobj(spool.indices(), file, 1 << 20)
            shutil.copyfileobj(spool.values(), file, 1 << 20)
    return len(indptr) - 1


def _layout(file: IO[bytes], path: Path) -> _Layout:
    size = file.seek(0, 2)
    file.seek(0)
    if size < _HEADER_BYTES:
        raise foreign(path, f"is {size} bytes long", _SHAPE)
    rows, columns, nnz = map(int, np.fromfile(file, "<i8", 3))
    layout = _Layout(rows, columns, nnz)
    if min(rows, columns, nnz) < 0 or layout.end != size:
        found = f"is {size} bytes long, with a header of {rows} rows, {columns} columns, {nnz} nnz"
        raise foreign(path, found, f"{_SHAPE}, {layout.end} bytes in all")
    return layout


def _chunks(
    path: Path,
    layout: _Layout,
    indptr: npt.NDArray[np.int64],
    ids: Iterator[str],
    dimension: int,
    scale: float,
) -> Iterator[Chunk]:
    with readable(path), path.open("rb", buffering=0) as file:
        for start, stop in cuts(indptr):
            first, last = int(indptr[start]), int(indptr[stop])
            indices = _array(file, "<i4", layout.indices + 4 * first, last - first, path)
            values = _array(file, "<f4", layout.data + 4 * first, last - first, path)
            rows = checked(
                dimension, indptr[start : stop + 1] - first, indices, values,
                place=lambda row, start=start: f"{path}: row {start + row}", scale=scale,
            )  # fmt: skip
            yield Chunk(list(islice(ids, stop - start)), rows, first=start)


def _array(file: IO[bytes], dtype: str, offset: int, count: int, path: Path) -> npt.NDArray:
    file.seek(offset)
    array = np.fromfile(file, dtype, count)
    if len(array) != count:
        raise foreign(path, f"ended at byte {offset + array.nbytes} while it was read", _SHAPE)
    return array
