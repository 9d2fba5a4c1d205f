"""What the rpc room tells whoever counts; it does not know who that is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["NOBODY", "Watch", "timed"]


class Watch(Protocol):
    """Told of calls, their stages and rows; from the event loop's thread."""

    def began(self, method: str) -> None:
        """A call of Service/Method has arrived."""
        ...

    def ended(self, method: str, seconds: float, status: str, reason: str) -> None:
        """A call that began is over. status: gRPC's name for it; reason: ours, of an error."""
        ...

    def answered(self, method: str, status: str, reason: str) -> None:
        """A chunk of a stream, or a call that was not let in, was answered."""
        ...

    def stage(self, stage: str, seconds: float) -> None:
        """A call is through a stage."""
        ...

    def encoded(self, kind: Kind, rows: SparseBatch, truncated: Sequence[bool]) -> None:
        """Texts of a kind were encoded."""
        ...


class _Nobody:
    def began(self, method: str) -> None: ...

    def ended(self, method: str, seconds: float, status: str, reason: str) -> None: ...

    def answered(self, method: str, status: str, reason: str) -> None: ...

    def stage(self, stage: str, seconds: float) -> None: ...

    def encoded(self, kind: Kind, rows: SparseBatch, truncated: Sequence[bool]) -> None: ...


NOBODY: Watch = _Nobody()


@contextmanager
def timed(watch: Watch, stage: str) -> Iterator[None]:
    """Tells how long the block took, whatever becomes of it."""
    began = time.perf_counter()
    try:
        yield
    finally:
        watch.stage(stage, time.perf_counter() - began)
