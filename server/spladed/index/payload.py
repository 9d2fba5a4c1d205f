"""Text and metadata of a document as stored bytes: one zstd frame, with its checksum.

Inside: uint32 the length of the text in UTF-8, the text, the metadata in UTF-8.
"""

from __future__ import annotations

import struct
import threading

import zstandard

from spladed.errors import Corrupt
from spladed.index.values import Document

__all__ = ["decode", "encode"]

_LENGTH = struct.Struct("<I")
# The lowest level: texts are short, and each is compressed while a writer waits.
_LEVEL = 1


class _Codec(threading.local):
    """zstandard's objects serve one thread each."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


_codec = _Codec()


def encode(document: Document, *, store_text: bool) -> bytes:
    """The document's payload; empty where there is nothing to store."""
    text = document.text.encode() if store_text else b""
    metadata = document.metadata.encode()
    if not text and not metadata:
        return b""
    return _codec.compressor.compress(_LENGTH.pack(len(text)) + text + metadata)


def decode(payload: bytes, where: str) -> tuple[str, str]:
    """(text, metadata); raises Corrupt PAYLOAD that names `where`."""
    try:
        content = _codec.decompressor.decompress(payload)
        (length,) = _LENGTH.unpack_from(content)
        text = content[_LENGTH.size : _LENGTH.size + length].decode()
        return text, content[_LENGTH.size + length :].decode()
    except (zstandard.ZstdError, struct.error, UnicodeDecodeError) as error:
        message = f"{where} has a stored text that is not what was written; restore a backup"
        raise Corrupt(message, reason="PAYLOAD") from error
