"""Where the index works, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Threads"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Threads:
    """Two pools: searches must not stand behind writes that wait for a disk."""

    reading: Executor
    writing: Executor

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

    def write(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Starts at once where writes run; shield it, lest a thread writes unawaited."""
        return asyncio.get_running_loop().run_in_executor(self.writing, work)
