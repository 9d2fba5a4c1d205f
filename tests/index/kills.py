"""Kill a writing process, open what it left, compare with what it acknowledged; many times.

Each writer of the process has ids of its own and one write in flight, so that what it
acknowledged tells what must be there: all of that, and of the next write all or nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import select
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spladed.index import Collection, CollectionSettings, verify
from spladed.index.upkeep import Upkeep

from .stored import Content, check_searches, content_of
from .victim import victim
from .writes import DIMENSION, QUERIES, applied, write_of

__all__ = ["Figures", "Kills"]

WRITERS = 3
INLINE = Upkeep(flush_documents=400, background=False)
BACKGROUND = Upkeep(flush_documents=400)
_FRESH_AFTER = 25  # rounds on one folder
# How long a process may live after it first said that it opens, or that it has done something.
_OPENING_SECONDS = 0.03
_SECONDS = 0.3
_CHILDREN_SECONDS = 2.0  # its own child processes take a while to start
_HANGS_SECONDS = 60.0


@dataclass(slots=True)
class Figures:
    """What all rounds together saw; `lost` and `ghosts` count documents and are to be 0.

    came_through: writes that were in flight, and are there whole
    exchanges:    flushes, merges and compactions that were committed
    seen:         calls that came back, by name
    backups:      restored and compared, also those that nobody acknowledged
    """

    rounds: int = 0
    acknowledged: int = 0
    came_through: int = 0
    opens_killed: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0
    backups: int = 0
    lost: int = 0
    ghosts: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.ghosts or self.problems)


@dataclass(frozen=True, slots=True)
class _Life:
    """What a process said before it was killed."""

    lines: tuple[str, ...]

    def acknowledged(self, writer: int, before: str = "") -> int:
        """How many writes of this writer were acknowledged before that line came; -1: none."""
        until = self.lines.index(before) if before else len(self.lines)
        numbers = [line.split()[1] for line in self.lines[:until] if line.startswith(f"{writer} ")]
        return int(numbers[-1]) + 1 if numbers else -1

    def all(self, word: str) -> list[str]:
        """What came behind this word."""
        return [line.split(" ", 1)[1] for line in self.lines if line.startswith(f"{word} ")]


class Kills:
    """Rounds in a folder; `figures` has what came of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.figures = Figures()
        self._folder = folder
        self._chance = random.Random(seed)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([victim.__module__])
        self._begin()

    def run(self, rounds: int) -> None:
        """So many rounds; stops behind the first that is not sound."""
        for number in range(1, rounds + 1):
            if number % _FRESH_AFTER == 0:
                self._begin()
            try:
                self._round(number)
            except Exception as error:  # what cannot be opened or read is lost
                self.figures.problems.append(f"round {number}: {error!r}")
            if not self.figures.is_sound:
                return

    def _begin(self) -> None:
        for left in self._folder.iterdir():
            shutil.rmtree(left)
        self._path = self._folder / f"{self._chance.randrange(1 << 32):08x}" / "c"
        self._path.parent.mkdir()
        Collection.create(self._path, CollectionSettings(DIMENSION)).close()
        self._layout = 0
        # By writer: how many of its writes are in the collection, and what they come to.
        self._counts = [0] * WRITERS
        self._contents: list[Content] = [{} for _ in range(WRITERS)]

    def _round(self, number: int) -> None:
        life = self._live_and_die(in_children=number % 5 == 0, while_opening=number % 5 == 1)
        self._started = tuple(self._counts)
        self.figures.rounds += 1
        self.figures.problems += life.all("error")
        self.figures.seen.update(name.split("-")[0] for name in life.all("done"))
        histories = [self._history(life, writer) for writer in range(WRITERS)]
        with Collection.open(self._path, upkeep=INLINE) as collection:
            content = content_of(collection)
            check_searches(collection, content, QUERIES)
            with collection._catalog.reading() as reading:
                self.figures.exchanges += reading.layout - self._layout
                self._layout = reading.layout
        for writer, history in enumerate(histories):
            self._compare(writer, history, content)
        self.figures.problems += verify.check(self._path).problems
        self._check_backups(life, histories)
        self.figures.problems += filter(None, map(_survival, life.all("child")))

    def _live_and_die(self, *, in_children: bool, while_opening: bool) -> _Life:
        here, there = self._processes.Pipe(duplex=False)
        upkeep = BACKGROUND if in_children else INLINE
        arguments = (self._path, tuple(self._counts), upkeep, self._chance.random(), there)
        process = self._processes.Process(target=victim, args=arguments)
        process.start()
        there.close()
        watch = threading.Timer(_HANGS_SECONDS, process.kill)
        watch.start()
        with open(here.fileno(), "rb", closefd=False) as pipe:
            lines = [pipe.readline()]  # opening
            longest = _OPENING_SECONDS
            if not while_opening:
                lines += [pipe.readline(), pipe.readline()]  # open; started or acknowledged
                longest = _CHILDREN_SECONDS if in_children else _SECONDS
            watch.cancel()
            if not lines[-1]:
                self.figures.problems.append("the process ended, or hung, before it did anything")
            time.sleep(self._chance.uniform(0, longest))
            process.kill()
            process.join()
            lines += pipe.readlines()
        self.figures.opens_killed += b"open\n" not in lines
        here.close()
        return _Life(tuple(line.decode().strip() for line in lines if line.endswith(b"\n")))

    def _history(self, life: _Life, writer: int) -> list[Content]:
        """The writer's content before the process and after each write of it, up to those
        acknowledged and the one that was in flight."""
        count, content = self._counts[writer], self._contents[writer]
        history = [content]
        for number in range(count, max(count, life.acknowledged(writer)) + 1):
            history.append(applied(history[-1], write_of(writer, number)))
        return history

    def _compare(self, writer: int, history: list[Content], content: Content) -> None:
        """The writer's documents are those of the last acknowledged write, or of the next."""
        found = _of_writer(content, writer)
        done = len(history) - 2
        came_through = list(found.items()) == list(history[-1].items())
        if not came_through:
            self._count_differences(found, history[-2])
        self.figures.acknowledged += done
        self.figures.came_through += came_through
        self._counts[writer] += done + came_through
        self._contents[writer] = found

    def _count_differences(self, found: Content, expected: Content) -> None:
        self.figures.lost += sum(found.get(id) != one for id, one in expected.items())
        self.figures.ghosts += len(found.keys() - expected.keys())
        if list(found) != list(expected):
            self.figures.problems.append("the documents are in another order than written")

    def _check_backups(self, life: _Life, histories: Sequence[list[Content]]) -> None:
        """Each backup is of one moment between its start and its end, also one that nobody
        acknowledged, if it is there at all."""
        finished = set(life.all("done"))
        for name in life.all("started"):
            path = self._path.with_name(name)
            if not name.startswith("backup"):
                continue
            if path.exists():
                self._check_backup(path, life, histories)
                shutil.rmtree(path)
                self.figures.backups += 1
            elif name in finished:
                self.figures.problems.append(f"the acknowledged {name} is gone")

    def _check_backup(self, path: Path, life: _Life, histories: Sequence[list[Content]]) -> None:
        restored = path.with_name("restored")
        Collection.restore(path, restored).close()
        self.figures.problems += verify.check(restored).problems
        with Collection.open(restored, upkeep=INLINE) as collection:
            content = content_of(collection)
            check_searches(collection, content, QUERIES)
        for writer, history in enumerate(histories):
            known = life.acknowledged(writer, before=f"started {path.name}")
            earliest = max(0, known - self._started[writer])
            if _of_writer(content, writer) not in history[earliest:]:
                self.figures.problems.append(f"{path.name} is of no moment of writer {writer}")
        shutil.rmtree(restored)


def _survival(pid: str) -> str:
    """What to say of a child process that outlives its parent for long."""
    try:
        process = os.pidfd_open(int(pid))
    except ProcessLookupError:
        return ""
    ended, _, _ = select.select([process], [], [], 10.0)
    os.close(process)
    return "" if ended else f"the child process {pid} lives on"


def _of_writer(content: Content, writer: int) -> Content:
    return {id: one for id, one in content.items() if id.startswith(f"{writer}-")}
