"""Writes that share an id take effect in the order in which they were admitted.

Encoding takes its time, and a short text overtakes a long one. So a write takes a turn
when it is admitted, and before it commits it waits for the earlier turns that name one of
its ids; writes of other ids pass freely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

__all__ = ["AdmissionOrder", "Turn"]

T = TypeVar("T")
Key = tuple[str, str]  # collection, document id


class Turn:
    """One write's place in the order; use as `async with`, `await turn.come()` to commit."""

    def __init__(self, order: AdmissionOrder, keys: frozenset[Key]) -> None:
        self._order = order
        self._keys = keys
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._before = order.enter(keys, self._over)
        self._commit: asyncio.Future[Any] | None = None

    async def __aenter__(self) -> Turn:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the turn, but never before the writes it stands behind, nor its own commit.

        Both may outlive a caller that was cancelled, and later writes wait for this turn
        alone.
        """
        pending = [each for each in (*self._before, self._commit) if each and not each.done()]
        if pending:
            rest = asyncio.gather(*pending, return_exceptions=True)
            rest.add_done_callback(lambda _: self._end())
        else:
            self._end()

    async def come(self) -> None:
        """Returns when every earlier write that shares an id is over."""
        if self._before:
            await asyncio.wait(self._before)

    async def commit(self, work: asyncio.Future[T]) -> T:
        """Awaits the commit that a thread runs; it cannot be cancelled half-way."""
        self._commit = work
        return await asyncio.shield(work)

    def _end(self) -> None:
        self._order.leave(self._keys, self._over)
        self._over.set_result(None)


class AdmissionOrder:
    """The last admitted write of each id that is in flight."""

    def __init__(self) -> None:
        self._last: dict[Key, asyncio.Future[None]] = {}

    def turn(self, collection: str, ids: Iterable[str]) -> Turn:
        """Admits a write of these ids, now."""
        return Turn(self, frozenset((collection, each) for each in ids))

    def enter(self, keys: frozenset[Key], over: asyncio.Future[None]) -> set[asyncio.Future[None]]:
        """Notes `over` as the last write of each key; returns the writes before it."""
        before = {self._last[key] for key in keys if key in self._last}
        self._last.update(dict.fromkeys(keys, over))
        return before

    def leave(self, keys: frozenset[Key], over: asyncio.Future[None]) -> None:
        """Forgets `over` where no later write has taken its place."""
        for key in keys:
            if self._last.get(key) is over:
                del self._last[key]
