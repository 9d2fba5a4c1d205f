"""The queries of one call, answered by one thread or several, all on one generation."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, TypeVar, cast

from spladed.index.hits import Ranked
from spladed.index.view import Asked, View

__all__ = ["Answers"]

T = TypeVar("T")


class Answers(Generic[T]):
    """The answers to `count` queries, each made by a thread that calls `work`.

    view: opened by the first thread that works, closed by the last when no query is left
    ask:  prepares the queries, once
    made: what becomes of a query's hits, in the thread that found them

    Threads take one query after another: whatever each costs, none waits while some are left.
    What fails in one thread ends the work of all.
    """

    def __init__(
        self,
        count: int,
        view: AbstractContextManager[View],
        ask: Callable[[View], Asked],
        made: Callable[[Ranked], T],
    ) -> None:
        self._view, self._ask, self._made = view, ask, made
        self._left = deque(range(count))
        self._answers: list[T | None] = [None] * count
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._held = ExitStack()
        self._asked: Asked | None = None
        self._working = 0
        self._begun = False
        self.generation = -1

    @property
    def left(self) -> int:
        """How many queries nobody has taken."""
        return len(self._left)

    @property
    def answers(self) -> list[T]:
        """One a query, in order, once none is left and every `work` has returned."""
        return cast(list[T], self._answers)

    def work(self, seconds: float = math.inf) -> None:
        """Answer queries that nobody has taken, until none is left or this time is over."""
        try:
            self._work(time.monotonic() + seconds)
        except BaseException:
            self._left.clear()
            raise
        finally:
            self._end()

    def finish(self, threads: int) -> list[T]:
        """All answers, by this thread and others, at most `threads` in all, which is above 1."""
        more = max(1, min(threads, self.left) - 1)
        with ThreadPoolExecutor(more, thread_name_prefix="spladed-search") as pool:
            helping = [pool.submit(self.work) for _ in range(more)]
            self.work()
        for each in helping:
            each.result()
        return self.answers

    def stop(self) -> None:
        """Let whoever works end with the query in hand; after the end it changes nothing."""
        self._begun = True
        self._left.clear()
        self._close_if_over()

    def _work(self, until: float) -> None:
        asked = self._begin()
        while asked is not None and (number := self._take()) is not None:
            self._answers[number] = self._made(asked.ranked(number))
            if time.monotonic() >= until:
                return

    def _begin(self) -> Asked | None:
        """None for a thread that comes when all is over."""
        with self._lock:
            self._working += 1
        with self._opening:  # which may take long: `stop` waits for no one
            if not self._begun:
                self._begun = True
                self._asked = self._ask(self._held.enter_context(self._view))
                self.generation = self._asked.generation
            return self._asked

    def _end(self) -> None:
        with self._lock:
            self._working -= 1
        self._close_if_over()

    def _close_if_over(self) -> None:
        with self._lock:
            if not self._left and not self._working:
                # Before the view is let go: whoever forgets a segment last unmaps it, which
                # takes long, and these answers may be read in an event loop.
                self._asked = None
                self._held.close()

    def _take(self) -> int | None:
        try:
            return self._left.popleft()
        except IndexError:
            return None
