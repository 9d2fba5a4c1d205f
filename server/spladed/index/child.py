"""The process that builds segment files beside the one that serves.

    python -P -m spladed.index.child

Reads jobs as JSON lines from stdin, answers each with a JSON line on stdout, and ends with
its parent: a kill closes stdin, and what is half written is swept when the folder is opened.

    {"folder", "segments": [names], "through_seq", "output"}
        -> {"documents": n} or {"error": "Exhausted" ..., "reason", "message"}

It reads the catalog and writes one file. Naming that file is its parent's.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from spladed.errors import SpladedError
from spladed.index.builder import build

__all__ = ["main"]

# Below the serving process: building can wait for a moment, a query should not. On one core
# shared with searches and 1,000 writes a second the 99th percentile of a search beside a merge
# was 16 to 20 ms at this niceness and 29 ms at 5; 19 and SCHED_BATCH gave no less.
_NICENESS = 10


def main() -> None:
    """Work until stdin ends."""
    os.nice(_NICENESS)
    jobs: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    with suppress(BrokenPipeError):  # the parent is gone
        while True:
            print(json.dumps(_answer(json.loads(jobs.get()))), flush=True)
    os._exit(0)


def _read(jobs: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)  # the parent is gone: whatever is being built, nobody wants it


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    try:
        documents = build(
            Path(job["folder"]), job["segments"], job["through_seq"], Path(job["output"])
        )
    except SpladedError as error:
        kind = type(error).__name__
        return {"error": kind, "reason": error.reason, "message": error.message}
    except Exception as error:  # whatever it is, the parent must hear of it
        message = f"building a segment failed: {error!r}; this is a bug"
        return {"error": "Internal", "reason": "BUG", "message": message}
    return {"documents": documents}


if __name__ == "__main__":
    main()
