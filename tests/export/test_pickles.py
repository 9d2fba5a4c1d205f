"""Pickled weights: refused, or read as tensors and nothing else where they are allowed."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spladed.errors import SpladedError
from spladed_export.export import export
from spladed_export.source import read
from spladed_export.tiny import VOCABULARY_SIZE
from tests.export import sides
from tests.export.sides import pickled


class Harm:
    """What a pickle can do when it is read."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, (f"open({str(self._mark)!r}, 'w').close()",)


def test_allowed_pickles_make_the_graph_that_safetensors_make(
    copy: Path, bert: Path, tmp_path: Path
) -> None:
    ours = export(pickled(copy), tmp_path / "ours", allow_pickle=True).manifest
    theirs = export(bert, tmp_path / "theirs").manifest
    assert ours.files == theirs.files
    assert ours.source.weights_sha256 != theirs.source.weights_sha256, "of the file's bytes"


def test_safetensors_come_first_even_where_pickles_are_allowed(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"never read")
    assert [path.name for path in read(copy, allow_pickle=True).weights] == ["model.safetensors"]


def test_a_pickle_that_brings_code_is_refused_and_does_not_run(copy: Path, tmp_path: Path) -> None:
    tensors, mark = load_file(copy / "model.safetensors"), tmp_path / "it-ran"
    (copy / "model.safetensors").unlink()
    torch.save({**tensors, "extra": Harm(mark)}, copy / "pytorch_model.bin")
    torch.load(copy / "pytorch_model.bin", weights_only=False)
    assert mark.exists(), "it is harmful indeed"
    mark.unlink()
    with pytest.raises(SpladedError, match="Unsupported global: GLOBAL exec") as caught:
        export(copy, tmp_path / "out", allow_pickle=True)
    assert (type(caught.value).__name__, caught.value.reason) == ("Corrupt", "SOURCE_WEIGHTS")
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("left", [0, 100, 20_000])
def test_a_pickle_cut_short_is_refused(copy: Path, tmp_path: Path, left: int) -> None:
    path = pickled(copy) / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(SpladedError, match="cannot be read") as caught:
        export(copy, tmp_path / "out", allow_pickle=True)
    assert caught.value.reason == "SOURCE_WEIGHTS"
    assert not (tmp_path / "out").exists()


def test_shards_of_pickles_are_read(copy: Path, bert: Path, tmp_path: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {
        "pytorch_model-00001-of-00002.bin": names[:9],
        "pytorch_model-00002-of-00002.bin": names[9:],
    }
    for file, kept in parts.items():
        torch.save({name: tensors[name] for name in kept}, copy / file)
    index = {"metadata": {}, "weight_map": {n: file for file, kept in parts.items() for n in kept}}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(SpladedError, match="pytorch_model-00001") as caught:
        read(copy)
    assert caught.value.reason == "SOURCE_PICKLE"
    files = export(copy, tmp_path / "out", allow_pickle=True).manifest.files
    assert files == export(bert, tmp_path / "whole").manifest.files


def test_a_static_embeddings_pickle(bert: Path, tmp_path: Path) -> None:
    routed = tmp_path / "routed"
    sides.routed(sides.static(bert, VOCABULARY_SIZE), sides.modules(bert), routed)
    whole = export(routed, tmp_path / "whole").manifest
    (folder,) = routed.glob("query_*")
    pickled(folder)
    with pytest.raises(SpladedError, match="--allow-pickle") as caught:
        export(routed, tmp_path / "out")
    assert caught.value.reason == "SOURCE_PICKLE"
    assert export(routed, tmp_path / "out", allow_pickle=True).manifest.files == whole.files
    shutil.rmtree(tmp_path / "out")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Harm(tmp_path / "it-ran")))
    with pytest.raises(SpladedError, match="cannot be read as tensors") as caught:
        export(routed, tmp_path / "out", allow_pickle=True)
    assert caught.value.reason == "SOURCE_WEIGHTS"
    assert not (tmp_path / "it-ran").exists()
