"""scipy's `save_npz`: a zip of .npy arrays, read with numpy alone.

    data.npy, indices.npy, indptr.npy   the matrix, CSR
    shape.npy                           rows, columns
    format.npy                          "csr"

`indices` and `data` stream side by side out of the zip, plain or deflated, with the zip's
checksums checked on the way; `indptr` alone is held whole, 8 bytes a row.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.jobs.compressed import readable
from spladed.jobs.vectors.checked import check_indptr, checked, cuts
from spladed.jobs.vectors.chunk import Chunk, Options, VectorFile, decide_dimension
from spladed.jobs.vectors.files import foreign, written
from spladed.jobs.vectors.ids import ids_of_rows
from spladed.jobs.vectors.spool import RowSpool

__all__ = ["read", "write"]

_SHAPE = "a matrix that scipy.sparse.save_npz wrote (data, indices, indptr, shape, format)"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Array:
    """One .npy inside the zip, read from its start to its end."""

    path: Path
    name: str
    file: IO[bytes]
    dtype: np.dtype[Any]
    length: int

    def take(self, count: int) -> npt.NDArray[Any]:
        """The next `count` numbers."""
        part = self.file.read(count * self.dtype.itemsize)
        if len(part) != count * self.dtype.itemsize:
            raise foreign(self.path, f"ends inside {self.name}", _SHAPE)
        native = self.dtype.newbyteorder("=")
        return np.frombuffer(part, self.dtype).astype(native, copy=False)

    def whole(self) -> npt.NDArray[Any]:
        """All of it, up to where the zip checks its checksum."""
        numbers = self.take(self.length)
        self.file.read(1)
        return numbers


def read(path: Path, options: Options) -> VectorFile:
    """The rows of the matrix; ids are row numbers, or those of `options.ids`.

    Raises NotFound FILE, InvalidInput FILE_FORMAT (no such file, cut short, a matrix of
    another layout) or VECTOR_INDPTR, and what `decide_dimension`, `ids_of_rows` and
    `checked` raise.
    """
    with readable(path), _zip(path) as archive:
        _check_format(path, archive)
        with _open(path, archive, "shape", "iu") as shape:
            rows, columns = _two(path, shape.whole())
        with _open(path, archive, "indptr", "iu") as array:
            indptr = array.whole().astype(np.int64)
        with _open(path, archive, "indices", "iu") as array:
            weights = array.length
        with _open(path, archive, "data", "iuf") as array:
            if array.length != weights:
                raise foreign(path, f"has {weights} indices and {array.length} weights", _SHAPE)
    if len(indptr) != rows + 1:
        raise foreign(path, f"has {len(indptr)} offsets in indptr and {rows} rows", _SHAPE)
    check_indptr(indptr, weights, f"{path}: indptr")
    dimension = decide_dimension(path, columns, options.dimension)
    ids = ids_of_rows(options.ids, rows)
    return VectorFile(
        path, "npz", dimension, rows, _chunks(path, indptr, ids, dimension, options.scale)
    )


def write(path: Path, chunks: Iterable[Chunk], dimension: int) -> int:
    """Writes the rows without their ids, which the format cannot hold; returns how many.

    As `scipy.sparse.load_npz` reads it; not compressed.
    """
    with written(path) as aside, RowSpool(path.parent) as spool:
        for chunk in chunks:
            spool.add(chunk.vectors)
        indptr = spool.indptr()
        # scipy wants both index arrays of one width
        wide = indptr[-1] > np.iinfo(np.int32).max
        with zipfile.ZipFile(aside, "w", allowZip64=True) as archive:
            _store(archive, "indices", np.dtype("<i4"), int(indptr[-1]), spool.indices(), wide)
            _put(archive, "indptr", indptr.astype("<i8" if wide else "<i4"))
            _put(archive, "format", np.array(b"csr"))
            _put(archive, "shape", np.array([len(indptr) - 1, dimension], "<i8"))
            _store(archive, "data", np.dtype("<f4"), int(indptr[-1]), spool.values(), False)
    return len(indptr) - 1


def _chunks(
    path: Path,
    indptr: npt.NDArray[np.int64],
    ids: Iterator[str],
    dimension: int,
    scale: float,
) -> Iterator[Chunk]:
    with readable(path), ExitStack() as stack:
        archive = stack.enter_context(_zip(path))
        indices = stack.enter_context(_open(path, archive, "indices", "iu"))
        values = stack.enter_context(_open(path, archive, "data", "iuf"))
        for start, stop in cuts(indptr):
            first, last = int(indptr[start]), int(indptr[stop])
            rows = checked(
                dimension, indptr[start : stop + 1] - first,
                indices.take(last - first), values.take(last - first),
                place=lambda row, start=start: f"{path}: row {start + row}", scale=scale,
            )  # fmt: skip
            yield Chunk(list(islice(ids, stop - start)), rows, first=start)


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    # RuntimeError is a member with a password, NotImplementedError a strange compression
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise foreign(path, f"is no zip that can be read ({error})", _SHAPE) from error


@contextmanager
def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        member = archive.open(f"{name}.npy")
    except KeyError:
        held = ", ".join(archive.namelist()[:10]) or "nothing"
        raise foreign(path, f"holds {held} and no {name}.npy", _SHAPE) from None
    with member:
        yield member


@contextmanager
def _open(path: Path, archive: zipfile.ZipFile, name: str, kinds: str) -> Iterator[_Array]:
    """The array of this name, if it has one dimension and a dtype of these kinds."""
    with _member(path, archive, name) as member:
        try:
            version = np.lib.format.read_magic(member)
            header = _HEADERS[version](member)
        except (ValueError, KeyError) as error:
            raise foreign(path, f"has no array in {name}.npy ({error})", _SHAPE) from error
        shape, _, dtype = header
        if len(shape) != 1 or dtype.kind not in kinds:
            raise foreign(path, f"has {name} of shape {shape} and dtype {dtype}", _SHAPE)
        yield _Array(path, name, member, dtype, shape[0])


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _check_format(path: Path, archive: zipfile.ZipFile) -> None:
    with _member(path, archive, "format") as member:
        try:
            found = np.lib.format.read_array(member, allow_pickle=False)[()]
        except ValueError as error:
            raise foreign(path, f"has no word in format.npy ({error})", _SHAPE) from error
    layout = found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)
    if layout != "csr":
        raise InvalidInput(
            f"{path} is a matrix in the layout {layout!r}; expected 'csr': save matrix.tocsr()",
            reason="FILE_FORMAT",
            field=str(path),
        )


def _two(path: Path, shape: npt.NDArray[Any]) -> tuple[int, int]:
    if len(shape) != 2 or shape.min() < 0:
        raise foreign(path, f"has the shape {shape.tolist()}", f"{_SHAPE}, of rows and columns")
    return int(shape[0]), int(shape[1])


def _put(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _store(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    length: int,
    numbers: IO[bytes],
    wide: bool,
) -> None:
    """Copies numbers of `dtype` into the zip, as int64 if `wide`."""
    stored = np.dtype("<i8") if wide else dtype
    header = {"descr": stored.str, "fortran_order": False, "shape": (length,)}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        while part := numbers.read(_COPY_BYTES):
            member.write(np.frombuffer(part, dtype).astype(stored, copy=False).data)
