"""Small random checkpoints that behave like SPLADE: for tests and goldens, never for search.

Their decoder bias is shifted so that a passage has a few dozen terms; untouched random
weights light half of the vocabulary, which the gate refuses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase, digits, punctuation
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertForMaskedLM,
)

from spladed_export.texts import labelled_pages

__all__ = ["FAMILIES", "VOCABULARY_SIZE", "random_checkpoint"]

VOCABULARY_SIZE = 1_000  # two decoder blocks, the last one partial
_POSITIONS = 128
_TERMS = 34  # of a passage, roughly; the gate wants 20 to 50 in this vocabulary
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def random_checkpoint(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Writes a checkpoint of `family` ("bert" or "distilbert") into the new `folder`."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(_vocabulary()) + "\n", "utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=_POSITIONS)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    model = FAMILIES[family]().eval()
    _disturb(model)
    _shift_bias(model, tokenizer)
    model.save_pretrained(folder)
    return folder


def _bert() -> BertForMaskedLM:
    config = BertConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=_POSITIONS,
        initializer_range=0.2,
    )
    return BertForMaskedLM(config)


def _distilbert() -> DistilBertForMaskedLM:
    config = DistilBertConfig(
        vocab_size=VOCABULARY_SIZE,
        dim=16,
        n_layers=2,
        n_heads=2,
        hidden_dim=32,
        max_position_embeddings=_POSITIONS,
        initializer_range=0.2,
    )
    return DistilBertForMaskedLM(config)


FAMILIES: Mapping[str, Any] = {"bert": _bert, "distilbert": _distilbert}


def _vocabulary() -> list[str]:
    """Special tokens, letters with and without ##, and the pages' most frequent words."""
    characters = [*ascii_lowercase, *digits, *punctuation]
    start = [*_SPECIAL, *characters, *(f"##{each}" for each in (*ascii_lowercase, *digits))]
    text = " ".join(f"{page.query} {page.passage}" for page in labelled_pages()).lower()
    words = Counter(word for word in re.findall("[a-z]+", text) if len(word) > 1)
    ranked = sorted(words, key=lambda word: (-words[word], word))
    return [*start, *ranked][:VOCABULARY_SIZE]


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
