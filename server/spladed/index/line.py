"""Writes that wait in line; one of their callers commits for all of them.

Whoever finds nobody committing does it: so that as many callers as there are share one fsync,
and nobody waits for a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager

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
    is held, by one thread at a time."""

    def __init__(
        self,
        lock: AbstractContextManager[object],
        commit: Callable[[Sequence[Write]], Sequence[Result]],
    ) -> None:
        self._lock = lock
        self._commit = commit
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._is_led = False

    def __len__(self) -> int:
        """How many writes wait for a group to take them."""
        return len(self._waiting)

    def submit(self, write: Write) -> Result:
        """What `commit` returns for this write, or raises for its group."""
        mine = _Waiting(write)
        with self._changed:
            self._waiting.append(mine)
            # Who is answered leaves at once: a lock held by the committing one would keep it
            # from bringing its next write for the next group.
            self._changed.wait_for(lambda: mine.outcome.done() or not self._is_led)
            if mine.outcome.done():
                return mine.outcome.result()
            self._is_led = True
        try:
            while not mine.outcome.done():
                with self._lock:
                    self._commit_group(self._next_group())
        finally:
            with self._changed:
                self._is_led = False
                self._changed.notify_all()
        return mine.outcome.result()

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
        except BaseException as error:
            for waiting in group:
                waiting.outcome.set_exception(error)
            return
        for waiting, result in zip(group, results, strict=True):
            waiting.outcome.set_result(result)
