"""A process that writes to a collection from several threads until it is killed.

It says on a pipe what it does, a line each: "opening", "open", "WRITER NUMBER" for each write
acknowledged, "started NAME" and "done NAME" of flush, compact and backup, "child PID" of each
process that it started itself, "error ...".
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from spladed.index import Collection
from spladed.index.upkeep import Upkeep

from .writes import perform, write_of

__all__ = ["victim"]

Say = Callable[[str], None]


def victim(path: Path, starts: Sequence[int], upkeep: Upkeep, seed: int, pipe: Connection) -> None:
    """Write for ever: writer w begins with its write number starts[w]."""

    def say(line: str) -> None:
        os.write(pipe.fileno(), f"{line}\n".encode())

    say("opening")
    collection = Collection.open(path, upkeep=upkeep)
    say("open")
    works: list[Callable[[], None]] = [
        lambda writer=writer, start=start: _write(collection, writer, start, say)
        for writer, start in enumerate(starts)
    ]
    works.append(lambda: _tend(collection, path, random.Random(seed), say))
    threads = [threading.Thread(target=_guarded, args=(work, say)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write(collection: Collection, writer: int, start: int, say: Say) -> None:
    number = start
    while True:
        perform(collection, write_of(writer, number))
        say(f"{writer} {number}")
        number += 1


def _tend(collection: Collection, path: Path, chance: random.Random, say: Say) -> None:
    """Flush, compact and back up, in any order."""
    for turn in range(1_000_000):
        name = chance.choice(["flush", "flush", "compact", f"backup-{turn}"])
        say(f"started {name}")
        if name == "flush":
            collection.flush()
        elif name == "compact":
            collection.compact()
        else:
            collection.backup(path.with_name(name))
        say(f"done {name}")
        for pid in collection._keeper.child_pids:
            say(f"child {pid}")


def _guarded(work: Callable[[], None], say: Say) -> None:
    try:
        work()
    except BaseException as error:
        say(f"error {error!r}")
        raise
