"""What files say, read again when they change.

Looked at when asked, at most once a second: no thread, no task, and a file system without
notifications (a Kubernetes secret's links, a network mount) is as good as any. While what
stands there cannot be used, what was read last holds, and the log says so once a change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from spladed.errors import SpladedError

__all__ = ["Watched"]

_LOG = logging.getLogger("spladed.rpc")

T = TypeVar("T")
_Stamp = tuple[int, int, int, int]

# What a revoked key may still do at most; looking costs a stat a file.
_EVERY_SECONDS = 1.0


class Watched(Generic[T]):
    """The value that `load` makes of `paths`; threads may share it.

    load:  raises SpladedError for files that cannot be used; the first one passes through
    clock: seconds that only rise
    """

    def __init__(
        self,
        paths: Sequence[str],
        load: Callable[[], T],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = [Path(path) for path in paths if path]
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._stamps = self._look()  # before the load: a change in between is seen again
        self._value = load()
        self._next = clock() + _EVERY_SECONDS

    def current(self) -> T:
        """The value; the same object until the files change."""
        if self._clock() >= self._next:
            with self._lock:
                self._refresh()
        return self._value

    def _refresh(self) -> None:
        self._next = self._clock() + _EVERY_SECONDS
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        names = ", ".join(str(path) for path in self._paths)
        try:
            self._value = self._load()
        except SpladedError as error:
            _LOG.error("%s changed and cannot be used, what was read before holds: %s",
                       names, error.message)  # fmt: skip
        else:
            _LOG.info("%s read again", names)

    def _look(self) -> list[_Stamp | None]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
