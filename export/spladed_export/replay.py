"""Opens a bundle with the real encoder in a process that has exported nothing.

`python -m spladed_export.replay FOLDER` prints {"texts": n, "moved": x}: the largest
difference between the golden rows in the manifest and those computed here, all texts of
a kind in one call.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from spladed.encoder.encoder import Encoder


def replay(folder: str) -> dict[str, float]:
    """The number of golden texts, and how far a weight has moved at most."""
    encoder = Encoder.load(folder)
    manifest = encoder.bundle.manifest
    moved = 0.0
    for kind in ("query", "document"):
        golden = [each for each in manifest.golden if each.kind == kind]
        rows = encoder.encode([each.text for each in golden], kind=kind)
        for each, (indices, values) in zip(golden, rows.rows(), strict=True):
            difference = np.zeros(rows.dimension)
            difference[list(each.indices)] = each.values
            difference[indices] -= values
            moved = max(moved, float(np.abs(difference).max()))
    return {"texts": len(manifest.golden), "moved": moved}


if __name__ == "__main__":
    print(json.dumps(replay(sys.argv[1])))
