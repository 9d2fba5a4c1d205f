"""CIFF's messages as bytes and back: protobuf's wire format by hand. Pure.

    message        fields                                    a run of bytes
    Header         1 version, 2 num_postings_lists,          08 .. 10 .. 18 ..
                   3 num_docs, and totals for people
    PostingsList   1 term, 2 df, 3 cf, 4 postings            0a .. 10 .. 18 .. 22 .. 22 ..
    Posting        1 gap to the docid before, 2 tf           22 len 08 gap 10 tf
    DocRecord      1 docid, 2 collection_docid, 3 doclength  08 .. 12 .. 18 ..

A number is a varint: 7 bits a byte, low bits first, the high bit says that more follow. A
list of postings is a run of varints, six a posting, which numpy takes apart without a loop;
whatever legal bytes have another shape go the slow way, field by field.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "WireError",
    "decode_fields",
    "decode_postings",
    "encode_header",
    "encode_list",
    "encode_record",
    "varint",
]

_Bytes = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.int64]

_VARINT, _FIXED64, _RUN, _FIXED32 = 0, 1, 2, 5
_PIECE = 1 << 20  # bytes of postings taken apart at once: the working arrays stay in cache
_POSTING, _GAP, _TF = 0x22, 0x08, 0x10
_WIDER = np.array([1 << 7, 1 << 14, 1 << 21, 1 << 28])  # the first numbers of 2, 3, 4, 5 bytes


class WireError(ValueError):
    """The bytes are no such message; says why, knows no place."""


def varint(number: int) -> bytes:
    """A number that is not negative, as a varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def decode_fields(data: bytes, start: int = 0, until: int = -1) -> Iterator[tuple[int, Any, int]]:
    """(field, value, position behind it) of each field of a message, whatever its type.

    Numbers come as int, runs as bytes, fixed widths as raw bytes. Stops before a field of
    the number `until`. Raises WireError.
    """
    position = start
    while position < len(data):
        tag, behind = _varint_at(data, position)
        field, kind = tag >> 3, tag & 7
        if field == until:
            return
        if kind == _VARINT:
            value, position = _varint_at(data, behind)
        else:
            size, behind = _size_of(data, kind, behind)
            position = behind + size
            if position > len(data):
                raise WireError(f"field {field} ends behind its message")
            value = data[behind:position]
        yield field, value, position


def decode_postings(data: bytes, start: int) -> tuple[_Numbers, _Numbers]:
    """(gaps, tfs) of the postings from `start` to the end of a PostingsList.

    The first gap is the first docid. Raises WireError.
    """
    if start == len(data):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # Writers leave out numbers that are 0, as the first gap may be: it goes the slow way.
    first_end = _run_end(data, start)
    gaps, tfs = [_slowly(data[start:first_end])[0]], [_slowly(data[start:first_end])[1]]
    run, position = np.frombuffer(data, np.uint8), first_end
    while position < len(run):
        fast = _regular(run[position : position + _PIECE])
        if fast is None:
            slow = _slowly(data[position:])
            gaps.append(slow[0])
            tfs.append(slow[1])
            break
        gaps.append(fast[0])
        tfs.append(fast[1])
        position += fast[2]
    return np.concatenate(gaps), np.concatenate(tfs)


def encode_header(lists: int, documents: int, terms: int, description: str) -> bytes:
    """A Header of version 1 of a whole collection; `terms` is the sum of all tf."""
    mean = terms / documents if documents else 0.0
    said = description.encode()
    return b"".join([
        b"\x08\x01\x10", varint(lists), b"\x18", varint(documents), b"\x20", varint(lists),
        b"\x28", varint(documents), b"\x30", varint(terms), b"\x39", struct.pack("<d", mean),
        b"\x42", varint(len(said)), said,
    ])  # fmt: skip


def encode_list(term: str, documents: _Numbers, tfs: _Numbers) -> bytes:
    """A PostingsList of rising document numbers."""
    name = term.encode()
    head = [b"\x0a", varint(len(name)), name, b"\x10", varint(len(documents))]
    head += [b"\x18", varint(int(tfs.sum()))]
    return b"".join(head) + _encode_postings(np.diff(documents, prepend=0), tfs)


def encode_record(number: int, identity: str, length: int) -> bytes:
    """A DocRecord."""
    name = identity.encode()
    return b"".join([
        b"\x08", varint(number), b"\x12", varint(len(name)), name, b"\x18", varint(length),
    ])  # fmt: skip


def _encode_postings(gaps: _Numbers, tfs: _Numbers) -> bytes:
    wide, high = _widths(gaps), _widths(tfs)
    sizes = 4 + wide + high
    at = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), np.uint8)
    out[at] = _POSTING
    out[at + 1] = 2 + wide + high
    out[at + 2] = _GAP
    _put(out, at + 3, gaps, wide)
    out[at + 3 + wide] = _TF
    _put(out, at + 4 + wide, tfs, high)
    return out.tobytes()


def _widths(numbers: _Numbers) -> _Numbers:
    """Bytes of each number as a varint."""
    return 1 + np.searchsorted(_WIDER, numbers, side="right")


def _put(out: _Bytes, at: _Numbers, numbers: _Numbers, widths: _Numbers) -> None:
    for place in range(int(widths.max(initial=0))):
        those = widths > place
        bits = numbers[those] >> 7 * place & 0x7F
        out[at[those] + place] = bits | np.where(widths[those] > place + 1, 0x80, 0)


def _regular(piece: _Bytes) -> tuple[_Numbers, _Numbers, int] | None:
    """(gaps, tfs, bytes used) of the whole postings in a piece; None for another shape."""
    ends = np.flatnonzero(piece < 0x80)
    count = len(ends) // 6
    if not count:
        return None
    ends = ends[: count * 6]
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    start, end = starts.reshape(-1, 6), ends.reshape(-1, 6)
    fits = (
        (piece[start[:, 0]] == _POSTING).all()
        and (piece[start[:, 1]] == end[:, 5] - end[:, 1]).all()
        and (piece[start[:, 2]] == _GAP).all()
        and (piece[start[:, 4]] == _TF).all()
    )
    if not fits:
        return None
    gaps = _varints(piece, start[:, 3], end[:, 3])
    tfs = _varints(piece, start[:, 5], end[:, 5])
    return gaps, tfs, int(ends[-1]) + 1


def _varints(piece: _Bytes, starts: _Numbers, ends: _Numbers) -> _Numbers:
    widths = ends - starts
    if widths.max() > 4:
        raise WireError("a posting has a negative number, or one above 2^31")
    numbers = (piece[starts] & 0x7F).astype(np.int64)
    for place in range(1, int(widths.max()) + 1):
        those = np.flatnonzero(widths >= place)
        numbers[those] |= (piece[starts[those] + place] & 0x7F).astype(np.int64) << 7 * place
    return numbers


def _slowly(data: bytes) -> tuple[_Numbers, _Numbers]:
    """(gaps, tfs) of postings in any legal shape."""
    pairs = []
    for field, value, _ in decode_fields(data):
        if field == 4:
            posting = {name: number for name, number, _ in decode_fields(value)}
            pairs.append((posting.get(1, 0), posting.get(2, 0)))
    if not all(0 <= number < 1 << 31 for pair in pairs for number in pair):
        raise WireError("a posting has a negative number, or one above 2^31")
    numbers = np.array(pairs, np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _run_end(data: bytes, start: int) -> int:
    """Where the field that starts here ends."""
    return next(decode_fields(data, start))[2]


def _size_of(data: bytes, kind: int, position: int) -> tuple[int, int]:
    """(bytes of a value that is no varint, where it starts)."""
    if kind == _RUN:
        return _varint_at(data, position)
    sizes = {_FIXED64: 8, _FIXED32: 4}
    if kind not in sizes:
        raise WireError(f"a field has the wire type {kind}")
    return sizes[kind], position


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise WireError("a number has more than ten bytes")
    raise WireError("a number ends behind its message")
