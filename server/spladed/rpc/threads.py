"""Where the index works, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

__all__ = ["Shared", "Threads"]

T = TypeVar("T")


# For how long a search of many queries keeps a thread to itself while others wait. Handing it
# on takes 40 us.
_SLICE_SECONDS = 0.002


class Shared(Protocol):
    """Work in pieces that several threads may do at once."""

    @property
    def left(self) -> int:
        """How many pieces nobody has taken."""
        ...

    def work(self, seconds: float) -> None:
        """Do pieces until none is left, or until this time is over; one at least."""
        ...

    def stop(self) -> None:
        """Leave the pieces that nobody has taken."""
        ...


@dataclass(frozen=True, slots=True)
class Threads:
    """Two pools: searches must not stand behind writes that wait for a disk.

    readers: how many threads read
    """

    reading: Executor
    writing: Executor
    readers: int

    async def read(self, work: Callable[[], T]) -> T:
        """Runs where reads run."""
        return await asyncio.get_running_loop().run_in_executor(self.reading, work)

    async def read_whole(self, work: Callable[[], T]) -> T:
        """As `read`, but a cancelled caller first waits for the end: for work on what the
        caller is about to close."""
        running = asyncio.get_running_loop().run_in_executor(self.reading, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def share(self, work: Shared) -> None:
        """Does all of it where reads run: by one thread, and what its slice leaves by as many
        as there are, a slice at a time, so that other reads get their turns between.

        A caller that is cancelled stops the work.
        """
        try:
            await self._slice(work)
            workers = min(self.readers, work.left)
            await asyncio.gather(*(self._slices(work) for _ in range(workers)))
        finally:
            work.stop()

    async def _slices(self, work: Shared) -> None:
        while work.left:
            await self._slice(work)

    async def _slice(self, work: Shared) -> None:
        await self.read(partial(work.work, _SLICE_SECONDS))

    def write(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Starts at once where writes run; shield it, lest a thread writes unawaited."""
        return asyncio.get_running_loop().run_in_executor(self.writing, work)
