"""`SparseBatch` <-> protobuf, without a Python loop over weights.

A packed repeated fixed32 or float has, on the wire, the same bytes as a `bytes` field of
the same number. So a second set of message classes, `view`, is derived from the contract's
own descriptors with those fields turned into `bytes`; a little-endian array becomes a
message by handing over its memory (0.7 us against 26 us for 150 weights). And a message
within another has the bytes of a `bytes` field: so the results of a search are serialised
one by one, where they are found.

Reading must accept what proto3 allows (unpacked, split): the public classes parse, their
canonical bytes are then read through the view.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor

from spladed.errors import InvalidInput
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2, sparse_pb2

__all__ = ["read_batch", "view", "write_batch"]

if sys.byteorder != "little":
    raise ImportError("spladed's wire format needs a little-endian machine")

# The fields that are bytes in the view, by message.
_RAW = {"SparseBatch": ("indptr", "indices", "values"), "SearchResponse": ("results",)}


def _derive(files: tuple[FileDescriptor, ...]) -> SimpleNamespace:
    """Message classes of these files in a pool of their own, some fields as bytes."""
    pool = descriptor_pool.DescriptorPool()
    names: list[str] = []
    for file in files:
        names += _add(pool, file)
    classes = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"spladed.v1.{name}"))
        for name in names
    }
    return SimpleNamespace(**classes)


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor) -> list[str]:
    """Adds a file after its imports; returns the names of its messages."""
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        for imported in file.dependencies:
            _add(pool, imported)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        _to_bytes(proto)
        pool.AddSerializedFile(proto.SerializeToString())
    return list(file.message_types_by_name)


def _to_bytes(proto: descriptor_pb2.FileDescriptorProto) -> None:
    for message in proto.message_type if proto.package == "spladed.v1" else ():
        for field in message.field:
            if field.name in _RAW.get(message.name, ()):
                if field.type != descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE:
                    field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")


# Typed as Any: the classes mirror spladed.v1 and exist only at run time.
view: Any = _derive((sparse_pb2.DESCRIPTOR, encoder_pb2.DESCRIPTOR, index_pb2.DESCRIPTOR))


def write_batch(batch: SparseBatch) -> Any:
    """The batch as a `view.SparseBatch`, to stand in another `view` message.

    Raises InvalidInput for more than 2^32 - 1 weights, which fixed32 offsets cannot count.
    """
    if batch.nnz > 0xFFFFFFFF:
        raise InvalidInput(
            f"a batch of {batch.nnz} weights does not fit one message; send fewer rows",
            reason="VECTOR_LENGTHS",
            field="vectors",
        )
    return view.SparseBatch(
        dimension=batch.dimension,
        indptr=batch.indptr.astype("<u4").tobytes(),
        indices=batch.indices.astype("<u4").tobytes(),
        values=batch.values.astype("<f4", copy=False).tobytes(),
    )


def read_batch(message: sparse_pb2.SparseBatch, field: str) -> SparseBatch:
    """The batch in a message, every invariant of SparseBatch checked.

    An absent indptr means no rows. The arrays of indices and values share the message's
    memory and are read-only. Raises InvalidInput naming `field`.
    """
    raw = view.SparseBatch.FromString(message.SerializeToString())
    indptr = _array(raw.indptr, "<u4").astype(np.int64)
    indices = _array(raw.indices, "<u4")
    _check_ids(indices, field)
    return SparseBatch(
        message.dimension,
        indptr if len(indptr) else np.zeros(1, np.int64),
        indices.view(np.int32),
        _array(raw.values, "<f4"),
    ).checked(field)


def _array(raw: bytes, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(raw, dtype)


def _check_ids(indices: npt.NDArray[np.uint32], field: str) -> None:
    """Ids of 2^31 and above would turn negative as int32: name them as they were sent."""
    if len(indices) and indices.max() > 0x7FFFFFFF:
        position = int(np.argmax(indices > 0x7FFFFFFF))
        raise InvalidInput(
            f"{field}.indices[{position}] is {indices[position]}; expected an index below "
            f"{field}.dimension",
            reason="VECTOR_INDEX_RANGE",
            field=f"{field}.indices",
        )
