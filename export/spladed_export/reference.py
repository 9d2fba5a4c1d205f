"""What the rows should be, computed without the export's or the encoder's code.

The source checkpoint in torch fp32 with eager attention, its own tokenizer, one text at a
time without padding, and the formula as the papers have it:

    w[v] = max (or sum) over tokens t of log(1 + relu(z[t, v]))      [log1p once more if asked]

A source that is a graph already has no torch weights: then its logits come from
onnxruntime on that graph, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spladed.bundle import Model
from spladed_export.onnx_export import load_model, load_tokenizer
from spladed_export.raw import RawGraph
from spladed_export.source import Checkpoint

__all__ = ["Reference"]

Logits = Callable[[list[int]], np.ndarray]  # token ids of one text -> float32 [S, V]


@dataclass(frozen=True, slots=True)
class Reference:
    """Token ids and rows as the source itself has them."""

    description: str
    tokenizer: Any
    logits: Logits
    model: Model

    @classmethod
    def of(cls, checkpoint: Checkpoint, model: Model) -> Reference:
        """The reference for a checkpoint: torch where it has weights, else its own graph."""
        tokenizer = load_tokenizer(checkpoint)
        if checkpoint.graph is None:
            return cls("torch fp32, eager attention", tokenizer, _torch(checkpoint), model)
        graph = RawGraph(checkpoint.graph)
        return cls("logits of the source's graph, onnxruntime", tokenizer, _graph(graph), model)

    def token_ids(self, text: str, limit: int) -> list[int]:
        """The ids of a text, special tokens included, cut to `limit`."""
        return list(self.tokenizer(text, truncation=True, max_length=limit)["input_ids"])

    def row(self, ids: list[int]) -> np.ndarray:
        """The dense row, float32 [V], of one text's token ids."""
        weights = np.log1p(np.maximum(self.logits(ids), 0))
        if self.model.activation == "log1p_log1p_relu":
            weights = np.log1p(weights)
        row = weights.max(axis=0) if self.model.pooling == "max" else weights.sum(axis=0)
        if self.model.special_terms == "drop":
            row[list(self.model.special_token_ids)] = 0
        return row


def _torch(checkpoint: Checkpoint) -> Logits:
    import torch

    model = load_model(checkpoint)

    def logits(ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        return np.asarray(output.logits[0].numpy())

    return logits


def _graph(graph: RawGraph) -> Logits:
    def logits(ids: list[int]) -> np.ndarray:
        tokens = np.array([ids], np.int64)
        return graph.run(tokens, np.ones_like(tokens))[0]

    return logits
