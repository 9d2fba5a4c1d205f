"""A real session whose process may not have more memory."""

from __future__ import annotations

import subprocess
import sys

# One text a batch first, so that the arena holds no more than that; then 32 of them at once
# in 20 MB more: the scores of one layer alone are 67. A process of its own, since the limit holds
# for all of it; which leaves without onnxruntime's exit handler, that waits without end for a
# thread of its own when memory was short.
SCRIPT = """
import logging, os, resource, sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import spladed
from spladed.encoder.engine import Engine
from spladed.encoder.tokenize import windows

logging.basicConfig(stream=sys.stdout, format="%(message)s")
encoder = spladed.Encoder.load("builtin", threads=1, max_batch_tokens=512)
texts = [f"text number {number} " * 200 for number in range(32)]
truth = encoder.encode(texts, kind="document")
ids = windows(encoder.tokenize(texts, kind="document"))
encoder.policy = replace(encoder.policy, max_batch_tokens=32 * 512)
engine = Engine(encoder.run, encoder.policy, notify=lambda answer: answer(),
                max_waiting_tokens=100_000, max_document_batch_ms=50)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 20 * 2**20, resource.RLIM_INFINITY))
answer = Future()
engine.submit(ids, "document", answer)
for rows in (answer.result(100), encoder.encode(texts, kind="document")):
    assert rows.indices.tolist() == truth.indices.tolist()
    assert np.allclose(rows.values, truth.values, atol=1e-4)
engine.close()
sys.stdout.flush()
os._exit(0)
"""


def test_batches_are_halved_until_they_fit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    halved = [line for line in done.stdout.splitlines() if line.startswith("a batch of")]
    assert "a batch of 32 rows is halved: onnxruntime:" in halved[0]
    assert sum(line.startswith("a batch of 32 ") for line in halved) == 2, "engine and library"
