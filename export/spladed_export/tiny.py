"""Small random checkpoints that behave like SPLADE: for tests and goldens, never for search.

Their decoder bias is shifted so that a passage has a few dozen terms; untouched random
weights light half of the vocabulary, which the gate refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from spladed_export import tiny_tokenizers as tokenizers
from spladed_export.onnx_export import quiet
from spladed_export.texts import labelled_pages
from spladed_export.tiny_tokenizers import VOCABULARY_SIZE

__all__ = ["FAMILIES", "VOCABULARY_SIZE", "random_checkpoint"]

_TERMS = 34  # of a passage, roughly; the gate wants 20 to 50 in this vocabulary


class _Family(NamedTuple):
    """How to make one: its tokenizer, what its configuration does not share, and how many
    tokens it takes; 100 are no multiple of what batches are padded to."""

    tokenizer: Callable[[Path, int], Any]
    config: Mapping[str, object]
    length: int = 100


_BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 100,
}
_DISTILBERT = {
    "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 128,
}  # fmt: skip
# The first two rows of their position table belong to no position.
_ROBERTA = _BERT | {"max_position_embeddings": 102, "type_vocab_size": 1, "pad_token_id": 1}
# Every other layer sees four neighbours on each side.
_MODERNBERT = _BERT | {
    "global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 0,
    "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3,
}  # fmt: skip

# By transformers' model_type.
FAMILIES: Mapping[str, _Family] = {
    "bert": _Family(tokenizers.bert, _BERT | {"max_position_embeddings": 128}, 128),
    "distilbert": _Family(tokenizers.bert, _DISTILBERT, 128),
    "electra": _Family(tokenizers.bert, _BERT | {"embedding_size": 12}),
    "roberta": _Family(tokenizers.roberta, _ROBERTA),
    "xlm-roberta": _Family(tokenizers.xlm_roberta, _ROBERTA),
    "camembert": _Family(tokenizers.camembert, _ROBERTA | {"bos_token_id": 5, "eos_token_id": 6}),
    "mpnet": _Family(tokenizers.mpnet, _ROBERTA),
    "modernbert": _Family(tokenizers.modernbert, _MODERNBERT),
}


def random_checkpoint(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Writes a checkpoint of one of FAMILIES into the new `folder`."""
    folder.mkdir(parents=True)
    made = FAMILIES[family]
    tokenizer = made.tokenizer(folder, made.length)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        family, vocab_size=VOCABULARY_SIZE, initializer_range=0.2, **made.config
    )
    with quiet():
        model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager").eval()
    _disturb(model)
    _shift_bias(model, tokenizer)
    model.save_pretrained(folder)
    return folder


@torch.inference_mode()
def _disturb(model: Any) -> None:
    """Moves biases and LayerNorms from the zeros and ones that would hide their loss."""
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter += 0.1 * torch.randn_like(parameter)


@torch.inference_mode()
def _shift_bias(model: Any, tokenizer: Any) -> None:
    """Lowers every column's bias by the logit that all but `_TERMS` maxima stay under."""
    thresholds = []
    for page in labelled_pages()[:40]:
        tokens = tokenizer(page.passage, truncation=True, return_tensors="pt")
        inputs = {key: tokens[key] for key in ("input_ids", "attention_mask")}
        maxima = model(**inputs).logits[0].max(dim=0).values.numpy()
        thresholds.append(np.sort(maxima)[-_TERMS])
    bias = model.get_output_embeddings().bias
    bias -= float(np.mean(thresholds))
