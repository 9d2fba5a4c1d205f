"""Sources as others write them: with a query side of their own, or with pickled weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from spladed_export.onnx_export import quiet


def weights(size: int) -> torch.Tensor:
    """A weight for every token, of which every seventh is 0."""
    generator = torch.Generator().manual_seed(7)
    drawn = torch.rand(size, generator=generator) * 5
    drawn[::7] = 0
    return drawn


def modules(checkpoint: Path, **pooling: str) -> list[Any]:
    """A transformer and the pooling after it."""
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling

    return [MLMTransformer(str(checkpoint)), SpladePooling(**pooling)]  # type: ignore[arg-type]


def routed(query: list[Any], document: list[Any], out: Path, **settings: Any) -> Any:
    """A SparseEncoder whose Router tells queries from documents, saved to `out`."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router

    with quiet():
        router = Router.for_query_document(query_modules=query, document_modules=document)
        model = SparseEncoder(modules=[router], device="cpu", **settings)
        model.save(str(out))
    return model


def static(checkpoint: Path, size: int) -> list[Any]:
    """A SparseStaticEmbedding of `weights`, with the checkpoint's tokenizer."""
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return [SparseStaticEmbedding(tokenizer, weights(size), frozen=True)]


def json_table(checkpoint: Path, path: Path) -> dict[str, float]:
    """Writes token -> weight for every third token; returns it."""
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text())["model"]["vocab"]
    table = {token: 1 + number / 100 for token, number in vocabulary.items() if number % 3 == 0}
    path.write_text(json.dumps(table))
    return table


def pickled(folder: Path) -> Path:
    """Turns the folder's safetensors into what transformers wrote before."""
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    return folder
