"""The bench's end of an engine's process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from searchers import ENGINES, Setting

WORKER = Path(__file__).with_name("search_worker.py")
ONE_THREAD = (
    "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"
)  # fmt: skip


class Failed(Exception):
    """What an engine could not do, in its words."""


class Process:
    """A process that serves one engine; an error there is raised here as Failed.

    What it prints goes to a log beside the index.
    """

    def __init__(
        self, engine: str, corpus: Path, index: Path, *, peers: Path, core: int,
        before: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """peers: the interpreter of the environment that has the peers; before: runs in the
        new process before the program does."""
        python = sys.executable if ENGINES[engine].ours else str(peers)
        if not Path(python).exists():
            raise Failed(f"there is no {python}")
        command = [python, str(WORKER), engine, str(corpus), str(index), str(core)]
        self._log = index.with_name(f"{index.name}.log")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(time.perf_counter())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
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

    def time(self, setting: Setting, k: int) -> tuple[list[int], list[int]]:
        return self.call("time", setting=setting, k=k)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
