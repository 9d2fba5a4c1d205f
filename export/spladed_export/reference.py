"""What the rows should be, computed without the export's or the encoder's code.

The source checkpoint in torch fp32 with eager attention, its own tokenizer, one text at a
time without padding, and the formula as the papers have it:

    w[v] = max (or sum) over tokens t of log(1 + relu(z[t, v]))      [log1p once more if asked]

A source that is a graph already has no torch weights: then its logits come from
onnxruntime on that graph, and the report says so. A table's row is looked up, token by token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spladed.manifest import Model
from spladed_export.onnx_export import load_model, load_tokenizer
from spladed_export.raw import RawGraph
from spladed_export.source import Checkpoint
from spladed_export.table import StaticTable

__all__ = ["Reference", "pooled"]

Rows = Callable[[list[int]], np.ndarray]  # token ids of one text -> float32, dense


@dataclass(frozen=True, slots=True)
class Reference:
    """Token ids and rows as one side of the source itself has them.

    row: the dense row, float32 [V], of one text's token ids
    """

    description: str
    tokenizer: Any
    row: Rows
    prompt: str = ""
    special: bool = True

    @classmethod
    def of(cls, checkpoint: Checkpoint, model: Model, prompt: str = "") -> Reference:
        """The reference for a checkpoint: torch where it has weights, else its own graph."""
        tokenizer = load_tokenizer(checkpoint)
        if checkpoint.graph is None:
            about, logits = "torch fp32, eager attention", _torch(checkpoint)
        else:
            about, logits = "logits of the source's graph, onnxruntime", _graph(checkpoint)
        return cls(about, tokenizer, lambda ids: pooled(logits(ids), model), prompt)

    @classmethod
    def of_table(cls, table: StaticTable, prompt: str = "") -> Reference:
        """The reference for a table."""
        tokenizer = load_tokenizer(table)
        weights = table.weights(tokenizer.get_vocab())

        def row(ids: list[int]) -> np.ndarray:
            dense = np.zeros_like(weights)
            for token in ids:
                dense[token] = weights[token]
            return dense

        return cls("weights of the source's table", tokenizer, row, prompt, special=False)

    def token_ids(self, text: str, limit: int) -> list[int]:
        """The ids of a text with its prompt and special tokens, cut to `limit`."""
        tokens = self.tokenizer(
            self.prompt + text,
            truncation=True,
            max_length=limit,
            add_special_tokens=self.special,
        )
        return list(tokens["input_ids"])


def pooled(logits: np.ndarray, model: Model) -> np.ndarray:
    """The formula: one row, float32 [V], of the logits of one text, float32 [S, V]."""
    weights = np.log1p(np.maximum(logits, 0))
    if model.activation == "log1p_log1p_relu":
        weights = np.log1p(weights)
    row = weights.max(axis=0) if model.pooling == "max" else weights.sum(axis=0)
    if model.special_terms == "drop":
        row[list(model.special_token_ids)] = 0
    return row


def _torch(checkpoint: Checkpoint) -> Rows:
    import torch

    model = load_model(checkpoint)

    def logits(ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        return np.asarray(output.logits[0].numpy())

    return logits


def _graph(checkpoint: Checkpoint) -> Rows:
    assert checkpoint.graph is not None
    graph = RawGraph(checkpoint.graph)

    def logits(ids: list[int]) -> np.ndarray:
        tokens = np.array([ids], np.int64)
        return graph.run(tokens, np.ones_like(tokens))[0]

    return logits
