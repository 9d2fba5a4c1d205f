"""export: a whole bundle or nothing, the same one every time, from every kind of source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from spladed.bundle import Bundle
from spladed.errors import SpladedError
from spladed.manifest import Activation, Model, Pooling, Precision
from spladed_export import export as exporting
from spladed_export.export import export
from spladed_export.reference import pooled
from spladed_export.tiny import FAMILIES


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_bundle_of_each_family(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str, precision: Precision
) -> None:
    source, length = checkpoint(family), FAMILIES[family].length
    said: list[str] = []
    bundle = export(source, tmp_path / "out", precision=precision, progress=said.append)
    manifest = bundle.manifest
    assert sorted(path.name for path in bundle.path.iterdir()) == [
        "model.onnx", "spladed.json", "tokenizer.json",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (manifest.precision, manifest.target, manifest.name) == (precision, "cpu", source.name)
    assert (manifest.query.max_length, manifest.document.max_length) == (length, length)
    assert len(manifest.golden) == 32
    assert {golden.kind for golden in manifest.golden} == {"query", "document"}
    assert manifest.verification["reference"] == "torch fp32, eager attention"
    checks = manifest.verification["checks"]
    assert {"tokens", "fp32_alone", "fp32_padded", "invariance_padding", "fresh_process"} <= set(
        checks
    )
    assert ("overlap" in checks) == (precision == "int8")
    assert any("verified fp32_alone" in line for line in said)


def test_the_graph_is_what_the_bundle_promises(bert: Path, tmp_path: Path) -> None:
    model = onnx.load(str(export(bert, tmp_path / "out", precision="int8").graph))
    onnx.checker.check_model(model)
    assert model.ir_version <= 10
    assert {each.domain: each.version for each in model.opset_import} == {
        "": 18, "com.microsoft": 1,
    }  # fmt: skip
    assert [node.name for node in model.graph.output] == ["indptr", "indices", "values"]
    for node in model.graph.input:
        dimensions = [each.dim_param for each in node.type.tensor_type.shape.dim]
        assert dimensions == ["batch", "sequence"]
    assert not any(tensor.doc_string for tensor in model.graph.initializer)


def test_the_same_source_makes_the_same_bytes(bert: Path, tmp_path: Path) -> None:
    one = export(bert, tmp_path / "one", precision="int8")
    other = export(bert, tmp_path / "other", precision="int8")
    for path in one.path.iterdir():
        assert path.read_bytes() == (other.path / path.name).read_bytes(), path.name


def test_precision_changes_the_bundle_and_not_the_space(bert: Path, tmp_path: Path) -> None:
    exact = export(bert, tmp_path / "fp32").manifest
    lowered = export(bert, tmp_path / "int8", precision="int8").manifest
    assert exact.space_id == lowered.space_id
    assert exact.bundle_id != lowered.bundle_id


def test_lengths_can_be_set_and_belong_to_the_bundle(bert: Path, tmp_path: Path) -> None:
    bundle = export(bert, tmp_path / "out", query_max_length=16, document_max_length=64)
    assert (bundle.manifest.query.max_length, bundle.manifest.document.max_length) == (16, 64)


@pytest.mark.parametrize(
    ("arguments", "reason", "field"),
    [
        ({"precision": "fp16"}, "EXPORT_PRECISION", "precision"),
        ({"target": "cuda"}, "EXPORT_TARGET", "target"),
        ({"pooling": "mean"}, "EXPORT_WORD", "pooling"),
        ({"activation": "relu"}, "EXPORT_WORD", "activation"),
        ({"special_terms": "none"}, "EXPORT_WORD", "special_terms"),
        ({"query_max_length": 2}, "MAX_LENGTH", "query_max_length"),
        ({"document_max_length": 129}, "MAX_LENGTH", "document_max_length"),
    ],
)
def test_arguments_that_are_refused(
    bert: Path, tmp_path: Path, arguments: dict[str, object], reason: str, field: str
) -> None:
    with pytest.raises(SpladedError) as caught:
        export(bert, tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert str(arguments[field]) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_replaced_only_by_force_and_only_if_it_is_a_bundle(
    bert: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = export(bert, out).manifest.bundle_id
    with pytest.raises(SpladedError) as caught:
        export(bert, out)
    assert caught.value.reason == "OUT_EXISTS"
    assert export(bert, out, precision="int8", force=True).manifest.bundle_id != first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("years of work")
    with pytest.raises(SpladedError) as caught:
        export(bert, other, force=True)
    assert caught.value.reason == "OUT_NOT_A_BUNDLE"
    assert (other / "chapter1.tex").exists()


def test_a_parent_that_is_not_there(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SpladedError) as caught:
        export(bert, tmp_path / "no" / "out")
    assert caught.value.reason == "OUT_PARENT"


def test_a_failed_replacement_leaves_the_old_bundle(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = export(bert, out).manifest.bundle_id

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "verify_fresh_process", fail)
    with pytest.raises(KeyboardInterrupt):
        export(bert, out, precision="int8", force=True)
    assert Bundle.open(out).manifest.bundle_id == first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("activation", ["log1p_relu", "log1p_log1p_relu"])
@pytest.mark.parametrize("pooling", ["max", "sum"])
@pytest.mark.parametrize("family", ["distilbert", "roberta", "xlm-roberta", "modernbert"])
def test_other_heads_fit_the_reference(
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    family: str,
    pooling: Pooling,
    activation: Activation,
    precision: Precision,
) -> None:
    """The gate compares with torch, so a written bundle is the proof."""
    bundle = export(
        checkpoint(family), tmp_path / "out", precision=precision,
        pooling=pooling, activation=activation, special_terms="drop",
    )  # fmt: skip
    model = bundle.manifest.model
    assert (model.pooling, model.activation, model.special_terms) == (pooling, activation, "drop")
    assert len(model.special_token_ids) >= 5
    for golden in bundle.manifest.golden:
        assert not set(golden.indices) & set(model.special_token_ids)


def test_the_reference_is_the_formula() -> None:
    """On logits written out by hand: max over tokens of log(1 + relu(z)), terms dropped."""
    model = Model("x", 4, 8, special_terms="drop", special_token_ids=(3,))
    logits = np.array([[1.0, -1.0, 0.0, 9.0], [3.0, -2.0, 0.5, 9.0]], np.float32)
    row = pooled(logits, model)
    np.testing.assert_allclose(row, [np.log(4), 0, np.log(1.5), 0], rtol=1e-6)
