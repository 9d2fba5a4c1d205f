"""Named arrays as bytes, each with its checksum: the shape of segment files and of batches.

    offset  bytes  what
    0       16     head: "spladed\\0", uint32 format version, 4 bytes zero
    64 * i         sections, in the order written, zeros between them
    64 * i  80 * e table: an entry a section: name (48, UTF-8), dtype (8), offset, bytes,
                   xxh3_64 of the bytes (uint64 each)
    -32     32     trailer: xxh3_64 of the table, its offset, uint32 entries, uint32 format
                   version, "spladed\\0"

All numbers little endian; the whole is a multiple of 16 bytes long. The table stands behind,
so that a file is written from front to back without knowing its length; a file that was cut
has no trailer. Pure: bytes in and out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from spladed.errors import Corrupt, Mismatch

__all__ = ["FORMAT_VERSION", "Container", "to_bytes", "write"]

FORMAT_VERSION = 1
_MAGIC = b"spladed\0"
_HEAD = struct.Struct("<8sI4x")
_TRAILER = struct.Struct("<QQII8s")
_ENTRY = np.dtype(
    [("name", "S48"), ("dtype", "S8"), ("offset", "<u8"), ("bytes", "<u8"), ("checksum", "<u8")]
)
_ALIGNMENT = 64

Section = tuple[str, npt.NDArray[Any]]


def write(sections: Iterable[Section], append: Callable[[Any], None]) -> None:
    """Append the bytes of a container; sections may be made while they are written."""
    append(_HEAD.pack(_MAGIC, FORMAT_VERSION))
    place, entries = _HEAD.size, []
    for name, array in sections:
        data = _bytes(array)
        append(bytes(-place % _ALIGNMENT))
        place += -place % _ALIGNMENT
        append(data)
        dtype = array.dtype.newbyteorder("<").str
        entries.append((name.encode(), dtype, place, len(data), xxh3_64_intdigest(data)))
        place += len(data)
    table = np.array(entries, _ENTRY).tobytes()
    append(bytes(-place % _ALIGNMENT))
    place += -place % _ALIGNMENT
    append(table)
    checksum = xxh3_64_intdigest(table)
    append(_TRAILER.pack(checksum, place, len(entries), FORMAT_VERSION, _MAGIC))


def to_bytes(sections: Iterable[Section]) -> bytes:
    """A container in memory."""
    pieces: list[Any] = []
    write(sections, pieces.append)
    return b"".join(pieces)  # each byte is copied once, to its place


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return array.view(np.uint8).data if len(array) else memoryview(b"")


class Container:
    """The sections of some bytes; raises Corrupt or Mismatch that name `where`.

    data:  uint8 [bytes], from memory or mapped from a file
    where: what the bytes are, for errors
    """

    def __init__(self, data: npt.NDArray[np.uint8], where: str) -> None:
        self.data = data
        self.where = where
        self._entries = {entry[0]: entry[1:] for entry in self._table()}

    @classmethod
    def of(cls, data: bytes, where: str) -> Container:
        """The container in these bytes."""
        return cls(np.frombuffer(data, np.uint8), where)

    @property
    def names(self) -> list[str]:
        """The sections' names, in the order written."""
        return list(self._entries)

    @property
    def fingerprint(self) -> int:
        """The table's checksum, which follows from every byte of every section."""
        return self._trailer()[0]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """One section's array, a view of the data."""
        dtype, offset, size, _ = self._entry(name)
        return self.data[offset : offset + size].view(dtype)

    def offset(self, name: str) -> int:
        """Where the section starts, in bytes."""
        return self._entry(name)[1]

    def size(self, name: str) -> int:
        """The section's length in bytes."""
        return self._entry(name)[2]

    def verify(self, name: str) -> None:
        """Raises Corrupt CHECKSUM if the section is not what was written."""
        _, offset, size, checksum = self._entry(name)
        if xxh3_64_intdigest(self.data[offset : offset + size].data) != checksum:
            raise self._corrupt(f"section {name} does not have its checksum", "CHECKSUM")

    def unclean(self) -> list[str]:
        """The sections, and `table`, before which something else stands than zeros."""
        places = [(name, *self._entries[name][1:3]) for name in self.names]
        found, stop = [], _HEAD.size - 4
        for name, start, size in [*places, ("table", self._trailer()[1], 0)]:
            if self.data[stop:start].any():
                found.append(name)
            stop = start + size
        return found

    def _trailer(self) -> tuple[int, int, int, int, bytes]:
        return _TRAILER.unpack(bytes(self.data[-_TRAILER.size :]))

    def _entry(self, name: str) -> tuple[np.dtype[Any], int, int, int]:
        try:
            return self._entries[name]
        except KeyError:
            raise self._corrupt(f"has no section {name}", "SECTION") from None

    def _table(self) -> list[tuple[str, np.dtype[Any], int, int, int]]:
        data = self.data
        if len(data) < _HEAD.size + _TRAILER.size or bytes(data[:8]) != _MAGIC:
            raise self._corrupt("does not start as a file of spladed's", "FOREIGN")
        _, version = _HEAD.unpack(bytes(data[: _HEAD.size]))
        if version != FORMAT_VERSION:
            raise Mismatch(
                f"{self.where} has format version {version}, this spladed reads {FORMAT_VERSION}",
                reason="FORMAT_VERSION",
            )
        trailer = _TRAILER.unpack(bytes(data[-_TRAILER.size :]))
        checksum, start, count, again, magic = trailer
        stop = len(data) - _TRAILER.size
        if (magic, again) != (_MAGIC, version) or start + count * _ENTRY.itemsize != stop:
            raise self._corrupt("is cut short, or longer than it was written", "TRUNCATED")
        table = data[start:stop]
        if xxh3_64_intdigest(table.data) != checksum:
            raise self._corrupt("has a table that is not what was written", "CHECKSUM")
        return [
            (name.decode(), np.dtype(dtype.decode("ascii")), offset, size, digest)
            for name, dtype, offset, size, digest in table.view(_ENTRY).tolist()
        ]

    def _corrupt(self, message: str, reason: str) -> Corrupt:
        return Corrupt(f"{self.where} {message}; restore it from a backup", reason=reason)
