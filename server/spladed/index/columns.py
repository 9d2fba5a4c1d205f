"""The columns of declared fields: what documents say of a field, row by row, as arrays.

A column is a few arrays under the field's name, little endian:

    year/values   keyword <u4 (codes), integer <i8, float <f8, boolean u1, time <i8 (in
                  microseconds since 1970 UTC). One a row, 0 where a document has no value;
                  of a list field all values of row 0, then of row 1, and so on
    year/exists   <u8 bitmap of the rows that have a value; only where the field is no list
    year/starts   <i8 [n + 1]: row r has the values [starts[r], starts[r + 1]); only of a list
    year/words    u1, and
    year/ends     <i8 [words + 1]: the distinct words of a keyword field, rising by their
                  UTF-8 bytes; word i is words[ends[i]:ends[i + 1]], and its code is i

Values are kept as they were given: a list keeps its order and repetitions, a float its bits.
An empty list is no value. Every word is used by a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index import bits
from spladed.index.kernels.words import take_runs
from spladed.index.values import Field, FieldType, Value
from spladed.index.words import Words

__all__ = ["Column", "concatenate", "encode", "problems", "stored", "take", "values"]

Columns = Mapping[str, npt.NDArray[Any]]

_DTYPES: dict[FieldType, str] = {
    "keyword": "<u4",
    "integer": "<i8",
    "float": "<f8",
    "boolean": "|u1",
    "time": "<i8",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stored(value: Any) -> Any:
    """A value as columns hold it, but for keywords, which are codes there."""
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column. `exists` only where the field is no list, `starts` only where it is one,
    `words` only of keywords."""

    values: npt.NDArray[Any]
    exists: bits.Bits | None = None
    starts: npt.NDArray[np.int64] | None = None
    words: Words | None = None

    @classmethod
    def of(cls, columns: Columns, name: str) -> Column:
        """The column of the field of this name."""
        words = None
        if f"{name}/words" in columns:
            words = Words(columns[f"{name}/words"], columns[f"{name}/ends"])
        exists, starts = columns.get(f"{name}/exists"), columns.get(f"{name}/starts")
        return cls(columns[f"{name}/values"], exists, starts, words)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Its arrays by the names they have in a segment."""
        words = self.words
        arrays = {
            "values": self.values,
            "exists": self.exists,
            "starts": self.starts,
            "words": None if words is None else words.text,
            "ends": None if words is None else words.starts,
        }
        return {f"{name}/{key}": each for key, each in arrays.items() if each is not None}

    def present(self) -> npt.NDArray[np.bool_]:
        """bool, true where `values` has a value and not the 0 of a row without one."""
        if self.exists is None:
            return np.ones(len(self.values), np.bool_)
        return bits.unpack(self.exists, len(self.values))

    def counts(self) -> npt.NDArray[np.int64]:
        """How many values each row has."""
        return self.present().astype(np.int64) if self.starts is None else np.diff(self.starts)


def encode(
    fields: Sequence[Field], documents: Sequence[Mapping[str, Sequence[Value]]]
) -> dict[str, npt.NDArray[Any]]:
    """The columns of these documents' values, which are as `fields.checked_fields` gives them."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field in fields:
        arrays |= _encoded(field, [each.get(field.name, ()) for each in documents])
    return arrays


def _encoded(field: Field, rows: Sequence[Sequence[Value]]) -> dict[str, npt.NDArray[Any]]:
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    flat, words = _coded(field.type, list(chain.from_iterable(rows)))
    if field.list:
        return Column(flat, starts=_starts(counts), words=words).arrays(field.name)
    column = np.zeros(len(rows), flat.dtype)
    column[counts > 0] = flat
    return Column(column, bits.pack(counts > 0), words=words).arrays(field.name)


def _coded(type: FieldType, flat: Sequence[Any]) -> tuple[npt.NDArray[Any], Words | None]:
    if type == "time":
        flat = [stored(value) for value in flat]
    words = None
    if type == "keyword":
        distinct = sorted(set(flat))
        words = Words.of(distinct)
        codes = {word: code for code, word in enumerate(distinct)}
        flat = [codes[word] for word in flat]
    return np.array(flat, _DTYPES[type]), words


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def concatenate(
    fields: Sequence[Field], parts: Sequence[Columns], counts: Sequence[int]
) -> dict[str, npt.NDArray[Any]]:
    """The columns of all rows of these parts, in order; part i has `counts[i]` rows."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field in fields:
        columns = [Column.of(part, field.name) for part in parts]
        arrays |= _concatenated(field, columns, counts).arrays(field.name)
    return arrays


def _concatenated(field: Field, columns: Sequence[Column], counts: Sequence[int]) -> Column:
    if not columns:
        return Column.of(encode([field], []), field.name)
    words = None
    if field.type == "keyword":
        columns, words = _recoded(columns)
    values = np.concatenate([column.values for column in columns])
    per_row = np.concatenate([column.counts() for column in columns])
    if len(per_row) != sum(counts):
        raise ValueError(f"columns of {len(per_row)} rows for {sum(counts)}: this is a bug")
    if field.list:
        return Column(values, starts=_starts(per_row), words=words)
    return Column(values, bits.pack(per_row > 0), words=words)


def _recoded(columns: Sequence[Column]) -> tuple[list[Column], Words]:
    """The columns with the codes of one dictionary that has the words of all."""
    words, codes = Words.merge([column.words for column in columns if column.words is not None])
    recoded = [_with_codes(each, new) for each, new in zip(columns, codes, strict=True)]
    return recoded, words


def _with_codes(column: Column, codes: npt.NDArray[Any]) -> Column:
    """The column with `codes[c]` for its code c, still 0 where there is no value."""
    present = column.present()
    values = np.zeros(len(column.values), _DTYPES["keyword"])
    values[present] = codes[column.values[present]]
    return replace(column, values=values)


def take(
    fields: Sequence[Field], columns: Columns, rows: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[Any]]:
    """The columns of these rows, in this order, without the words that none of them uses."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field in fields:
        taken = _taken(Column.of(columns, field.name), rows)
        arrays |= _without_unused(taken).arrays(field.name)
    return arrays


def _taken(column: Column, rows: npt.NDArray[np.int64]) -> Column:
    """These rows; their codes are still those of all words."""
    if column.starts is None:
        exists = None if column.exists is None else bits.pack(bits.has(column.exists, rows))
        return Column(column.values[rows], exists, words=column.words)
    starts = _starts(np.diff(column.starts)[rows])
    values = np.empty(int(starts[-1]), column.values.dtype)
    size = values.dtype.itemsize
    source = np.ascontiguousarray(column.values).view(np.uint8)
    take_runs(source, column.starts * size, rows, starts * size, values.view(np.uint8))
    return Column(values, starts=starts, words=column.words)


def _without_unused(column: Column) -> Column:
    if column.words is None:
        return column
    used = np.zeros(len(column.words), np.bool_)
    used[column.values[column.present()]] = True
    words = column.words.take(np.flatnonzero(used))
    return replace(_with_codes(column, np.cumsum(used) - 1), words=words)


def values(
    fields: Sequence[Field], columns: Columns, rows: npt.NDArray[np.int64]
) -> list[dict[str, tuple[Value, ...]]]:
    """What each of these rows says of each field that it has a value of."""
    documents: list[dict[str, tuple[Value, ...]]] = [{} for _ in rows]
    for field in fields:
        column = _taken(Column.of(columns, field.name), rows)
        flat = _given(field.type, column)
        ends = np.cumsum(column.counts()).tolist()
        start = 0
        for document, end in zip(documents, ends, strict=True):
            if end > start:
                document[field.name] = tuple(flat[start:end])
            start = end
    return documents


def _given(type: FieldType, column: Column) -> list[Any]:
    """The values of all rows, one after another, as they were given."""
    flat = column.values[column.present()]
    if column.words is not None:
        codes = flat.tolist()
        words = {code: column.words.word(code) for code in set(codes)}
        return [words[code] for code in codes]
    if type == "boolean":
        return flat.astype(np.bool_).tolist()
    if type == "time":
        return [_EPOCH + timedelta(microseconds=value) for value in flat.tolist()]
    return flat.tolist()


def problems(fields: Sequence[Field], columns: Columns, documents: int) -> list[str]:
    """What breaks the invariants above, a line a column at fault; [] of sound columns."""
    found: list[str] = []
    for field in fields:
        try:
            trouble = _trouble(field, Column.of(columns, field.name), documents)
        except KeyError as error:
            trouble = f"has no {error.args[0]}"
        if trouble:
            found.append(f"column {field.name}: {trouble}")
    return found


def _trouble(field: Field, column: Column, documents: int) -> str:
    """The first thing wrong with a column, or nothing."""
    if column.values.dtype != _DTYPES[field.type]:
        return f"values are {column.values.dtype}, expected {_DTYPES[field.type]}"
    rows, count = column.exists, len(column.values)
    if field.list:
        if column.starts is None or not _rises(column.starts, documents, count):
            return f"starts do not rise from 0 to {count} over {documents} rows"
    elif rows is None or count != documents or len(rows) != bits.words_of(documents):
        return f"{count} values, expected {documents} and a bitmap of as many"
    elif not np.array_equal(bits.pack(bits.unpack(rows, documents)), rows):
        return f"exists has bits beyond row {documents - 1}"
    present = column.values[column.present()]
    if field.type == "boolean" and np.any(present > 1):
        return "a boolean is neither 0 nor 1"
    if field.type == "float" and np.any(np.isnan(present)):
        return "a float is NaN"
    return _trouble_of_words(column, present) if field.type == "keyword" else ""


def _trouble_of_words(column: Column, codes: npt.NDArray[Any]) -> str:
    words = column.words
    if words is None or not _rises(words.starts, len(words.starts) - 1, len(words.text)):
        return "the words' ends do not rise over their bytes"
    if len(codes) and codes.max() >= len(words):
        return f"code {codes.max()}, but there are {len(words)} words"
    if len(np.unique(codes)) != len(words):
        return "a word that no row uses"
    spelt = [words.word(code) for code in range(len(words))]
    if any(one >= other for one, other in pairwise(spelt)):
        return "words do not rise"
    return ""


def _rises(starts: npt.NDArray[Any], rows: int, end: int) -> bool:
    """Whether `starts` are rows + 1 numbers that never fall, from 0 to `end`."""
    if len(starts) != rows + 1 or starts[0] != 0 or starts[-1] != end:
        return False
    return bool(np.all(np.diff(starts) >= 0))
