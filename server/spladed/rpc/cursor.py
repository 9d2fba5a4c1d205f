"""Cursors of Scan: opaque to callers, a seq and a mark of the collection to us.

The mark keeps a cursor from going on in another collection when an alias has moved
between two scans: it would leave documents out without a word.
"""

from __future__ import annotations

import re
from zlib import crc32

from spladed.errors import InvalidInput

__all__ = ["START", "read_cursor", "write_cursor"]

# The seq before the first one.
START = -1
_CURSOR = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{8})", re.ASCII)


def write_cursor(collection: str, seq: int) -> str:
    """The cursor behind this seq of this collection; empty at the start."""
    return "" if seq == START else f"{seq:x}-{_mark(collection)}"


def read_cursor(collection: str, cursor: str) -> int:
    """The seq to go on after; raises InvalidInput CURSOR for what this collection never gave."""
    if not cursor:
        return START
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[1], 16) >= 1 << 63:
        raise _wrong(f"cursor is {cursor[:40]!r}, which no Scan has given")
    if found[2] != _mark(collection):
        raise _wrong(f"the cursor {cursor} is of another collection than {collection}")
    return int(found[1], 16)


def _mark(collection: str) -> str:
    return f"{crc32(collection.encode()):08x}"


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(
        f"{message}; send one that a page carried, or none to start at the beginning",
        reason="CURSOR",
        field="cursor",
    )
