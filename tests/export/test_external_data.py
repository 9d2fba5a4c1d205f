"""Weights beside the graph, as above 1 GB; here the limit is a few bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from spladed.bundle import Bundle, file_sha256
from spladed.encoder.encoder import Encoder
from spladed.errors import SpladedError
from spladed.manifest import Precision
from spladed_export import draft
from spladed_export.draft import save_graph
from spladed_export.export import export
from spladed_export.tiny import random_checkpoint


@pytest.fixture(autouse=True)
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "_EXTERNAL_BYTES", 1_000)
    monkeypatch.setattr(draft, "_PAGE", 64)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_bundle_of_graph_and_data(
    monkeypatch: pytest.MonkeyPatch,
    bert: Path,
    tmp_path: Path,
    ragged_texts: list[str],
    precision: Precision,
) -> None:
    bundle = export(bert, tmp_path / "out", precision=precision)
    names = {"model.onnx", "model.onnx.data", "tokenizer.json"}
    assert set(bundle.manifest.files) == names
    for name in names:
        assert bundle.manifest.files[name] == file_sha256(bundle.path / name)
    data = bundle.path / "model.onnx.data"
    assert data.stat().st_size > 50_000
    again = export(bert, tmp_path / "again", precision=precision)
    for path in bundle.path.iterdir():
        assert path.read_bytes() == (again.path / path.name).read_bytes(), path.name
    ours = Encoder.load(bundle).encode(ragged_texts[::25], kind="document")
    monkeypatch.setattr(draft, "_EXTERNAL_BYTES", 1 << 30)
    whole = export(bert, tmp_path / "whole", precision=precision)
    assert set(whole.manifest.files) == {"model.onnx", "tokenizer.json"}
    theirs = Encoder.load(whole).encode(ragged_texts[::25], kind="document")
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.values, theirs.values)


def test_a_query_graph_has_data_of_its_own(bert: Path, tmp_path: Path) -> None:
    other = random_checkpoint("bert", tmp_path / "other", seed=1)
    bundle = export(bert, tmp_path / "out", query_source=other)
    assert set(bundle.manifest.files) == {
        "model.onnx", "model.onnx.data", "query.onnx", "query.onnx.data", "tokenizer.json",
    }  # fmt: skip
    Encoder.load(bundle)


def test_a_bundle_whose_data_is_damaged_is_refused(bert: Path, tmp_path: Path) -> None:
    data = export(bert, tmp_path / "out").path / "model.onnx.data"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(SpladedError, match=r"model\.onnx\.data") as caught:
        Bundle.open(tmp_path / "out")
    assert caught.value.reason == "BUNDLE_HASH"


def test_writing_a_graph_leaves_it_as_it_is(bert: Path, tmp_path: Path) -> None:
    model = onnx.load(str(export(bert, tmp_path / "out").graph))
    before = model.SerializeToString(deterministic=True)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        save_graph(model, tmp_path / name / "model.onnx")
    assert model.SerializeToString(deterministic=True) == before
    for name in ("model.onnx", "model.onnx.data"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    found = onnx.load(str(tmp_path / "one" / "model.onnx"))
    for one, other in zip(model.graph.initializer, found.graph.initializer, strict=True):
        assert (one.name, one.data_type, one.dims) == (other.name, other.data_type, other.dims)
        np.testing.assert_array_equal(numpy_helper.to_array(one), numpy_helper.to_array(other))


def test_data_begins_on_pages_which_can_be_mapped(bert: Path, tmp_path: Path) -> None:
    bundle = export(bert, tmp_path / "out")
    model = onnx.load(str(bundle.graph), load_external_data=False)
    placed = [each for each in model.graph.initializer if each.external_data]
    said = [{entry.key: entry.value for entry in each.external_data} for each in placed]
    assert {each["location"] for each in said} == {"model.onnx.data"}
    assert all(int(each["offset"]) % 64 == 0 for each in said)
    ends = [int(each["offset"]) + int(each["length"]) for each in said]
    assert max(ends) == (bundle.path / "model.onnx.data").stat().st_size
