"""Bundles that come while the server runs, each in the place of the one of its name, if any.

make the new one             its golden texts are replayed, in a thread
check                        no collection would lose its encoder
put it in place              calls from now on are the new one's
retire the old one           calls that it has begun are answered first
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from spladed.errors import AlreadyExists, Mismatch, NotFound
from spladed.index.check import check_name
from spladed.index.collections import Collections
from spladed.manifest import Manifest
from spladed.rpc.below import folder_below
from spladed.rpc.encoding import Encoding, Encodings

__all__ = ["Bundles"]

Make = Callable[[str, Path], Encoding]  # of a name and a folder; takes seconds


class Bundles:
    """What LoadBundle does.

    root: the folder below which callers name bundles; empty refuses them
    make: an encoding that is ready to serve
    """

    def __init__(
        self, encodings: Encodings, collections: Collections | None, root: str, make: Make
    ) -> None:
        self._encodings = encodings
        self._collections = collections
        self._root = root
        self._make = make
        self._one = asyncio.Lock()  # a load at a time: each holds a model in memory
        self._retiring: set[asyncio.Task[None]] = set()

    async def load(self, name: str, path: str) -> Manifest:
        """Loads the bundle of a folder below the root under this name.

        Raises Mismatch BUNDLES or ORPHANS, InvalidInput BUNDLE_NAME or BUNDLE_PATH, AlreadyExists
        for an alias of that name, and what `Encoder.load` raises; then the old one stays.
        """
        folder = self._folder(name, path)
        async with self._one:
            encoding = await asyncio.to_thread(self._make, name, folder)
            try:
                self._check_orphans(encoding)
            except Mismatch:
                await encoding.retire()
                raise
            if (old := self._encodings.put(encoding)) is not None:
                task = asyncio.create_task(old.retire())
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
        return encoding.manifest

    async def close(self) -> None:
        """Retires whatever there is."""
        for each in self._encodings.all():
            await each.retire()
        await asyncio.gather(*self._retiring)

    def _folder(self, name: str, path: str) -> Path:
        if not self._root:
            raise Mismatch(
                "this server has no folder for bundles; start it with server.bundles (--bundles)",
                reason="BUNDLES",
                field="path",
            )
        check_name(name, reason="BUNDLE_NAME", field="name")
        if self._encodings.is_alias(name):
            message = f"{name} is an alias; a bundle needs a name of its own"
            raise AlreadyExists(message, reason="ALIAS", field="name")
        folder = folder_below(self._root, path, field="path", reason="BUNDLE_PATH")
        if not folder.is_dir():
            raise NotFound(
                f"path {path!r} is no folder below the server's for bundles",
                reason="BUNDLE_NOT_FOUND",
                field="path",
            )
        return folder

    def _check_orphans(self, encoding: Encoding) -> None:
        """Raises Mismatch ORPHANS if a collection's bundle would be of another space."""
        if self._collections is None:
            return
        space, failed = encoding.manifest.space_id, self._collections.failures()
        for name in self._collections.names():
            settings = None if name in failed else self._collections.get(name).settings
            if settings is None or not settings.space_id or settings.space_id == space:
                continue
            if self._encodings.is_named(settings.bundle, encoding.name):
                raise Mismatch(
                    f"the collection {name} is of space {settings.space_id}, which {encoding.name} "
                    f"makes; the new bundle makes {space}: load it under another name, or drop "
                    "the collection first",
                    reason="ORPHANS",
                    field="name",
                )
