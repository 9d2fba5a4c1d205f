"""Ids of rows that have only numbers: from a file beside them, or the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from spladed.errors import InvalidInput, Mismatch
from spladed.jobs.compressed import numbered_lines

__all__ = ["ids_of_rows"]


def ids_of_rows(path: Path | None, rows: int) -> Iterator[str]:
    """One id a row: the lines of the file (plain, .gz, .zst), or "0", "1", ... without one.

    Raises Mismatch IDS where the file has not one line a row, before any row is read;
    InvalidInput ID for a blank line, and what `numbered_lines` raises.
    """
    if path is None:
        return map(str, range(rows))
    _check_count(path, rows)
    return _lines(path)


def _check_count(path: Path, rows: int) -> None:
    found = _count(number for number, _ in numbered_lines(path))
    if found != rows:
        raise Mismatch(
            f"{path} has {found} lines for {rows} rows; expected one id a line, one line a row, "
            "in the same order",
            reason="IDS",
            field=str(path),
        )


def _count(numbers: Iterable[int]) -> int:
    last = 0
    for last in numbers:  # noqa: B007  # the last one counts blank lines too
        pass
    return last


def _lines(path: Path) -> Iterator[str]:
    for expected, (number, line) in enumerate(numbered_lines(path), 1):
        if number != expected:
            where = f"{path}:{expected}"
            raise InvalidInput(f"{where} is blank; expected an id", reason="ID", field=where)
        yield line
