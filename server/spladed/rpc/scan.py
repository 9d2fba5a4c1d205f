"""The pages of a Scan."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from spladed.index.collection import Collection
from spladed.index.scan import Scan
from spladed.rpc.cursor import read_cursor, write_cursor
from spladed.rpc.documents import wants_documents, write_page
from spladed.rpc.filters import read_filter
from spladed.rpc.threads import Threads
from spladed.settings import Limits
from spladed.v1 import index_pb2 as pb

__all__ = ["pages"]

# A number costs 3 bytes in a JSON list ("1, ") and 11 in a Struct's; nothing grows more.
# So a page of this share of a reply fits, whatever its metadata, or has one document.
_SHARE_OF_REPLY = 4


async def pages(
    collection: Collection, request: pb.ScanRequest, threads: Threads, limits: Limits
) -> AsyncGenerator[Any, None]:
    """ScanResponses by rising seq, all of one generation; where nothing is left, one without
    documents that tells the generation."""
    scan = _scan(collection, request)
    next_page = partial(_next_page, scan, collection.name, request.projection, limits)
    try:
        # In threads whole: sizes, SQLite and messages take milliseconds a page.
        page = await threads.read_whole(next_page)
        yield page
        while page.documents:
            page = await threads.read_whole(next_page)
            if page.documents:
                yield page
    finally:
        await threads.read_whole(scan.close)


def _scan(collection: Collection, request: pb.ScanRequest) -> Scan:
    wanted, fields = request.projection, collection.settings.fields
    return collection.scan(
        read_cursor(collection.name, request.cursor),
        keep=read_filter(request.filter, fields) if request.HasField("filter") else None,
        with_vectors=wanted.vectors,
        with_documents=wants_documents(wanted),
    )


def _next_page(scan: Scan, name: str, wanted: pb.Projection, limits: Limits) -> Any:
    page = scan.page(
        max_documents=limits.max_documents, max_bytes=limits.max_reply_bytes // _SHARE_OF_REPLY
    )
    return write_page(page, wanted, write_cursor(name, page.last_seq))
