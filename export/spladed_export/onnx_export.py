"""A checkpoint becomes a masked-LM graph, through optimum; a graph that it made is read.

optimum is the exporter because the field keeps its list of architectures there and most
ONNX masked-LMs on the hub come from it: one graft serves both.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from spladed.errors import Corrupt, Mismatch
from spladed_export.nodes import OPSET
from spladed_export.source import Checkpoint
from spladed_export.table import StaticTable

__all__ = ["load_model", "load_tokenizer", "masked_lm", "quiet"]

_NEWEST_OPSET = 22  # the last that IR version 10 carries
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_HALF: dict[int, str] = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}


def masked_lm(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The fp32 graph token ids, mask -> logits [B, S, V] (eager attention, opset 18)."""
    if checkpoint.graph is not None:
        return _read_graph(checkpoint.graph)
    from optimum.exporters.onnx import onnx_export_from_model

    model = load_model(checkpoint)
    with tempfile.TemporaryDirectory() as folder, quiet():
        onnx_export_from_model(
            model, folder, opset=OPSET, task="fill-mask", do_validation=False, device="cpu"
        )
        return onnx.load(str(Path(folder) / "model.onnx"))


def load_model(checkpoint: Checkpoint) -> Any:
    """The checkpoint as a torch module in fp32, evaluating, with every weight from its file.

    Raises Mismatch where weights are missing: transformers would draw them at random.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    try:
        with quiet():
            model, loading = AutoModelForMaskedLM.from_pretrained(
                checkpoint.folder,
                attn_implementation="eager",
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except (RuntimeError, OSError, ValueError) as error:
        raise Corrupt(
            f"{checkpoint.folder}: the weights do not fit config.json ({error})",
            reason="SOURCE_WEIGHTS",
            field="source",
        ) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise Mismatch(
            f"{checkpoint.name} has no weights for {', '.join(missing[:4])}"
            f"{f' and {len(missing) - 4} more' if len(missing) > 4 else ''}; they would be "
            "random: this is an encoder without its masked-LM head, not a SPLADE checkpoint",
            reason="SOURCE_MISSING_WEIGHTS",
            field="source",
        )
    return model.eval()


def load_tokenizer(checkpoint: Checkpoint | StaticTable) -> Any:
    """The checkpoint's own tokenizer, as transformers builds it (the fast kind).

    Raises Mismatch where there is none, or none that fits the vocabulary.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                checkpoint.folder, use_fast=True, trust_remote_code=False
            )
    except Exception as error:  # transformers and tokenizers raise unrelated classes here
        raise _no_tokenizer(checkpoint, f"cannot be loaded ({error})") from error
    if not getattr(tokenizer, "is_fast", False) or len(tokenizer) <= len(tokenizer.all_special_ids):
        raise _no_tokenizer(checkpoint, "is missing: there is no tokenizer.json or vocab.txt")
    _check_vocabulary(checkpoint, max(tokenizer.get_vocab().values()) + 1)
    return tokenizer


def _check_vocabulary(checkpoint: Checkpoint | StaticTable, found: int) -> None:
    """Embeddings are often padded to a multiple of 8 to 1,024; they never lack a row."""
    expected = checkpoint.vocabulary_size
    if not expected - 1_024 < found <= expected or 2 * found < expected:
        raise _no_tokenizer(
            checkpoint, f"has {found} tokens and the model a vocabulary of {expected}"
        )


def _no_tokenizer(checkpoint: Checkpoint | StaticTable, what: str) -> Mismatch:
    return Mismatch(
        f"the tokenizer of {checkpoint.name} {what}; export needs the one that the model was "
        "trained with",
        reason="SOURCE_TOKENIZER",
        field="source",
    )


def _read_graph(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's DecodeError, or a missing data file
        raise Corrupt(
            f"{path} is not a readable ONNX graph ({error}); export it again",
            reason="SOURCE_GRAPH",
            field="source",
        ) from error
    _check_opset(model, path)
    _check_operators(model, path)
    _check_ends(model, path)
    return model


def _check_opset(model: onnx.ModelProto, path: Path) -> None:
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if not OPSET <= opset <= _NEWEST_OPSET:
        raise _refused(path, f"has opset {opset}", f"{OPSET} to {_NEWEST_OPSET}: --opset {OPSET}")


def _check_operators(model: onnx.ModelProto, path: Path) -> None:
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise _refused(
                path,
                f"holds {node.domain}.{node.op_type}",
                "a graph without fusions: no --optimize",
            )
        if any(word in node.op_type.lower() for word in ("quantize", "integer", "qlinear")):
            raise _refused(path, f"is quantised ({node.op_type})", "fp32: --precision does that")
    for tensor in model.graph.initializer:
        if tensor.data_type in _HALF:
            raise _refused(path, f"holds {_HALF[tensor.data_type]} weights", "fp32: --dtype fp32")


def _check_ends(model: onnx.ModelProto, path: Path) -> None:
    inputs = {node.name for node in model.graph.input}
    rank = len(model.graph.output[0].type.tensor_type.shape.dim)
    if not {"input_ids", "attention_mask"} <= inputs <= _INPUTS or rank != 3:
        raise _refused(
            path,
            f"maps {sorted(inputs)} to {model.graph.output[0].name} of rank {rank}",
            "input_ids and attention_mask to logits [B, S, V]: --task fill-mask",
        )


def _refused(path: Path, found: str, expected: str) -> Mismatch:
    return Mismatch(
        f"{path} {found}; expected {expected} (optimum-cli export onnx)",
        reason="SOURCE_GRAPH",
        field="source",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the libraries' warnings: what matters among them is checked here, by name."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
