"""A day of an index, step by step, and its record: what the disk was asked, and what may be
found at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from spladed.index import Collection, CollectionSettings, storage
from spladed.index.catalog import Catalog, Connection

from .record import Event, KillAt, Recorder, Synced
from .state import Index, State
from .writes import DIMENSION, Write, applied, perform, write_of

__all__ = ["STEPS", "Step", "record"]

SETTINGS = CollectionSettings(DIMENSION)


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, and what it makes of a state; the last of several is what it comes to,
    those before may be found on the way. `opens`: it finds the index closed."""

    name: str
    act: Callable[[Index], object]
    outcomes: Callable[[State], Sequence[State]]
    opens: bool = False
    kill_at: KillAt | None = None

    def killed(self, at: KillAt) -> Step:
        """The step in a process that ends on the way, so that it may come to nothing."""
        return replace(self, name=f"killed: {self.name}", kill_at=at)


def _same(name: str, act: Callable[[Index], object]) -> Step:
    """A step that changes no content."""
    return Step(name, act, lambda state: [state])


def _create(name: str) -> Step:
    return Step(
        f"create {name}",
        lambda index: index.all.create(name, SETTINGS),
        lambda state: [state.with_collection(name, {})],
    )


def _write(name: str, *numbers: int) -> list[Step]:
    return [_one_write(name, write_of(0, number)) for number in numbers]


def _one_write(name: str, write: Write) -> Step:
    return Step(
        f"{write.how}: {name}",
        lambda index: perform(index.all.get(name), write),
        lambda state: [state.with_collection(name, applied(state.collections[name], write))],
    )


def _flush(name: str) -> Step:
    return _same(f"flush {name}", lambda index: index.all.get(name).flush())


def _compact(name: str) -> Step:
    return _same(f"compact {name}", lambda index: index.all.get(name).compact())


def _set_alias(alias: str, name: str) -> Step:
    return Step(
        f"alias {alias} of {name}",
        lambda index: index.all.set_alias(alias, name),
        lambda state: [replace(state, aliases={**state.aliases, alias: name})],
    )


def _remove_alias(alias: str) -> Step:
    def without(state: State) -> State:
        rest = {key: name for key, name in state.aliases.items() if key != alias}
        return replace(state, aliases=rest)

    return Step(
        f"alias {alias} removed",
        lambda index: index.all.remove_alias(alias),
        lambda state: [without(state)],
    )


def _backup(name: str, backup: str) -> Step:
    def after(state: State) -> State:
        return replace(state, backups={**state.backups, backup: state.collections[name]})

    return Step(
        f"back up {name}",
        lambda index: index.all.get(name).backup(index.backups / backup),
        lambda state: [after(state)],
    )


def _restore(backup: str, name: str) -> Step:
    def act(index: Index) -> None:
        index.close()
        Collection.restore(index.backups / backup, index.data / name).close()

    return Step(
        f"restore {backup} as {name}",
        act,
        lambda state: [state.with_collection(name, state.backups[backup])],
        opens=True,
    )


def _delete(name: str) -> Step:
    return Step(
        f"delete {name}",
        lambda index: index.all.delete(name),
        lambda state: [state.with_collection(name, None)],
    )


_OPEN = replace(_same("open", lambda index: index.open()), opens=True)


def _syncing(path: str) -> KillAt:
    """Before the fsync of the file or folder whose path ends so."""
    return lambda name, at, _: name == "fsync" and f"{at}".endswith(path)


def _naming_a_segment(name: str, path: Path, events: Sequence[Event]) -> bool:
    """In the commit that follows the fsync of a folder with a new segment file."""
    return name == "commit" and isinstance(events[-1], Synced)


STEPS: tuple[Step, ...] = (
    _OPEN.killed(at=_syncing("recorded")),
    _OPEN,
    _create("a"),
    *_write("a", 0, 1, 2),
    _flush("a"),
    _create("k").killed(at=_syncing("data")),
    *_write("k", 0),
    *_write("a", 3, 4, 5, 6, 7),
    _flush("a"),
    _set_alias("x", "a"),
    *_write("a", 8, 9, 11),
    _backup("a", "one"),
    _compact("a"),
    *(step.killed(at=_naming_a_segment) for step in _write("a", 23)),
    _create("b"),
    *_write("b", 0, 1),
    _flush("b"),
    _set_alias("x", "b"),
    _set_alias("x", "a"),
    *_write("a", 12, 13, 16),
    _flush("a"),
    _compact("a").killed(at=_naming_a_segment),
    _delete("b").killed(at=_syncing("data")),
    _create("b"),
    _delete("b"),
    *_write("a", 10),
    _remove_alias("x"),
    _restore("one", "c"),
    *_write("c", 12),
    _flush("c").killed(at=_syncing("data/c")),
    _flush("c"),
)


def record(folder: Path, steps: Sequence[Step] = STEPS) -> list[Event]:
    """Do it below a folder; the events, with what may be found after each."""
    root = folder / "recorded"
    root.mkdir()
    recorder, index, state = Recorder(root), Index(root), State()
    possible: tuple[State, ...] = (state,)
    with recording(recorder):
        for step in steps:
            outcomes = step.outcomes(state)
            possible = (*possible, *outcomes)
            recorder.allow(*possible)
            _do(step, index, recorder)
            if step.kill_at is None:
                possible = (outcomes[-1],)
                recorder.allow(*possible)
            state = index.read()
            assert state in possible, step.name
        index.close()
    return recorder.events


def _do(step: Step, index: Index, recorder: Recorder) -> None:
    if step.kill_at is None:
        step.act(index)
        return
    with recorder.killing(step.kill_at):
        step.act(index)
    index.abandon()


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """File operations and SQLite's commits go into the record while this block runs."""
    writing = Catalog.writing

    @contextmanager
    def noted(catalog: Catalog) -> Iterator[Connection]:
        with writing(catalog) as connection:
            yield connection
        assert _pragmas(connection) == ("wal", 2)
        recorder.committed(catalog.path, connection.serialize())

    with patch.object(storage, "calls", recorder), patch.object(Catalog, "writing", noted):
        yield


def _pragmas(connection: Connection) -> tuple[object, ...]:
    names = ("journal_mode", "synchronous")
    return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
