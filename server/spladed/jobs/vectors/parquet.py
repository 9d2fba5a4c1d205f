"""Parquet: a row a document; the layout of our own jobs. The only importer of pyarrow.

    id         string, or whole numbers
    indices    list of int32, uint32 or int64
    values     list of float (double and half too), as long as indices
    text       string                            \
    metadata   string, a JSON object              > optional, null where there is none
    ...        a column a declared field         /

Keys of the schema's metadata: `dimension`, and where they are known `space_id` and
`bundle_id`. A field is string, integer, double, boolean or a timestamp with a time zone, or
a list of them; other columns are passed over. Vectors go from Arrow's offsets to CSR
without a loop over rows.

Long, since only one file may import pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spladed.errors import InvalidInput
from spladed.index.values import Document, Field, Value
from spladed.jobs.compressed import readable
from spladed.jobs.vectors.checked import checked, cuts
from spladed.jobs.vectors.chunk import (
    CHUNK_ROWS,
    Chunk,
    Options,
    VectorFile,
    decide_dimension,
)
from spladed.jobs.vectors.document import fields_of, metadata_text
from spladed.jobs.vectors.files import foreign, written

__all__ = ["read", "write"]

_SHAPE = "a Parquet file with the columns id (string), indices (list of integers), values (floats)"
_OWN = ("id", "indices", "values", "text", "metadata")
_BUFFER_BYTES = 1 << 20  # of each column
_TYPES = {
    "keyword": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
}


def read(path: Path, options: Options) -> VectorFile:
    """The rows of the file, with what it has of text, metadata and declared fields.

    Raises NotFound FILE, InvalidInput FILE_FORMAT, ID, METADATA or FIELD_TYPE, and what
    `decide_dimension` and `checked` raise.
    """
    with _opened(path) as file:
        schema, total = file.schema_arrow, file.metadata.num_rows
    _check_columns(path, schema)
    said = schema.metadata or {}
    dimension = decide_dimension(path, _dimension(path, said), options.dimension)
    fields = [each for each in options.fields if each.name in schema.names]
    reader = _Reader(path, dimension, options.scale, fields, schema)
    return VectorFile(
        path, "parquet", dimension, total, reader.chunks(),
        space_id=said.get(b"space_id", b"").decode(),
        bundle_id=said.get(b"bundle_id", b"").decode(),
    )  # fmt: skip


def write(
    path: Path,
    chunks: Iterable[Chunk],
    dimension: int,
    *,
    fields: Sequence[Field] = (),
    space_id: str = "",
    bundle_id: str = "",
) -> int:
    """Writes the rows with their documents, a row group a chunk; returns how many rows."""
    said = {"dimension": str(dimension), "space_id": space_id, "bundle_id": bundle_id}
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("indices", pa.list_(pa.int32()), nullable=False),
            pa.field("values", pa.list_(pa.float32()), nullable=False),
            pa.field("text", pa.string()),
            pa.field("metadata", pa.string()),
            *(pa.field(field.name, _type_of(field)) for field in fields),
        ],
        {key: value for key, value in said.items() if value},
    )
    count = 0
    with written(path) as aside, pq.ParquetWriter(aside, schema, compression="zstd") as file:
        for chunk in chunks:
            file.write_batch(_batch(chunk, fields, schema))
            count += len(chunk.ids)
    return count


@dataclass(frozen=True, slots=True)
class _Reader:
    """A file whose schema was found to fit."""

    path: Path
    dimension: int
    scale: float
    fields: Sequence[Field]
    schema: pa.Schema

    def chunks(self) -> Iterator[Chunk]:
        wanted = [name for name in _OWN if name in self.schema.names]
        wanted += [field.name for field in self.fields]
        first = 0
        with _opened(self.path) as file:
            for batch in file.iter_batches(CHUNK_ROWS, columns=wanted):
                yield from self._batch(batch, first)
                first += len(batch)

    def _batch(self, batch: pa.RecordBatch, first: int) -> Iterator[Chunk]:
        ids = self._ids(batch.column("id"), first)
        indptr, indices = self._lists(batch, "indices", first)
        offsets, values = self._lists(batch, "values", first)
        self._check_lengths(indptr, offsets, first)
        documents = self._documents(batch, ids, first)
        for start, stop in cuts(indptr):
            low, high = int(indptr[start]), int(indptr[stop])
            rows = checked(
                self.dimension, indptr[start : stop + 1] - low,
                indices[low:high], values[low:high],
                place=lambda row, at=first + start: self._place(at + row), scale=self.scale,
            )  # fmt: skip
            yield Chunk(
                ids[start:stop], rows, documents[start:stop] if documents else None, first + start
            )

    def _place(self, row: int) -> str:
        return f"{self.path}: row {row}"

    def _ids(self, column: pa.Array, first: int) -> list[str]:
        self._check_nulls(column, "id", first)
        ids = column.cast(pa.string()).to_pylist()
        if "" in ids:
            where = self._place(first + ids.index(""))
            raise InvalidInput(
                f"{where} has an empty id; expected an id for each row", reason="ID", field=where
            )
        return ids

    def _lists(
        self, batch: pa.RecordBatch, name: str, first: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """(offsets from 0, numbers) of a column of lists, without a copy of the numbers."""
        column = batch.column(name)
        self._check_nulls(column, name, first)
        if pa.types.is_fixed_size_list(column.type):
            indptr = np.arange(len(column) + 1, dtype=np.int64) * column.type.list_size
        else:
            offsets = column.offsets.to_numpy().astype(np.int64)
            indptr = offsets - offsets[0]
        numbers = column.flatten()
        if numbers.null_count:
            position = int(np.argmin(numbers.is_valid().to_numpy(zero_copy_only=False)))
            row = int(np.searchsorted(indptr, position, side="right")) - 1
            raise self._null(f"{name} with a null in it", first + row)
        return indptr, numbers.to_numpy()

    def _check_nulls(self, column: pa.Array, name: str, first: int) -> None:
        if column.null_count:
            row = int(np.argmin(column.is_valid().to_numpy(zero_copy_only=False)))
            raise self._null(f"null as its {name}", first + row)

    def _null(self, found: str, row: int) -> InvalidInput:
        where = self._place(row)
        return InvalidInput(
            f"{where} has {found}; expected an id and two lists, [] for no terms",
            reason="FILE_NULL",
            field=where,
        )

    def _check_lengths(
        self, indptr: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], first: int
    ) -> None:
        if np.array_equal(indptr, offsets):
            return
        row = int(np.argmax(np.diff(indptr) != np.diff(offsets)))
        where = self._place(first + row)
        raise InvalidInput(
            f"{where} has {np.diff(indptr)[row]} indices and {np.diff(offsets)[row]} values; "
            "expected as many of both",
            reason="VECTOR_LENGTHS",
            field=where,
        )

    def _documents(
        self, batch: pa.RecordBatch, ids: list[str], first: int
    ) -> list[Document] | None:
        """A document a row; None where no row has anything."""
        columns = {
            name: self._column(batch.column(name))
            for name in batch.schema.names
            if name not in ("id", "indices", "values")
        }
        if all(column.null_count == len(column) for column in columns.values()):
            return None
        lists = {name: column.to_pylist() for name, column in columns.items()}
        return [
            Document(
                identity,
                (lists["text"][row] or "") if "text" in lists else "",
                metadata_text(lists["metadata"][row], self._place(first + row))
                if "metadata" in lists
                else "",
                self._fields(lists, row, first),
            )
            for row, identity in enumerate(ids)
        ]

    def _fields(
        self, lists: Mapping[str, list[Any]], row: int, first: int
    ) -> dict[str, tuple[Value, ...]]:
        given = {field.name: lists[field.name][row] for field in self.fields}
        return fields_of(given, self.fields, self._place(first + row)) if given else {}

    def _column(self, column: pa.Array) -> pa.Array:
        """Whole microseconds, since Python has no finer time; dictionaries written out."""
        if pa.types.is_dictionary(column.type):
            return column.dictionary_decode()
        if pa.types.is_timestamp(column.type) and column.type.tz:
            return column.cast(pa.timestamp("us", column.type.tz), safe=False)
        return column


def _check_columns(path: Path, schema: pa.Schema) -> None:
    for name, fits in _FITS.items():
        if name not in schema.names:
            if name in ("text", "metadata"):
                continue
            found = f"has the columns {', '.join(schema.names[:20]) or 'none'} and no {name}"
            raise foreign(path, found, _SHAPE)
        if not fits(schema.field(name).type):
            raise foreign(path, f"has {name} as {schema.field(name).type}", _SHAPE)


def _is_text(type: pa.DataType) -> bool:
    inner = type.value_type if pa.types.is_dictionary(type) else type
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)


def _is_list_of(type: pa.DataType, fits: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(type) for is_list in lists) and fits(type.value_type)


_FITS = {
    "id": lambda type: _is_text(type) or pa.types.is_integer(type),
    "indices": lambda type: _is_list_of(type, pa.types.is_integer),
    "values": lambda type: _is_list_of(type, pa.types.is_floating),
    "text": lambda type: _is_text(type) or pa.types.is_null(type),
    "metadata": lambda type: _is_text(type) or pa.types.is_null(type),
}


def _dimension(path: Path, said: Mapping[bytes, bytes]) -> int:
    written_as = said.get(b"dimension", b"0")
    if not written_as.isdigit():
        raise foreign(path, f"has dimension {written_as!r} in its schema", "a whole number")
    return int(written_as)


def _batch(chunk: Chunk, fields: Sequence[Field], schema: pa.Schema) -> pa.RecordBatch:
    rows, documents = chunk.vectors, chunk.documents or [Document(id) for id in chunk.ids]
    offsets = rows.indptr.astype(np.int32)
    columns = [
        pa.array(chunk.ids, pa.string()),
        pa.ListArray.from_arrays(offsets, rows.indices),
        pa.ListArray.from_arrays(offsets, rows.values),
        pa.array([each.text or None for each in documents], pa.string()),
        pa.array([each.metadata or None for each in documents], pa.string()),
        *(_field_column(field, documents) for field in fields),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _field_column(field: Field, documents: Sequence[Document]) -> pa.Array:
    values = [each.fields.get(field.name, ()) for each in documents]
    if field.list:
        return pa.array([list(each) or None for each in values], _type_of(field))
    return pa.array([each[0] if each else None for each in values], _type_of(field))


def _type_of(field: Field) -> pa.DataType:
    return pa.list_(_TYPES[field.type]) if field.list else _TYPES[field.type]


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    # Read ahead, whole row groups would stand in memory.
    limits: dict[str, Any] = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
    with readable(path), _arrow_errors(path):
        path.open("rb").close()  # Arrow's own words for what is no file are many
        with pq.ParquetFile(path, **limits) as file:
            yield file


@contextmanager
def _arrow_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        # Broken pages are OSErrors too, without the number that the system's have.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise foreign(path, f"is no Parquet file that can be read ({error})", _SHAPE) from error
