from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.rpc.wire import read_batch, view, write_batch
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2, sparse_pb2

BATCH = SparseBatch.from_rows(300, [([1, 7, 299], [0.5, 1.25, 3.0]), ([], []), ([0], [2.0])])


def typed(batch: SparseBatch) -> sparse_pb2.SparseBatch:
    return sparse_pb2.SparseBatch(
        dimension=batch.dimension,
        indptr=batch.indptr.tolist(),
        indices=batch.indices.tolist(),
        values=batch.values.tolist(),
    )


def assert_equal(left: SparseBatch, right: SparseBatch) -> None:
    assert left.dimension == right.dimension
    for name in ("indptr", "indices", "values"):
        ours, theirs = getattr(left, name), getattr(right, name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


@given(
    st.lists(
        st.dictionaries(st.integers(0, 299), st.floats(0.0625, 9_999, width=32), max_size=20),
        max_size=5,
    )
)
def test_the_bytes_written_are_those_of_the_public_message(rows: list[dict[int, float]]) -> None:
    batch = SparseBatch.from_rows(
        300, [(sorted(row), [row[term] for term in sorted(row)]) for row in rows]
    )
    raw = write_batch(batch).SerializeToString()
    assert raw == typed(batch).SerializeToString()
    assert_equal(read_batch(sparse_pb2.SparseBatch.FromString(raw), "v"), batch)


def test_whole_replies_have_the_bytes_of_the_public_message() -> None:
    plain = encoder_pb2.EncodeResponse(
        vectors=typed(BATCH), token_counts=[3, 0, 700], truncated=[False, True, False], space_id="s"
    )
    fast = view.EncodeResponse(
        vectors=write_batch(BATCH),
        token_counts=[3, 0, 700],
        truncated=[False, True, False],
        space_id="s",
    )
    assert fast.SerializeToString() == plain.SerializeToString()


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def unpacked() -> bytes:
    """BATCH with every number in a field of its own, which proto3 readers must accept."""
    raw = b"\x0d" + np.uint32(BATCH.dimension).tobytes()
    for number, array in ((2, BATCH.indptr), (3, BATCH.indices)):
        for each in array.astype("<u4"):
            raw += varint(number << 3 | 5) + each.tobytes()
    for each in BATCH.values:
        raw += varint(4 << 3 | 5) + each.tobytes()
    return raw


def split() -> bytes:
    """BATCH with each packed field in two pieces, the pieces of all fields interleaved."""
    raw = b"\x0d" + np.uint32(BATCH.dimension).tobytes()
    fields = ((2, BATCH.indptr, "<u4"), (3, BATCH.indices, "<u4"), (4, BATCH.values, "<f4"))
    for half in (0, 1):
        for number, array, dtype in fields:
            piece = np.array_split(array.astype(dtype), 2)[half].tobytes()
            raw += varint(number << 3 | 2) + varint(len(piece)) + piece
    return raw


@pytest.mark.parametrize("encode", [unpacked, split])
def test_legal_encodings_that_nobody_writes_are_read_right(encode: object) -> None:
    message = sparse_pb2.SparseBatch.FromString(encode())  # type: ignore[operator]
    assert_equal(read_batch(message, "v"), BATCH)


def test_an_index_that_would_turn_negative_is_named_as_it_was_sent() -> None:
    message = sparse_pb2.SparseBatch(
        dimension=2**32 - 1, indptr=[0, 1], indices=[2**31], values=[1.0]
    )
    with pytest.raises(InvalidInput, match=r"v.indices\[0\] is 2147483648"):
        read_batch(message, "v")


def test_a_message_without_offsets_has_no_rows() -> None:
    assert len(read_batch(sparse_pb2.SparseBatch(dimension=5), "v")) == 0


def test_the_view_has_every_message_of_the_contract() -> None:
    for file in (sparse_pb2.DESCRIPTOR, encoder_pb2.DESCRIPTOR, index_pb2.DESCRIPTOR):
        for name in file.message_types_by_name:
            assert hasattr(view, name)
