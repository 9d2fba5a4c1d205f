"""A long source, cut into windows that are prepared in a thread, one ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["WINDOW", "ahead", "in_windows"]

# Texts that are sorted by length together: a hundred batches or so of passages, so that the
# few that are not full at a window's end do not count; some 30 MB of ids and rows.
WINDOW = 4_096

S = TypeVar("S")
T = TypeVar("T")


def in_windows(items: Iterable[S], size: int = WINDOW) -> Iterator[tuple[int, list[S]]]:
    """(position of the first, items) for every `size` items; the last are fewer."""
    iterator, first = iter(items), 0
    while window := list(islice(iterator, size)):
        yield first, window
        first += size


def ahead(work: Callable[[S], T], given: Iterable[S]) -> Iterator[T]:
    """`work` of each, in order; that of the next is done in a thread while the caller has one.

    `given` is read in the caller's thread; a lone item is worked on there too.
    """
    iterator = iter(given)
    with ThreadPoolExecutor(1, thread_name_prefix="spladed-ahead") as pool:
        for item in islice(iterator, 1):
            ready = work(item)
            for following in iterator:
                coming = pool.submit(work, following)
                yield ready
                ready = coming.result()
            yield ready
