"""A server whose onnxruntime hangs on a text of many tokens, after its golden texts have passed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from spladed import app, ort
from spladed.config import load_config

HANGING = 40  # tokens of a row, padding included, from which on it hangs
run = ort.Session.run


def hang(self: ort.Session, ids: Any, mask: Any) -> Any:
    if Path(sys.argv[1]).exists() and ids.shape[1] >= HANGING:
        time.sleep(3_600)
    return run(self, ids, mask)


ort.Session.run = hang  # type: ignore[method-assign]
flags = {
    "server.listen": "127.0.0.1:0",
    "server.port_file": sys.argv[1],
    "encoder.hang_seconds": 2.0,
}
app.serve(load_config(flags=flags))
