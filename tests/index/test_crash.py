"""What was acknowledged survives kill -9; of the write in flight, all of it or nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spladed.index import Collection, CollectionSettings

from .oracle import rows_of

DIMENSION = 1000
BATCH = 20

# Write n sets all of documents b{n % 7}-*, or deletes them when n % 5 == 4; each is
# acknowledged on its own line once the call has returned.
WRITER = f"""
import sys
from spladed.index import Collection, Document
from spladed.sparse import SparseBatch
c = Collection.open(sys.argv[1])
for n in range(c.generation, 1_000_000):
    ids = [f"b{{n % 7}}-{{i}}" for i in range({BATCH})]
    if n % 5 == 4 and c.get(ids[:1]).documents:
        c.delete(ids)
    else:
        rows = SparseBatch.from_rows({DIMENSION}, [([n % 100, 500], [1.0, 1 + n % 9])] * {BATCH})
        c.upsert([Document(id, str(n)) for id in ids], rows)
    assert c.generation == n + 1
    sys.stdout.write(f"{{n}}\\n")
    sys.stdout.flush()
"""


def state_after(writes: int) -> dict[str, tuple[str, dict[int, float]]]:
    """id -> (text, row) after that many writes."""
    state: dict[str, tuple[str, dict[int, float]]] = {}
    for n in range(writes):
        ids = [f"b{n % 7}-{i}" for i in range(BATCH)]
        if n % 5 == 4 and ids[0] in state:
            for id in ids:
                del state[id]
        else:
            state.update(dict.fromkeys(ids, (str(n), {n % 100: 1.0, 500: 1.0 + n % 9})))
    return state


def killed_after(path: Path, seconds: float) -> int:
    """The number of the last write acknowledged before the kill, or -1."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]  # started, and one write done
        time.sleep(seconds)
        writer.kill()
        lines += writer.stdout.readlines()
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1]) if whole else -1


@pytest.mark.parametrize("seed", range(6))
def test_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "c"
    Collection.create(path, CollectionSettings(DIMENSION)).close()
    chance = random.Random(seed)
    for _ in range(2):
        acknowledged = killed_after(path, chance.uniform(0, 0.25)) + 1
        assert acknowledged > 0
        with Collection.open(path) as c:
            assert c.generation in (acknowledged, acknowledged + 1)
            expected = state_after(c.generation)
            everyone = [f"b{group}-{i}" for group in range(7) for i in range(BATCH)]
            found = c.get(everyone, with_vectors=True)
            texts = [document.text for document in found.documents]
            ids = [document.id for document in found.documents]
            pairs = zip(texts, rows_of(found.vectors), strict=True)
            assert dict(zip(ids, pairs, strict=True)) == expected
            assert c.stats().documents == len(expected)
