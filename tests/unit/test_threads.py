"""Work that is shared: never more threads than there are, and turns for others between."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from spladed.rpc.threads import Threads


class Work:
    """Pieces that each take as long as `piece` does; one a slice."""

    def __init__(self, count: int, piece: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._piece = piece
        self.left = count
        self.done = self.at_once = self.most_at_once = 0
        self.stopped = False

    def work(self, seconds: float) -> None:
        with self._lock:
            if not self.left:
                return
            self.left -= 1
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            self._piece()
        finally:
            with self._lock:
                self.at_once -= 1
                self.done += 1

    def stop(self) -> None:
        self.left, self.stopped = 0, True


def threads_of(readers: int) -> Threads:
    pool = ThreadPoolExecutor(readers)
    return Threads(pool, pool, readers)


@pytest.mark.parametrize("readers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_all_is_done_by_no_more_threads_than_there_are(readers: int, count: int) -> None:
    work = Work(count, lambda: time.sleep(0.001))
    asyncio.run(threads_of(readers).share(work))
    assert (work.done, work.left, work.stopped) == (count, 0, True)
    assert work.most_at_once <= readers


@pytest.mark.parametrize("readers", [1, 2])
def test_other_reads_come_between_the_slices_of_large_ones(readers: int) -> None:
    async def run() -> int:
        threads = threads_of(readers)
        works = [Work(1000, lambda: time.sleep(0.001)) for _ in range(3)]
        large = [asyncio.create_task(threads.share(work)) for work in works]
        await asyncio.sleep(0.05)
        before = sum(work.done for work in works)
        await threads.read(lambda: None)
        waited = sum(work.done for work in works) - before
        for task in large:
            task.cancel()
        await asyncio.wait(large)
        assert all(work.left == 0 for work in works), "a cancelled call stops"
        return waited

    # Each of three has at most so many slices before it: running, and one behind each of them.
    assert asyncio.run(run()) <= 3 * 2 * readers


def test_a_call_that_is_cancelled_while_it_waits_never_starts() -> None:
    async def run() -> int:
        threads, hold = threads_of(1), threading.Event()
        holding = asyncio.create_task(threads.read(hold.wait))
        await asyncio.sleep(0.01)
        work = Work(5, lambda: None)
        waiting = asyncio.create_task(threads.share(work))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        hold.set()
        await holding
        await threads.read(lambda: None)
        return work.done

    assert asyncio.run(run()) == 0


def test_what_fails_in_one_thread_is_told_and_stops_the_rest() -> None:
    def fail() -> None:
        raise KeyError("piece")

    work = Work(100, fail)
    with pytest.raises(KeyError):
        asyncio.run(threads_of(2).share(work))
    assert work.stopped
