"""A child process that answers calls: both of its ends. Needs the standard library alone.

Calls go to the child as pickles through its stdin, answers come back through its stdout; what
libraries print there goes to stderr.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

ONE_THREAD = (
    "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)  # fmt: skip


class Failed(Exception):
    """What a child could not do, in its words."""


class Child:
    """The parent's end; an error in the child is raised here as Failed. Libraries there use
    one thread."""

    def __init__(
        self, command: Sequence[str], log: Path, *, before: Callable[[], None] | None = None
    ) -> None:
        """The child gets one argument more: this process's perf_counter as it starts, on a clock
        that is the machine's.

        log: where its stderr is appended; before: runs in the child before its program does
        """
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*command, str(time.perf_counter())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=os.environ | dict.fromkeys(ONE_THREAD, "1"),
                preexec_fn=before,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            pickle.dump((method, arguments), self._process.stdin)
            self._process.stdin.flush()
            done, answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            status = self._process.wait()
            raise Failed(f"its process ended with status {status}, see {self._log.name}") from None
        if not done:
            raise Failed(answer)
        return answer

    def close(self) -> None:
        """Ends the child, if it has not ended by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Marks:
    """Wall and processor seconds of the process from mark to mark."""

    def __init__(self, spawned: float) -> None:
        self._wall, self._cpu = spawned, 0.0
        self.taken: dict[str, dict[str, float]] = {}

    def mark(self, name: str) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.taken[name] = {"wall_seconds": wall - self._wall, "cpu_seconds": cpu - self._cpu}
        self.skip()

    def skip(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()


def answers() -> BinaryIO:
    """The child's stdout, for answers alone; whatever prints there from now on is in stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def serve(worker: Any, out: BinaryIO) -> None:
    """Answers calls of the worker's methods until stdin ends."""
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = (True, getattr(worker, method)(**arguments))
        except Exception as error:
            traceback.print_exc()
            answer = (False, f"{type(error).__name__}: {error}")
        pickle.dump(answer, out)
        out.flush()
