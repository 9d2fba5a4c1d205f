"""The Admin service: upkeep of collections, aliases, draining."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from spladed.errors import Mismatch, Unimplemented
from spladed.index.collection import Collection
from spladed.index.collections import Collections
from spladed.rpc.below import folder_below
from spladed.rpc.bundles import Bundles
from spladed.rpc.encoding import Encodings
from spladed.rpc.threads import Threads
from spladed.v1 import admin_pb2 as pb

__all__ = ["AdminService", "destination_below"]

T = TypeVar("T")


class AdminService:
    """The methods of spladed.v1.Admin that are built.

    backups: the folder below which backups go; empty refuses them
    """

    def __init__(
        self,
        encodings: Encodings,
        collections: Collections | None,
        threads: Threads,
        stopping: asyncio.Event,
        backups: str,
        bundles: Bundles,
    ) -> None:
        self._encodings = encodings
        self._collections = collections
        self._threads = threads
        self._stopping = stopping
        self._backups = backups
        self._bundles = bundles
        self._one_long = asyncio.Lock()

    async def flush(self, request: pb.FlushRequest) -> pb.FlushResponse:
        """Writes the buffer to a segment file."""
        generation = await self._written(self._collection(request.collection).flush)
        return pb.FlushResponse(generation=generation)

    async def compact(self, request: pb.CompactRequest) -> pb.CompactResponse:
        """Makes one segment of all."""
        done = await self._long(self._collection(request.collection).compact)
        return pb.CompactResponse(
            generation=done.generation,
            bytes_before=done.bytes_before,
            bytes_after=done.bytes_after,
        )

    async def backup(self, request: pb.BackupRequest) -> pb.BackupResponse:
        """Copies a collection to a folder below the one for backups."""
        collection = self._collection(request.collection)

        def work() -> pb.BackupResponse:
            done = collection.backup(destination_below(self._backups, request.destination))
            return pb.BackupResponse(generation=done.generation, bytes=done.bytes)

        return await self._long(work)

    async def load_bundle(self, request: pb.LoadBundleRequest) -> pb.LoadBundleResponse:
        """Loads a bundle from a folder below the one for them, or another in its place; calls
        that the one before has begun, it ends."""
        manifest = await self._bundles.load(request.name, request.path)
        return pb.LoadBundleResponse(bundle_id=manifest.bundle_id, space_id=manifest.space_id)

    async def set_alias(self, request: pb.SetAliasRequest) -> pb.SetAliasResponse:
        """Points an alias at a collection, durably, or at a bundle, until the server ends;
        without a target the alias is removed, of whichever it is."""
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
        await self._written(partial(self._index("collection").set_alias, alias, name))

    async def _remove_alias(self, alias: str) -> None:
        if self._collections is not None:
            await self._written(partial(self._collections.remove_alias, alias))

    def _collection(self, name: str) -> Collection:
        return self._index("collection").get(name)

    def _index(self, field: str) -> Collections:
        if self._collections is None:
            raise Unimplemented(
                "this server encodes and has no index; start it with --data to serve collections",
                reason="NO_INDEX",
                field=field,
            )
        return self._collections

    async def _written(self, work: Callable[[], T]) -> T:
        return await asyncio.shield(self._threads.write(work))

    async def _long(self, work: Callable[[], T]) -> T:
        """As `_written`, one after another: writes keep all their threads but one."""
        await self._one_long.acquire()
        running = self._threads.write(work)
        running.add_done_callback(lambda _: self._one_long.release())
        return await asyncio.shield(running)


def destination_below(backups: str, destination: str) -> Path:
    """The folder that a caller names below that of backups.

    Raises Mismatch BACKUPS where there is none, InvalidInput DESTINATION as `folder_below`.
    """
    if not backups:
        raise Mismatch(
            "this server has no folder for backups; start it with server.backups (--backups)",
            reason="BACKUPS",
            field="destination",
        )
    return folder_below(backups, destination, field="destination", reason="DESTINATION")
