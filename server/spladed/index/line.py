"""Writes that wait in line; one thread commits, for all who wait at once.

So as many callers as there are share one fsync, and nobody waits for a clock. A thread of its
own, and not the caller who comes first: an interrupt that meets one caller is nobody else's,
and the large arrays of a commit come from one arena of the C library's allocator, which keeps
up to 64 MiB for each thread that ever needed as much.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager

from spladed.errors import Unavailable
from spladed.index.draft import Write

__all__ = ["Line", "Result"]

# (documents that died by the write, its generation)
Result = tuple[int, int]

# Documents that one commit takes of those who wait: some 10 MB of rows.
_GROUP_DOCUMENTS = 16_384


class _Waiting:
    """A write in line, and what became of it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.outcome: Future[Result] = Future()


class Line:
    """Groups the writes of many callers; `commit` is called with all who wait once the lock
    is held, until `close`."""

    def __init__(
        self,
        lock: AbstractContextManager[object],
        commit: Callable[[Sequence[Write]], Sequence[Result]],
    ) -> None:
        self._lock = lock
        self._commit = commit
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="spladed-commit", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many writes wait for a group to take them."""
        return len(self._waiting)

    def submit(self, write: Write) -> Result:
        """What `commit` returns for this write, or raises for its group; raises Unavailable
        CLOSED."""
        mine = _Waiting(write)
        with self._changed:
            if self._is_closed:
                raise Unavailable("the collection is closed", reason="CLOSED")
            self._waiting.append(mine)
            self._changed.notify()
        return mine.outcome.result()

    def close(self) -> None:
        """Commit who waits, then end; closing twice is fine."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._has_come():
            with self._lock:
                self._commit_group(self._next_group())

    def _has_come(self) -> bool:
        """Waits for a write; False once there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return bool(self._waiting)

    def _next_group(self) -> list[_Waiting]:
        with self._changed:
            count = documents = 0
            for waiting in self._waiting:
                documents += len(waiting.write.names)
                if count and documents > _GROUP_DOCUMENTS:
                    break
                count += 1
            group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _commit_group(self, group: list[_Waiting]) -> None:
        """Every one of the group gets its answer, once."""
        try:
            results = self._commit([waiting.write for waiting in group])
        except BaseException as error:  # whatever it is, the callers must hear of it
            for waiting in group:
                waiting.outcome.set_exception(error)
            return
        for waiting, result in zip(group, results, strict=True):
            waiting.outcome.set_result(result)
