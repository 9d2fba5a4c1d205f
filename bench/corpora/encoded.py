"""Real passages and real questions, encoded by the built-in bundle."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from corpora import Csr, finish, keep
from spladed import Encoder
from spladed.jobs.dataset import Dataset

if TYPE_CHECKING:
    from spladed.manifest import Kind

CHUNK = 1_024  # texts of one call: they are sorted by length within it


def make(folder: Path, texts: Path, documents: int) -> None:
    """`documents` passages of a dataset in BEIR's layout (all, if 0), and its judged queries."""
    dataset, encoder = Dataset.open(texts), Encoder.load("builtin", threads=1)
    passages = [each.text for each in dataset.documents][: documents or None]
    before = time.process_time()
    keep(folder / "documents", _encoded(encoder, passages, "document"))
    seconds = time.process_time() - before
    keep(folder / "queries", _encoded(encoder, [each.text for each in dataset.queries], "query"))
    about = {
        "flavour": "real",
        "documents": len(passages),
        "dimension": encoder.dimension,
        "source": f"{dataset.name}, encoded by {encoder.bundle.manifest.bundle_id}",
        "encoding_cpu_seconds": seconds,
    }
    finish(folder, about)


def _encoded(encoder: Encoder, texts: Sequence[str], kind: Kind) -> Iterator[Csr]:
    for start in range(0, len(texts), CHUNK):
        rows = encoder.encode(texts[start : start + CHUNK], kind=kind)
        yield Csr(rows.indptr, rows.indices, rows.values)
        if sys.stderr.isatty() or start % (20 * CHUNK) == 0:
            print(f"{kind}: {start + len(rows):,} of {len(texts):,}", file=sys.stderr, flush=True)
