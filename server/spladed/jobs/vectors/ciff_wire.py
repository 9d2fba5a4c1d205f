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
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "WireError",
    "decode_fields",
    "decode_header",
    "decode_list",
    "decode_record",
    "encode_header",
    "encode_lists",
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


def decode_header(data: bytes) -> tuple[int, int, int]:
    """(version, number of lists, number of documents); raises WireError."""
    said = {field: value for field, value, _ in decode_fields(data)}
    version, lists, documents = (said.get(field, 0) for field in (1, 2, 3))
    if not all(type(each) is int and each < 1 << 31 for each in (version, lists, documents)):
        raise WireError("its numbers are no numbers")
    return version, lists, documents


def decode_list(data: bytes) -> tuple[str, int, _Numbers, _Numbers]:
    """(term, df, gaps, tfs) of a PostingsList; the first gap is a docid. Raises WireError."""
    said: dict[int, Any] = {}
    behind = 0
    for field, value, behind in decode_fields(data, until=4):  # noqa: B007  # the last one holds
        said[field] = value
    term, df = said.get(1, b""), said.get(2, 0)
    if type(term) is not bytes or type(df) is not int:
        raise WireError("its term is no string, or its df no number")
    try:
        return term.decode(), df, *_decode_postings(data, behind)
    except UnicodeDecodeError as error:
        raise WireError(f"its term is not UTF-8: {error}") from error


def decode_record(data: bytes, expected: int) -> tuple[int, bytes]:
    """(docid, collection_docid) of a DocRecord; fast where the docid is the expected one.

    Raises WireError.
    """
    head = b"\x08" + varint(expected) + b"\x12"
    behind = len(head) + 1
    if data.startswith(head) and behind <= len(data) and data[behind - 1] < 0x80:
        end = behind + data[behind - 1]
        if end == len(data) or data[end : end + 1] == b"\x18":
            return expected, data[behind:end]
    said = {field: value for field, value, _ in decode_fields(data)}
    number, name = said.get(1, 0), said.get(2, b"")
    if type(number) is not int or type(name) is not bytes:
        raise WireError("its docid is no number, or its id no string")
    return number, name


def encode_header(lists: int, documents: int, terms: int, description: str) -> bytes:
    """A Header of version 1 of a whole collection; `terms` is the sum of all tf."""
    mean = terms / documents if documents else 0.0
    said = description.encode()
    return b"".join([
        b"\x08\x01\x10", varint(lists), b"\x18", varint(documents), b"\x20", varint(lists),
        b"\x28", varint(documents), b"\x30", varint(terms), b"\x39", struct.pack("<d", mean),
        b"\x42", varint(len(said)), said,
    ])  # fmt: skip


def encode_lists(
    names: Sequence[str], starts: _Numbers, documents: _Numbers, tfs: _Numbers
) -> Iterator[bytes]:
    """A PostingsList a name; that of names[i] has the postings [starts[i], starts[i + 1]).

    Documents rise within a list. Postings of all lists are encoded at once.
    """
    gaps = np.diff(documents, prepend=0)
    gaps[starts[:-1]] = documents[starts[:-1]]
    postings, ends = _encode_postings(gaps, tfs)
    totals = np.diff(np.concatenate([[0], np.cumsum(tfs)])[starts])
    bounds = np.concatenate([[0], ends])[starts]
    for number, name in enumerate(names):
        term = name.encode()
        df = int(starts[number + 1] - starts[number])
        head = [b"\x0a", varint(len(term)), term, b"\x10", varint(df)]
        head += [b"\x18", varint(int(totals[number]))]
        yield b"".join(head) + postings[bounds[number] : bounds[number + 1]].tobytes()


def encode_record(number: int, identity: str, length: int) -> bytes:
    """A DocRecord."""
    name = identity.encode()
    return b"".join([
        b"\x08", varint(number), b"\x12", varint(len(name)), name, b"\x18", varint(length),
    ])  # fmt: skip


def _decode_postings(data: bytes, start: int) -> tuple[_Numbers, _Numbers]:
    """(gaps, tfs) of the postings from `start` to the end of a PostingsList."""
    if start == len(data):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # Writers leave out numbers that are 0, as the first gap may be: it goes the slow way.
    position = next(decode_fields(data, start))[2]
    parts = [_slowly(data[start:position])]
    run = np.frombuffer(data, np.uint8)
    while position < len(run):
        fast = _regular(run[position : position + _PIECE])
        if fast is None:
            parts.append(_slowly(data[position:]))
            break
        parts.append(fast[:2])
        position += fast[2]
    return np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts])


def _encode_postings(gaps: _Numbers, tfs: _Numbers) -> tuple[_Bytes, _Numbers]:
    """(the bytes, where each posting ends)."""
    wide, high = _widths(gaps), _widths(tfs)
    sizes = 4 + wide + high
    ends = np.cumsum(sizes)
    at = ends - sizes
    out = np.empty(int(sizes.sum()), np.uint8)
    out[at] = _POSTING
    out[at + 1] = 2 + wide + high
    out[at + 2] = _GAP
    _put(out, at + 3, gaps, wide)
    out[at + 3 + wide] = _TF
    _put(out, at + 4 + wide, tfs, high)
    return out, ends


def _widths(numbers: _Numbers) -> _Numbers:
    """Bytes of each number as a varint."""
    return 1 + np.searchsorted(_WIDER, numbers, side="right")


def _put(out: _Bytes, at: _Numbers, numbers: _Numbers, widths: _Numbers) -> None:
    out[at] = numbers & 0x7F | np.where(widths > 1, 0x80, 0)
    for place in range(1, int(widths.max(initial=0))):
        those = np.flatnonzero(widths > place)
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
        if field == 4 and type(value) is bytes:
            posting = {name: number for name, number, _ in decode_fields(value)}
            pairs.append((posting.get(1, 0), posting.get(2, 0)))
    flat = [number for pair in pairs for number in pair]
    if not all(type(number) is int and number < 1 << 31 for number in flat):
        raise WireError("a posting has a negative number, or one above 2^31")
    numbers = np.array(pairs, np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


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
