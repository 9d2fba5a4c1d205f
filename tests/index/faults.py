"""The recorded day on a disk that fails, at one operation after another.

Each step is done anew for each operation that it asks of the disk, on a copy of what lay there
before, and that operation fails: for once, or as the first of all later ones. Whatever happens,
what was acknowledged is there, at once and after a restart, and writes go on.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from spladed.errors import SpladedError
from spladed.index import storage

from .day import STEPS, Step
from .state import Index, State, observed
from .writes import applied, perform, write_of

__all__ = ["Faults"]

_MEMORY = Path("/dev/shm")  # where there is one, fsync costs nothing
_NAMES = ("open", "read", "write", "fsync", "close", "map", "rename", "unlink", "mkdir", "rmdir")
_READS = ("read", "map", "close")
_REASONS = {errno.ENOSPC: "DISK_FULL", errno.EIO: "STORAGE"}
_KINDS = [(number, for_good) for for_good in (False, True) for number in _REASONS]
# A write that no step does.
_LATER = write_of(1, 0)


@dataclass(frozen=True, slots=True)
class _Fault:
    """Operation `at` fails with this error number; for good: and all changes after it."""

    at: int
    number: int
    for_good: bool

    def __str__(self) -> str:
        how = "for good" if self.for_good else "once"
        return f"operation {self.at} fails {how} with {errno.errorcode[self.number]}"


class _Disk(storage.Calls):
    """Notes what it is asked, and fails as told."""

    def __init__(self, fault: _Fault | None) -> None:
        self.asked: list[str] = []
        self._fault = fault
        for name in _NAMES:
            setattr(self, name, self._faulty(name, getattr(super(), name)))

    def _faulty(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def faulty(*arguments: object) -> object:
            self.asked.append(name)
            fault = self._fault
            if fault is None or not self._fails(fault, name, arguments):
                return call(*arguments)
            if name == "close":  # it says so, and closes nevertheless
                call(*arguments)
            raise OSError(fault.number, os.strerror(fault.number))

        return faulty

    def _fails(self, fault: _Fault, name: str, arguments: tuple[Any, ...]) -> bool:
        if len(self.asked) <= fault.at:
            return len(self.asked) == fault.at
        return fault.for_good and _changes(name, arguments)


def _changes(name: str, arguments: tuple[Any, ...]) -> bool:
    if name == "open":
        return bool(arguments[1] & os.O_CREAT)
    return name not in _READS


class Faults:
    """Does it all; `count` faults were met, `refused` of them came back as an error.

    `close` removes the files.
    """

    def __init__(self) -> None:
        where = _MEMORY if _MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="spladed-faults-", dir=where))
        self._before, self._root = self._folder / "before", self._folder / "root"
        self.count = self.refused = 0

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder)

    def problems(self, *, every: bool) -> Iterator[str]:
        """What goes wrong with a fault at an operation of a step.

        every: each kind of fault at every operation; else one kind in turn, at few of the writes
               that follow on writes, and not in the steps that come again without a kill
        """
        shutil.rmtree(self._before, ignore_errors=True)
        self._before.mkdir()
        state = State()
        for step in STEPS:
            names = self._operations(step) if every or step.kill_at is None else []
            for n in range(1, len(names) + 1):
                kinds = _KINDS if every else [_KINDS[n % len(_KINDS)]]
                if every or n % 7 == 0 or names[n - 2 : n] != ["write", "write"]:
                    for number, for_good in kinds:
                        yield from self._tried(step, state, _Fault(n, number, for_good))
            state = self._done(step, state)

    def _operations(self, step: Step) -> list[str]:
        """What the step asks for."""
        index, disk = self._copied(step), _Disk(None)
        with patch.object(storage, "calls", disk):
            step.act(index)
        index.close()
        return disk.asked

    def _done(self, step: Step, state: State) -> State:
        index = Index(self._before)
        step.act(index)
        index.close()
        return step.outcomes(state)[-1]

    def _copied(self, step: Step) -> Index:
        """A copy of what the step finds; open, unless it opens it itself."""
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._before, self._root)
        index = Index(self._root)
        if not step.opens:
            index.open()
        return index

    def _tried(self, step: Step, state: State, fault: _Fault) -> Iterator[str]:
        index, after = self._copied(step), step.outcomes(state)[-1]
        self.count += 1
        try:
            if not self._is_refused(step, index, fault):
                self._check(step, index, after, [after])
            else:
                # What could not be undone either is found done by the next process.
                self._check(step, index, state, [state, after] if fault.for_good else [state])
        except Exception as error:
            yield f"{step.name}, {fault}: {error!r}"
        finally:
            index.close()

    def _is_refused(self, step: Step, index: Index, fault: _Fault) -> bool:
        """Whether the step came back with an error, which has the fault's name."""
        with patch.object(storage, "calls", _Disk(fault)):
            try:
                step.act(index)
            except SpladedError as error:
                assert error.reason == _REASONS[fault.number], error
                self.refused += 1
                return True
            return False

    def _check(self, step: Step, index: Index, now: State, restarted: Sequence[State]) -> None:
        """The disk is well again, and the process goes on, then another one."""
        if step.opens or index.all.failures():
            index.close()
        else:
            assert index.read().collections == now.collections, "at once"
        assert index.read() in restarted, "at once"
        if "a" in now.collections:
            perform(index.all.get("a"), _LATER)
            restarted = [_later(state) for state in restarted]
        index.close()
        assert observed(self._root) in restarted, "after a restart"


def _later(state: State) -> State:
    return state.with_collection("a", applied(state.collections["a"], _LATER))
