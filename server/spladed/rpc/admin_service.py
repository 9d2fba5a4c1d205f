"""The Admin service: aliases and draining."""

from __future__ import annotations

import asyncio
from functools import partial

from spladed.errors import Unimplemented
from spladed.index.collections import Collections
from spladed.rpc.encoding import Encodings
from spladed.rpc.threads import Threads
from spladed.v1 import admin_pb2 as pb

__all__ = ["AdminService"]


class AdminService:
    """The methods of spladed.v1.Admin that are built.

    Flush is not: it promises a segment on disk, which the first storage does not have.
    """

    def __init__(
        self,
        encodings: Encodings,
        collections: Collections | None,
        threads: Threads,
        stopping: asyncio.Event,
    ) -> None:
        self._encodings = encodings
        self._collections = collections
        self._threads = threads
        self._stopping = stopping

    async def set_alias(self, request: pb.SetAliasRequest) -> pb.SetAliasResponse:
        """Points an alias at a collection, durably, or at a bundle, until the server ends
        (as the bundles themselves are told to it at each start); without a target the alias
        is removed, of whichever it is."""
        target = request.WhichOneof("target")
        if target == "bundle":
            self._encodings.set_alias(request.alias, request.bundle)
        elif target == "collection":
            await self._set_alias(request.alias, request.collection)
        else:
            self._encodings.remove_alias(request.alias)
            await self._remove_alias(request.alias)
        return pb.SetAliasResponse()

    async def drain(self, _: pb.DrainRequest) -> pb.DrainResponse:
        """Does what SIGTERM does."""
        self._stopping.set()
        return pb.DrainResponse()

    async def _set_alias(self, alias: str, name: str) -> None:
        if self._collections is None:
            raise Unimplemented(
                "this server encodes and has no index; start it with --data to serve collections",
                reason="NO_INDEX",
                field="collection",
            )
        await self._written(partial(self._collections.set_alias, alias, name))

    async def _remove_alias(self, alias: str) -> None:
        if self._collections is not None:
            await self._written(partial(self._collections.remove_alias, alias))

    async def _written(self, work: partial[None]) -> None:
        await asyncio.shield(self._threads.write(work))
