"""A checkpoint becomes a masked-LM graph, through optimum.

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

from spladed.errors import Corrupt, Mismatch
from spladed_export.found_graph import read_graph
from spladed_export.nodes import OPSET
from spladed_export.source import Checkpoint
from spladed_export.table import StaticTable

__all__ = ["load_model", "load_tokenizer", "masked_lm", "quiet"]

# What transformers, torch and pickle raise for files that do not fit, beside its own.
_MISFITS = (
    RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, EOFError,
)  # fmt: skip


def masked_lm(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The fp32 graph token ids, mask -> logits [B, S, V] (eager attention, opset 18)."""
    if checkpoint.graph is not None:
        return read_graph(checkpoint.graph)
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
                use_safetensors=not checkpoint.pickled,
                weights_only=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except _MISFITS as error:
        raise Corrupt(
            f"{checkpoint.folder}: the weights cannot be read, or do not fit config.json "
            f"({_cause(error)})",
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


def _cause(error: BaseException) -> str:
    """What an error and its first cause say: transformers hides torch's refusal of a pickle."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{type(error).__name__}: {error}"


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
