"""The bench's end of an engine's process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from child import Child, Failed
from searchers import ENGINES, Setting

__all__ = ["Failed", "Process"]

WORKER = Path(__file__).with_name("search_worker.py")


class Process(Child):
    """A process that serves one engine; what it prints goes to a log beside the index."""

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
        super().__init__(command, index.with_name(f"{index.name}.log"), before=before)

    def time(self, setting: Setting, k: int) -> tuple[list[int], list[int]]:
        return self.call("time", setting=setting, k=k)
