"""How far has a long call come? Told to a function, or shown as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spladed.errors import Mismatch

__all__ = ["Progress", "telling"]

Progress = bool | Callable[[int], object]


@contextmanager
def telling(progress: Progress, total: int | None) -> Iterator[Callable[[int], object]]:
    """What to call with the count so far: the function given, a bar for True, or nothing.

    total: what the count will be in the end, if that is known
    """
    if callable(progress):
        yield progress
    elif progress:
        with _bar(total) as tell:
            yield tell
    else:
        yield _tell_nobody


def _tell_nobody(so_far: int) -> None:
    del so_far


@contextmanager
def _bar(total: int | None) -> Iterator[Callable[[int], object]]:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    except ModuleNotFoundError as error:
        raise Mismatch(
            "progress=True needs rich: pip install rich, or give a function that is called "
            "with the number of texts so far",
            reason="EXTRA_MISSING",
            field="progress",
        ) from error
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda so_far: bar.update(task, completed=so_far)
