"""fastembed's SPLADE: the masked-LM graph, and numpy over its [B, S, V].

It knows its models by name. A folder may stand in for the one that it would download, so that
the same checkpoint runs under the name of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from fastembed import SparseEmbedding, SparseTextEmbedding
from numpy.typing import NDArray

NAME, TERMS = "prithivida/Splade_PP_en_v1", 30_522
LONGEST = 512


class FastEmbed:
    api = "SparseTextEmbedding.embed: indices and values of each text"

    def __init__(self, folder: Path) -> None:
        self._model = SparseTextEmbedding(
            NAME, threads=1, specific_model_path=str(laid_out(folder))
        )
        self._model.model.tokenizer.enable_truncation(LONGEST)

    def encode(
        self, texts: Sequence[str], kind: Literal["query", "document"]
    ) -> list[SparseEmbedding]:
        """Documents by eights: [32, 512, V] is 2 GB, and numpy makes three of it."""
        return list(self._model.embed(texts, batch_size=32 if kind == "query" else 8))

    def dense(self, found: list[SparseEmbedding]) -> NDArray[np.float32]:
        rows = np.zeros((len(found), TERMS), np.float32)
        for row, each in zip(rows, found, strict=True):
            row[each.indices] = each.values
        return rows


def laid_out(folder: Path) -> Path:
    """The graph that sentence-transformers exported, where fastembed looks for one."""
    source, place = folder / "sentence-onnx", folder / "fastembed"
    if not place.exists():
        place.mkdir()
        for path in [*source.glob("*.json"), *source.glob("onnx/*")]:
            (place / path.name).symlink_to(path.resolve())
    return place
