"""Who waits for which generation; told when it is published, without asking again."""

from __future__ import annotations

import threading
from concurrent.futures import Future

__all__ = ["Reached"]


class Reached:
    """Futures that resolve when their generation is published; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Future[None], int] = {}

    def wait(self, generation: int) -> Future[None]:
        """Resolves with the first `publish` of at least this; cancelling it forgets it.

        A caller publishes the present generation after this, lest it waits for the past.
        """
        future: Future[None] = Future()
        with self._lock:
            self._waiting[future] = generation
        future.add_done_callback(self._forget)
        return future

    def publish(self, generation: int) -> None:
        """Resolves whoever waits for this generation or an earlier one."""
        with self._lock:
            due = [each for each, wanted in self._waiting.items() if wanted <= generation]
            for future in due:
                del self._waiting[future]
        for future in due:  # outside the lock: callbacks run here
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting.pop(future, None)
