"""`python -m spladed_export.goldens` remakes tests/goldens: what tests without torch compare with.

    tiny-bert/          an fp32 bundle of a small random BERT (vocabulary 1,000)
    tiny-bert.npz       its rows by torch
    builtin-fp32.npz    rows of the built-in model's checkpoint by torch, fp32: the truth that
                        the int8 bundle approximates

An .npz holds texts (JSON), kinds (JSON), indptr int64, indices int32, values float32.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spladed.manifest import Kind
from spladed_export.describe import Asked, described, plain_tokenizer
from spladed_export.export import export
from spladed_export.reference import Reference
from spladed_export.source import read
from spladed_export.texts import golden_texts, labelled_pages, probe_texts
from spladed_export.tiny import random_checkpoint

__all__ = ["main"]

_REPOSITORY = Path(__file__).parents[2]
_GOLDENS = _REPOSITORY / "tests" / "goldens"


def main() -> None:
    """Writes the three goldens; prints what it writes."""
    _GOLDENS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tiny = random_checkpoint("bert", Path(folder) / "tiny-bert")
        shutil.rmtree(_GOLDENS / "tiny-bert", ignore_errors=True)
        export(tiny, _GOLDENS / "tiny-bert")
        _write("tiny-bert.npz", tiny, [(text, "document") for text in probe_texts()])
    _write("builtin-fp32.npz", _REPOSITORY / "models" / "spladed-tiny-en", _builtin_texts())


def _builtin_texts() -> list[tuple[str, Kind]]:
    """The golden texts, and 24 labelled pages that no golden text is taken from."""
    pages = labelled_pages()[11:395:32]
    passages: list[tuple[str, Kind]] = [(page.passage, "document") for page in pages]
    return [*golden_texts(), *passages, *((page.query, "query") for page in pages)]


def _write(name: str, source: Path, texts: Sequence[tuple[str, Kind]]) -> None:
    checkpoint = read(source)
    tokenizer, asked = plain_tokenizer(checkpoint), Asked()
    about = described(
        checkpoint, {"query": tokenizer, "document": tokenizer}, "keep",
        {"query": asked, "document": asked},
    )  # fmt: skip
    reference, sides = Reference.of(checkpoint, about.model), about.sides
    rows = [reference.row(reference.token_ids(text, sides[kind].max_length))
            for text, kind in texts]  # fmt: skip
    indices = [np.flatnonzero(row).astype(np.int32) for row in rows]
    np.savez_compressed(
        _GOLDENS / name,
        texts=json.dumps([text for text, _ in texts]),
        kinds=json.dumps([kind for _, kind in texts]),
        indptr=np.concatenate([[0], np.cumsum([len(row) for row in indices])]),
        indices=np.concatenate(indices),
        values=np.concatenate([row[each] for row, each in zip(rows, indices, strict=True)]),
    )
    print(f"{name}: {len(texts)} texts, {(_GOLDENS / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
