"""What bulk work has to send, has in flight, and has seen fail: a state without I/O.

Items are cut into chunks. A chunk that is answered with an error which names one of its
items is sent again without that item; one whose error will pass is sent again whole; any
other error ends the work. After a broken stream everything in flight is sent again, in
order: the calls are idempotent, so what had arrived is only written over by itself.

Order is kept for items that share a key: when a chunk goes out again, the chunks after it in
flight that share one of its keys have overtaken it, and go out once more behind it.
"""

from __future__ import annotations

import re
from bisect import insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from spladed.client.retry import is_passing
from spladed.client.values import Failure
from spladed.errors import InvalidInput, SpladedError

__all__ = ["Chunk", "ChunkSize", "Outbox", "cut"]

T = TypeVar("T")

_ITEM = re.compile(r"(?:documents|texts)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """Limits of a chunk; the first that is reached closes it.

    items: a request may hold 1,024 unless the server is configured otherwise
    bytes: of UTF-8 and vectors; far below the 16 MiB of a request, so that a stream moves
    """

    items: int = 256
    bytes: int = 1_048_576

    def __post_init__(self) -> None:
        if self.items < 1 or self.bytes < 1:
            raise InvalidInput(
                f"chunk size is {self}; expected at least 1 of each", reason="CONFIG", field="size"
            )


@dataclass(slots=True)
class Chunk(Generic[T]):
    """Items that travel together, and their positions among all items."""

    sequence: int
    items: list[T]
    positions: list[int]


def cut(
    items: Iterable[T],
    size: ChunkSize,
    bytes_of: Callable[[T], int],
    key: Callable[[T], Hashable] | None = None,
) -> Iterator[Chunk[T]]:
    """The items in chunks of at most `size`; one that is larger than that travels alone.

    An item whose key stands in the chunk already begins a new one.
    """
    chunk: Chunk[T] = Chunk(0, [], [])
    keys: set[Hashable] = set()
    used = 0
    for position, item in enumerate(items):
        more = bytes_of(item)
        full = len(chunk.items) == size.items or used + more > size.bytes
        if chunk.items and (full or (key is not None and key(item) in keys)):
            yield chunk
            chunk, used = Chunk(chunk.sequence + 1, [], []), 0
            keys.clear()
        chunk.items.append(item)
        chunk.positions.append(position)
        used += more
        if key is not None:
            keys.add(key(item))
    if chunk.items:
        yield chunk


@dataclass(slots=True)
class Outbox(Generic[T]):
    """The chunks of one piece of bulk work; `add` them, and `close` after the last.

    key: what must stay in order, as a document's id; None where nothing need
    """

    key: Callable[[T], Hashable] | None = None
    failures: list[Failure] = field(default_factory=list)
    _ready: deque[Chunk[T]] = field(default_factory=deque)
    _flying: deque[Chunk[T]] = field(default_factory=deque)
    _overtaken: set[int] = field(default_factory=set)  # sequences in flight
    _closed: bool = False

    @property
    def flying(self) -> int:
        """Chunks sent and not answered."""
        return len(self._flying)

    @property
    def wants_more(self) -> bool:
        """Whether a chunk must be added before another can be sent."""
        return not self._ready and not self._closed

    @property
    def has_ready(self) -> bool:
        """Whether a chunk can be sent now."""
        return bool(self._ready)

    @property
    def is_over(self) -> bool:
        """Whether everything is sent and answered."""
        return self._closed and not self._ready and not self._flying

    def add(self, chunk: Chunk[T]) -> None:
        """Puts a chunk at the end of what is to be sent."""
        self._ready.append(chunk)

    def close(self) -> None:
        """Says that no more chunks come."""
        self._closed = True

    def next(self) -> Chunk[T] | None:
        """The next chunk to send, now in flight; None when there is none at the moment."""
        if not self._ready:
            return None
        self._flying.append(self._ready.popleft())
        return self._flying[-1]

    def answered(self, sequence: int) -> Chunk[T] | None:
        """Takes the answered chunk out of flight; None if it must go out again."""
        chunk = self._land(sequence)
        if sequence in self._overtaken:
            self._send_again(chunk)
            return None
        return chunk

    def refused(self, sequence: int, error: SpladedError) -> None:
        """Notes an error that answers a chunk; raises it if it ends the work."""
        chunk = self._land(sequence)
        bad = _item_at_fault(error, len(chunk.items))
        if bad is not None:
            self.failures.append(Failure(chunk.positions[bad], error))
            del chunk.items[bad], chunk.positions[bad]
        elif not is_passing(error):
            raise error
        if chunk.items:
            self._send_again(chunk)

    def broken(self) -> None:
        """Everything in flight is to be sent again, in order, before anything else."""
        self._ready = deque(sorted([*self._flying, *self._ready], key=_sequence))
        self._flying.clear()
        self._overtaken.clear()

    def _land(self, sequence: int) -> Chunk[T]:
        chunk = next(each for each in self._flying if each.sequence == sequence)
        self._flying.remove(chunk)
        return chunk

    def _send_again(self, chunk: Chunk[T]) -> None:
        """Puts a chunk back into its place, and marks what must follow it once more."""
        self._overtaken.discard(chunk.sequence)
        insort(self._ready, chunk, key=_sequence)
        if self.key is not None:
            keys = {self.key(item) for item in chunk.items}
            self._overtaken.update(
                later.sequence
                for later in self._flying
                if later.sequence > chunk.sequence
                and not keys.isdisjoint(map(self.key, later.items))
            )


def _sequence(chunk: Chunk[Any]) -> int:
    return chunk.sequence


def _item_at_fault(error: SpladedError, count: int) -> int | None:
    """The position that an error about one item names, as in "documents[3].text"."""
    named = _ITEM.match(error.field) if isinstance(error, InvalidInput) else None
    if named is None or int(named[1]) >= count:
        return None
    return int(named[1])
