"""sentence-transformers' SparseEncoder: its torch and its ONNX backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from sentence_transformers import SparseEncoder

LONGEST = 512
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Torch:
    api = "SparseEncoder.encode: one sparse tensor"

    def __init__(self, folder: Path, *, precision: str, compiled: bool) -> None:
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        self._model = SparseEncoder(
            str(folder / "checkpoint"), device="cpu", model_kwargs={"dtype": DTYPES[precision]}
        )
        self._model.max_seq_length = LONGEST
        if compiled:
            self._model.compile(dynamic=True)

    def encode(self, texts: Sequence[str], kind: Literal["query", "document"]) -> torch.Tensor:
        call = self._model.encode_query if kind == "query" else self._model.encode_document
        return call(list(texts), batch_size=32, show_progress_bar=False)  # type: ignore[return-value]

    def dense(self, found: torch.Tensor) -> NDArray[np.float32]:
        return found.to_dense().float().numpy()


class Onnx(Torch):
    """backend="onnx": onnxruntime makes [B, S, V], torch pools it."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        settings: dict[str, Any] = {
            "provider": "CPUExecutionProvider",
            "session_options": options,
        }
        graph = folder / "sentence-onnx"
        if not graph.exists():
            raise RuntimeError(graph.with_suffix(".failed").read_text())
        self._model = SparseEncoder(str(graph), device="cpu", backend="onnx", model_kwargs=settings)
        self._model.max_seq_length = LONGEST
