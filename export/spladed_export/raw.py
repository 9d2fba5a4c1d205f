"""This room's only importer of onnxruntime: graphs whose outputs are not a bundle's.

The reference of an already exported source (its logits), and the calibration of a
lowering (its hidden states). Bundles run through `spladed.ort`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from spladed.errors import Corrupt

__all__ = ["RawGraph"]

_QUIET = 3  # errors only


class RawGraph:
    """A graph of token ids and mask with one dense output, run on the CPU as it is."""

    def __init__(self, model: Path | onnx.ModelProto) -> None:
        source = str(model) if isinstance(model, Path) else model.SerializeToString()
        options = ort.SessionOptions()
        options.log_severity_level = _QUIET
        try:
            self._session = ort.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a dozen unrelated classes here
            raise Corrupt(
                f"the ONNX graph of the source cannot be loaded by onnxruntime: {error}",
                reason="SOURCE_GRAPH",
                field="source",
            ) from error
        self._inputs = [node.name for node in self._session.get_inputs()]

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """The first output for token ids [B, S] and mask [B, S], both int64."""
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        feed["token_type_ids"] = np.zeros_like(input_ids)
        outputs = self._session.run(None, {name: feed[name] for name in self._inputs})
        return np.asarray(outputs[0])
