"""Named arrays come back as they were written, or are refused by name."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spladed.errors import Corrupt, Mismatch, SpladedError
from spladed.index import container
from spladed.index.container import Container, to_bytes

Arrays = list[tuple[str, npt.NDArray[Any]]]

HEAD, TRAILER, ENTRY = 16, 32, 80
DTYPES = ["u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8", ">u2", ">i8", "?"]
arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, st.integers(0, 40)))
sections = st.dictionaries(st.text("abc/é-_ 0", min_size=1, max_size=24), arrays, max_size=6).map(
    lambda made: list(made.items())
)

SMALL: Arrays = [
    ("meta", np.frombuffer(b"{}", np.uint8)),
    ("none", np.empty(0, np.float32)),
    ("w0/rows", np.arange(40, dtype=np.uint16)),
    ("seqs", np.array([3, 1 << 40], np.int64)),
]


def bytes_of(array: npt.NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def read_all(data: bytes) -> dict[str, bytes]:
    """Every section, each checked first."""
    stored = Container.of(data, "the file")
    for name in stored.names:
        stored.verify(name)
    return {name: stored[name].tobytes() for name in stored.names}


@settings(deadline=None)
@given(sections)
def test_arrays_come_back_bit_for_bit_little_endian_each_at_a_multiple_of_64(made: Arrays) -> None:
    data = to_bytes(made)
    assert len(data) % 16 == 0
    stored = Container.of(data, "the file")
    assert stored.names == [name for name, _ in made]
    for name, array in made:
        stored.verify(name)
        found = stored[name]
        assert found.dtype == array.dtype.newbyteorder("<")
        assert found.tobytes() == bytes_of(array)
        assert stored.offset(name) % 64 == 0
        assert stored.size(name) == array.nbytes
        assert name in stored


def test_what_is_written_in_pieces_is_what_is_written_at_once() -> None:
    pieces: list[bytes] = []
    container.write(iter(SMALL), lambda data: pieces.append(bytes(data)))
    assert b"".join(pieces) == to_bytes(SMALL)


def test_a_section_is_a_view_that_nobody_can_write() -> None:
    data = np.frombuffer(to_bytes(SMALL), np.uint8)
    array = Container(data, "the file")["w0/rows"]
    assert np.shares_memory(array, data)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_strided_arrays_are_written_as_what_they_show() -> None:
    every_other = np.arange(10, dtype=np.int32)[::2]
    assert read_all(to_bytes([("a", every_other)]))["a"] == every_other.tobytes()


def test_every_truncation_is_refused_by_name() -> None:
    data = to_bytes(SMALL)
    for length in range(len(data)):
        with pytest.raises(Corrupt, match=r"the file .*; restore it from a backup") as caught:
            Container.of(data[:length], "the file")
        assert caught.value.reason in ("FOREIGN", "TRUNCATED", "CHECKSUM")


@pytest.mark.parametrize("more", [b"\0", bytes(16), b"x" * 80, bytes(to_bytes(SMALL))])
def test_a_file_that_is_longer_than_it_was_written_is_refused(more: bytes) -> None:
    with pytest.raises(Corrupt):
        read_all(to_bytes(SMALL) + more)


def test_every_flipped_bit_is_refused_by_name_or_lies_where_nothing_is_written() -> None:
    data = to_bytes(SMALL)
    whole, unused = read_all(data), padding_of(data)
    for position in range(len(data)):
        for bit in (0, 7):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            if position in unused:
                assert read_all(bytes(changed)) == whole
                continue
            with pytest.raises((Corrupt, Mismatch), match="the file"):
                read_all(bytes(changed))


def padding_of(data: bytes) -> set[int]:
    """The bytes that stand for nothing: of the head, and between sections."""
    stored = Container.of(data, "the file")
    used = [range(12), range(len(data) - TRAILER - ENTRY * len(stored.names), len(data))]
    for name in stored.names:
        used.append(range(stored.offset(name), stored.offset(name) + stored.size(name)))
    return set(range(len(data))).difference(*used)


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"", Corrupt, "FOREIGN"),
        (b"SQLite format 3\0" * 20, Corrupt, "FOREIGN"),
        (bytes(400), Corrupt, "FOREIGN"),
        (b"spladed\0", Corrupt, "FOREIGN"),
        (b"spladed\0" + struct.pack("<I4x", 1) + bytes(384), Corrupt, "TRUNCATED"),
        (b"spladed\0" + struct.pack("<I4x", 2) + bytes(384), Mismatch, "FORMAT_VERSION"),
        (b"spladed\0" + struct.pack("<I4x", 0) + bytes(384), Mismatch, "FORMAT_VERSION"),
    ],
)
def test_foreign_bytes_and_other_versions_are_refused(
    data: bytes, error: type[SpladedError], reason: str
) -> None:
    with pytest.raises(error, match="the file") as caught:
        Container.of(data, "the file")
    assert caught.value.reason == reason


def test_a_newer_format_is_refused_by_its_number() -> None:
    data = bytearray(to_bytes(SMALL))
    for place in (8, len(data) - 12):
        data[place : place + 4] = struct.pack("<I", 7)
    with pytest.raises(Mismatch, match="the file has format version 7, this spladed reads 1"):
        Container.of(bytes(data), "the file")


def test_a_section_that_is_not_there_is_named() -> None:
    stored = Container.of(to_bytes(SMALL), "the file")
    assert "w1/rows" not in stored
    for ask in (lambda: stored["w1/rows"], lambda: stored.verify("w1/rows")):
        with pytest.raises(Corrupt, match=r"the file has no section w1/rows") as caught:
            ask()
        assert caught.value.reason == "SECTION"


def test_the_fingerprint_follows_from_every_byte() -> None:
    prints = {Container.of(to_bytes(SMALL), "").fingerprint}
    for number, (name, array) in enumerate(SMALL):
        for other in ((name + "x", array), (name, array[:-1]), (name, array + 1)):
            changed = [*SMALL[:number], other, *SMALL[number + 1 :]]
            prints.add(Container.of(to_bytes(changed), "").fingerprint)
    # Nothing less and nothing more than nothing is the same.
    assert len(prints) == 1 + 3 * len(SMALL) - 2


def test_no_sections_are_a_container_too() -> None:
    assert Container.of(to_bytes([]), "the file").names == []
