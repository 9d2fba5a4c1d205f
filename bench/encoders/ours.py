"""spladed's Encoder, as its users call it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spladed.bundle import Bundle
from spladed.encoder.batch import BatchPolicy
from spladed.encoder.encoder import Encoder, Network
from spladed.ort import Session
from spladed.sparse import SparseBatch

LONGEST = 512


class Spladed:
    api = "Encoder.encode: a SparseBatch, numpy arrays"

    def __init__(self, folder: Path, *, bundle: str) -> None:
        self._encoder = Encoder.load(folder / bundle, threads=1)

    def encode(self, texts: Sequence[str], kind: Literal["query", "document"]) -> SparseBatch:
        return self._encoder.encode(texts, kind=kind, max_length=LONGEST)

    def dense(self, found: SparseBatch) -> NDArray[np.float32]:
        rows = np.zeros((len(found), found.dimension), np.float32)
        rows[np.repeat(np.arange(len(found)), np.diff(found.indptr)), found.indices] = found.values
        return rows


class Dynamic(Spladed):
    """The same with our fp32 graph after quantize_dynamic, whose rows depend on their batch."""

    api = "our head, tokens and batches; onnxruntime's quantize_dynamic: a SparseBatch"

    def __init__(self, folder: Path) -> None:
        bundle = Bundle.open(folder / "fp32")
        model = bundle.manifest.model
        session = Session(folder / "dynamic.onnx", dimension=model.vocabulary_size, threads=1)
        network = Network(session, model.max_length)
        self._encoder = Encoder(bundle, network, network, BatchPolicy())
