"""OpenVINO's runtime on the padded graph: no service around it, rows made of [B, V] by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import openvino
import tokenizers
from numpy.typing import NDArray

LONGEST, BATCH = 512, 32
# What is not int8 in an int8 graph is what OpenVINO chooses by itself: bf16, where it is fast.
HINTS = {"fp32": {"INFERENCE_PRECISION_HINT": "f32"}, "bf16": {"INFERENCE_PRECISION_HINT": "bf16"}}
ONE_THREAD = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
Row = tuple[NDArray[np.int64], NDArray[np.float32]]


class OpenVino:
    api = "tokenizers, CompiledModel, numpy.flatnonzero: terms and weights of each text"

    def __init__(self, folder: Path, *, precision: str) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "int8" / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST)
        graph = folder / ("openvino-int8.xml" if precision == "int8" else "padded.onnx")
        settings = ONE_THREAD | HINTS.get(precision, {})
        self._model = openvino.Core().compile_model(str(graph), "CPU", settings)
        self._names = {name for given in self._model.inputs for name in given.names}
        self._dimension = self._model.outputs[0].partial_shape[1].get_max_length()

    def encode(self, texts: Sequence[str], _: Literal["query", "document"]) -> list[Row]:
        """Texts of similar length in batches of 32."""
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        ids = [np.array(each.ids, np.int64) for each in encoded]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        rows: list[Row] = [None] * len(ids)  # type: ignore[list-item]
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            weights = self._model(self._padded([ids[number] for number in numbers]))[0]
            for number, row in zip(numbers, weights, strict=True):
                terms = np.flatnonzero(row > 0)
                rows[number] = (terms, row[terms])
        return rows

    def _padded(self, texts: list[NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
        tokens = np.zeros((len(texts), max(map(len, texts))), np.int64)
        mask = np.zeros_like(tokens)
        for row, ids in enumerate(texts):
            tokens[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        given = {"input_ids": tokens, "attention_mask": mask}
        if "token_type_ids" in self._names:
            given["token_type_ids"] = np.zeros_like(tokens)
        return given

    def dense(self, found: list[Row]) -> NDArray[np.float32]:
        rows = np.zeros((len(found), self._dimension), np.float32)
        for row, (terms, weights) in zip(rows, found, strict=True):
            row[terms] = weights
        return rows
