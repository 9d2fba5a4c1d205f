"""Fused graphs of every family with as many terms as it usually has, of small random encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spladed_export.draft import save_graph
from spladed_export.ending import split
from spladed_export.graft import Head, MaskedLM, graft
from spladed_export.lower import decoder_scale, lower_int8
from spladed_export.onnx_export import masked_lm, quiet
from spladed_export.raw import RawGraph
from spladed_export.source import read

# Terms of the published models: google-bert, distilbert, electra and mpnet in English, roberta,
# camembert, ModernBERT padded to a multiple of 64, and XLM-R of a hundred languages.
TERMS: Mapping[str, int] = {
    "bert": 30_522, "distilbert": 30_522, "electra": 30_522, "mpnet": 30_527,
    "camembert": 32_005, "roberta": 50_265, "modernbert": 50_368, "xlm-roberta": 250_002,
}  # fmt: skip
# The built-in model's widths, under the names that a family has for them; ModernBERT's inner layer
# is one and a half times as wide as its states, and there twice.
WIDTHS: Mapping[str, int] = {
    "hidden_size": 128, "embedding_size": 128, "intermediate_size": 512,
    "dim": 128, "hidden_dim": 512, "max_position_embeddings": 514,
}  # fmt: skip
KEPT = 200  # terms of a text, roughly


def graphs(family: str, folder: Path) -> dict[str, Path]:
    """A family's graph by precision, written into the new `folder`."""
    folder.mkdir()
    checkpoint(family, folder)
    lm = split(masked_lm(read(folder)), TERMS[family])
    lm, scale = sparse(lm)
    head = Head("max", "log1p_relu")
    return {
        "fp32": save_graph(graft(lm, head), folder / "fp32.onnx"),
        "int8": save_graph(lower_int8(lm, head, scale), folder / "int8.onnx"),
    }


def checkpoint(family: str, folder: Path) -> None:
    # Here, so that the processes that are measured hold no torch.
    import torch
    from transformers import AutoConfig, AutoModelForMaskedLM

    from spladed_export.tiny import FAMILIES

    settings: dict[str, Any] = dict(FAMILIES[family].config)
    settings |= {name: width for name, width in WIDTHS.items() if name in settings}
    if family == "modernbert":
        settings["intermediate_size"] = 3 * settings["hidden_size"] // 2
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, vocab_size=TERMS[family], **settings)
    with quiet():
        AutoModelForMaskedLM.from_config(config).save_pretrained(folder)


def sparse(lm: MaskedLM) -> tuple[MaskedLM, float]:
    """With a bias under which a text has about KEPT terms, and its int8 scale: untouched random
    weights light half of the columns, whose rows would be counted as the head's memory."""
    ids = np.random.default_rng(0).integers(1_000, 30_000, (1, 64))
    (states,) = RawGraph(lm.encoder).run(ids, np.ones_like(ids))
    maxima = (states @ lm.decoder + lm.bias).max(axis=0)
    lowered = lm.bias - np.sort(maxima)[-KEPT]
    return replace(lm, bias=lowered), decoder_scale(np.abs(states).max(axis=1))
