"""Lines of a text file, whichever way it is compressed. The only importer of zstandard."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from spladed.errors import InvalidInput, NotFound

__all__ = ["find", "numbered_lines", "readable"]

_SUFFIXES = ("", ".zst", ".gz")


def find(folder: Path, name: str) -> Path:
    """The file `name` in `folder`, or `name`.zst, or `name`.gz: the first that is there.

    Raises NotFound FOLDER or FILE.
    """
    if not folder.is_dir():
        raise NotFound(f"{folder} is not a folder", reason="FOLDER", field=str(folder))
    for suffix in _SUFFIXES:
        path = folder / (name + suffix)
        if path.is_file():
            return path
    raise NotFound(
        f"{folder} has no {name}, nor {name}.zst or {name}.gz; an evaluation needs "
        "corpus.jsonl, queries.jsonl and qrels.tsv",
        reason="FILE",
        field=str(folder / name),
    )


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of each line that is not blank.

    Raises InvalidInput COMPRESSION or ENCODING for bytes that are no such text, NotFound
    FILE for a file that cannot be read.
    """
    number = 0
    with readable(path, lambda: f" after line {number}"), _open(path) as file:
        try:
            for number, line in enumerate(file, 1):
                text = line.decode()  # line by line, so that a bad byte has a line number
                if text.strip():
                    yield number, text.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"{path}:{number} is not UTF-8: {error}; convert the file first",
                reason="ENCODING",
                field=f"{path}:{number}",
            ) from error


@contextmanager
def readable(path: Path, so_far: Callable[[], str] = str) -> Iterator[None]:
    """Around reading: the system's errors and those of packed files become ours.

    so_far: where the reading was, for the message
    Raises NotFound FILE, InvalidInput COMPRESSION.
    """
    try:
        yield
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        found = str(error) or "it ends early"
        raise InvalidInput(
            f"{path} cannot be unpacked{so_far()}: {found}; copy the file again",
            reason="COMPRESSION",
            field=str(path),
        ) from error
    except OSError as error:
        raise NotFound(
            f"cannot read {path}: {error.strerror or error}", reason="FILE", field=str(path)
        ) from error


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(_Unpacked(path), 1 << 16)
    return path.open("rb")


class _Unpacked(io.RawIOBase):
    """A .zst file as raw bytes; raises EOFError where the file ends inside a frame.

    zstandard's own reader ends quietly on a truncated file, and half a corpus would be
    evaluated as if it were whole.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False  # whether the current frame has had any bytes
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower
        while not self._rest and self._more():
            pass
        size = min(len(self._rest), len(buffer))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()

    def _more(self) -> bool:
        """Unpacks the next piece; False at the file's end."""
        packed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:  # frames may follow each other (zstd -T, cat a.zst b.zst)
            self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = False
        packed = packed or self._file.read(1 << 17)
        if not packed:
            if self._begun:
                raise EOFError("the file ends inside a zstd frame")
            return False
        self._begun = True
        self._rest = self._frame.decompress(packed)
        return True
