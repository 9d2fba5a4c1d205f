"""A query side of its own: every form is read, verified, and served as its source computes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spladed.encoder.encoder import Encoder
from spladed.errors import SpladedError
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch
from spladed_export import build as building
from spladed_export.export import export
from spladed_export.onnx_export import quiet
from spladed_export.source import read
from spladed_export.tiny import VOCABULARY_SIZE, random_checkpoint
from tests.export import sides

TEXTS = ["how do I list files?", "copy a file to another host", "a", "café 你好"]

Checkpoints = Callable[[str], Path]


def dense(rows: SparseBatch) -> np.ndarray:
    made = np.zeros((len(rows), rows.dimension), np.float32)
    made[np.repeat(np.arange(len(rows)), np.diff(rows.indptr)), rows.indices] = rows.values
    return made


def truth(model: Any, kind: str) -> np.ndarray:
    encode = model.encode_query if kind == "query" else model.encode_document
    with quiet():
        return encode(TEXTS, convert_to_sparse_tensor=False).numpy()


def assert_like_its_source(bundle: Any, model: Any) -> None:
    encoder = Encoder.load(bundle)
    for kind in ("query", "document"):
        ours = dense(encoder.encode(TEXTS, kind=kind))
        np.testing.assert_allclose(ours, truth(model, kind), atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_a_router_with_static_queries(checkpoint: Checkpoints, tmp_path: Path, family: str) -> None:
    source = checkpoint(family)
    query = sides.static(source, VOCABULARY_SIZE)
    model = sides.routed(query, sides.modules(source), tmp_path / "routed")
    bundle = export(tmp_path / "routed", tmp_path / "out", special_terms="keep")
    assert bundle.manifest.model.query_side == "table"
    assert bundle.manifest.query_source is not None
    assert set(bundle.manifest.files) == {"model.onnx", "tokenizer.json", "query_table.npy"}
    assert {"query_tokens", "query_fp32_alone"} <= set(bundle.manifest.verification["checks"])
    assert_like_its_source(bundle, model)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "modernbert"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_two_encoders_with_sum_pooling_and_double_log(
    checkpoint: Checkpoints, tmp_path: Path, family: str, precision: Any
) -> None:
    """Every line of the gate holds for both; rows are beside sentence-transformers' for fp32."""
    how = {"pooling_strategy": "sum", "activation_function": "log1p_relu"}
    other = random_checkpoint(family, tmp_path / "other", seed=1)
    query, document = sides.modules(other, **how), sides.modules(checkpoint(family), **how)
    model = sides.routed(query, document, tmp_path / "routed")
    bundle = export(tmp_path / "routed", tmp_path / "out", precision=precision)
    assert bundle.manifest.model.query_side == "encoder"
    assert bundle.manifest.query_model is not None
    assert bundle.manifest.query_model.pooling == "sum"
    checks = bundle.manifest.verification["checks"]
    assert {name for name in checks if name.startswith("query_")} >= {
        "query_tokens", "query_fp32_alone", "query_fp32_padded", "query_invariance_shuffled",
        *(("query_overlap", "query_weights") if precision == "int8" else ()),
    }  # fmt: skip
    if precision == "fp32":
        assert_like_its_source(bundle, model)


def test_another_checkpoint_for_queries_can_be_named(bert: Path, tmp_path: Path) -> None:
    other = random_checkpoint("bert", tmp_path / "other", seed=1)
    bundle = export(bert, tmp_path / "out", query_source=other, special_terms="drop")
    manifest = bundle.manifest
    assert manifest.query_source is not None
    assert manifest.query_source.name == "other"
    assert manifest.source.weights_sha256 != manifest.query_source.weights_sha256
    alone = {
        "query": Encoder.load(export(other, tmp_path / "q", special_terms="drop")),
        "document": Encoder.load(export(bert, tmp_path / "d", special_terms="drop")),
    }
    encoder = Encoder.load(bundle)
    for kind in ("query", "document"):
        ours = encoder.encode(TEXTS, kind=kind)
        np.testing.assert_allclose(
            dense(ours), dense(alone[kind].encode(TEXTS, kind=kind)), atol=1e-5
        )
    assert manifest.space_id != alone["document"].bundle.manifest.space_id, "another query side"


@pytest.mark.parametrize("beside", [True, False], ids=["beside the weights", "named"])
def test_a_json_table_encodes_queries(copy: Path, tmp_path: Path, beside: bool) -> None:
    path = copy / "idf.json" if beside else tmp_path / "weights.json"
    table = sides.json_table(copy, path)
    named = {} if beside else {"query_source": path}
    encoder = Encoder.load(export(copy, tmp_path / "out", **named))  # type: ignore[arg-type]
    vocabulary = encoder.tokenizer.vocabulary()
    for text, (indices, values) in zip(
        TEXTS, encoder.encode(TEXTS, kind="query").rows(), strict=True
    ):
        (tokens,) = encoder.tokenize([text], kind="query")
        expected = {t: table[vocabulary[t]] for t in tokens.ids.tolist() if vocabulary[t] in table}
        found = dict(zip(indices.tolist(), values.tolist(), strict=True))
        assert found == pytest.approx(expected)
        assert not {vocabulary[token] for token in tokens.ids.tolist()} & {"[CLS]", "[SEP]"}


def test_prompts_stand_before_every_text(bert: Path, tmp_path: Path) -> None:
    model = sides.routed(
        sides.static(bert, VOCABULARY_SIZE), sides.modules(bert), tmp_path / "routed",
        prompts={"query": "find: ", "document": "passage: "},
    )  # fmt: skip
    bundle = export(tmp_path / "routed", tmp_path / "out")
    assert (bundle.manifest.query.prompt, bundle.manifest.document.prompt) == (
        "find: ", "passage: ",
    )  # fmt: skip
    assert_like_its_source(bundle, model)


@pytest.mark.parametrize(
    ("said", "query", "document"),
    [
        ({"prompts": {"query": "q: ", "document": "d: ", "passage": "p: "}}, "q: ", "d: "),
        ({"prompts": {"query": None, "passage": "p: ", "corpus": "c: "}}, "", "p: "),
        ({"prompts": {"other": "o: "}, "default_prompt_name": "other"}, "o: ", "o: "),
        ({"prompts": {"other": "o: "}}, "", ""),
        ({}, "", ""),
    ],
)
def test_prompts_are_looked_for_by_name(
    copy: Path, said: dict[str, Any], query: str, document: str
) -> None:
    as_sparse_encoder(copy)
    (copy / "config_sentence_transformers.json").write_text(json.dumps(said))
    assert read(copy).prompts == {"query": query, "document": document}


def test_prompts_of_one_encoder_make_two_sides_to_verify(copy: Path, tmp_path: Path) -> None:
    from sentence_transformers import SparseEncoder

    with quiet():
        modules, prompts = sides.modules(copy), {"query": "find: "}
        model = SparseEncoder(modules=modules, device="cpu", prompts=prompts)
        model.save(str(tmp_path / "prompted"))
    bundle = export(tmp_path / "prompted", tmp_path / "out", precision="int8")
    assert bundle.manifest.model.query_side == "same"
    assert "query_tokens" in bundle.manifest.verification["checks"]
    fp32 = export(tmp_path / "prompted", tmp_path / "fp32")
    assert_like_its_source(fp32, model)


def test_pruning_is_the_bundles_and_the_sources(copy: Path, tmp_path: Path) -> None:
    whole = Encoder.load(export(copy, tmp_path / "whole"))
    how = {"query": Pruning(top_terms=5), "document": Pruning(max_ratio=0.5)}
    bundle = export(
        copy, tmp_path / "out", query_pruning=how["query"], document_pruning=how["document"]
    )
    assert bundle.manifest.space_id == whole.bundle.manifest.space_id
    assert bundle.manifest.bundle_id != whole.bundle.manifest.bundle_id
    encoder = Encoder.load(bundle)
    for kind, rules in how.items():
        expected = rules.apply(whole.encode(TEXTS, kind=kind))  # type: ignore[arg-type]
        assert 0 < expected.nnz < whole.encode(TEXTS, kind=kind).nnz  # type: ignore[arg-type]
        found = encoder.encode(TEXTS, kind=kind)  # type: ignore[arg-type]
        np.testing.assert_array_equal(dense(found), dense(expected))


def test_the_most_active_dims_of_a_source_are_kept(copy: Path, tmp_path: Path) -> None:
    as_sparse_encoder(copy)
    settings = copy / "config_sentence_transformers.json"
    settings.write_text('{"max_active_dims": 6}')
    encoder = Encoder.load(export(copy, tmp_path / "out"))
    assert np.diff(encoder.encode(TEXTS, kind="document").indptr).max() == 6


def as_sparse_encoder(folder: Path) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.MLMTransformer"},
        {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": "x.SpladePooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_SpladePooling").mkdir()
    (folder / "1_SpladePooling" / "config.json").write_text("{}")


def named_twice(source: Path, tmp_path: Path) -> dict[str, Any]:
    sides.json_table(source, source / "idf.json")
    return {"query_source": source / "idf.json"}


def of_another_vocabulary(source: Path, tmp_path: Path) -> dict[str, Any]:
    return {"query_source": random_checkpoint("roberta", tmp_path / "roberta")}


def foreign_tokens(source: Path, tmp_path: Path) -> dict[str, Any]:
    (source / "idf.json").write_text('{"list": 1.0, "nowhere-to-be-found": 2.0}')
    return {}


def words_for_weights(source: Path, tmp_path: Path) -> dict[str, Any]:
    (source / "idf.json").write_text('{"list": "heavy"}')
    return {}


def negative_weights(source: Path, tmp_path: Path) -> dict[str, Any]:
    (source / "idf.json").write_text('{"list": -1.0}')
    return {}


def nothing_there(source: Path, tmp_path: Path) -> dict[str, Any]:
    return {"query_source": tmp_path / "nowhere"}


def too_long(source: Path, tmp_path: Path) -> dict[str, Any]:
    sides.json_table(source, source / "idf.json")
    return {"query_max_length": 129}


REFUSED = [
    (named_twice, "InvalidInput", "QUERY_SOURCE", "query_source"),
    (of_another_vocabulary, "Mismatch", "QUERY_VOCABULARY", "query_source"),
    (foreign_tokens, "Mismatch", "SOURCE_TABLE", "query_source"),
    (words_for_weights, "InvalidInput", "SOURCE_TABLE", "query_source"),
    (negative_weights, "InvalidInput", "SOURCE_TABLE", "query_source"),
    (nothing_there, "NotFound", "SOURCE_NOT_FOUND", "source"),
    (too_long, "InvalidInput", "MAX_LENGTH", "query_max_length"),
]


@pytest.mark.parametrize(("edit", "error", "reason", "field"), REFUSED)
def test_a_query_side_that_is_refused(
    copy: Path, tmp_path: Path, edit: Callable[..., Any], error: str, reason: str, field: str
) -> None:
    asked = edit(copy, tmp_path)
    with pytest.raises(SpladedError) as caught:
        export(copy, tmp_path / "out", **asked)
    found = (type(caught.value).__name__, caught.value.reason, caught.value.field)
    assert found == (error, reason, field)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [{"structure": {"query": []}}, {"parameters": {"route_mappings": {"('query', None)": "q"}}}],
)
def test_a_router_of_other_routes_is_refused(
    bert: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    query = sides.static(bert, VOCABULARY_SIZE)
    sides.routed(query, sides.modules(bert), tmp_path / "routed")
    path = tmp_path / "routed" / "router_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SpladedError) as caught:
        read(tmp_path / "routed")
    assert caught.value.reason == "SOURCE_MODULES"


def test_a_table_that_is_damaged_stops_the_export(
    monkeypatch: pytest.MonkeyPatch, copy: Path, tmp_path: Path
) -> None:
    sides.json_table(copy, copy / "idf.json")
    opened = building.QueryTable.open

    def doubled(path: Path, *, dimension: int) -> building.QueryTable:
        np.save(path, np.load(path) * np.float32(2))
        return opened(path, dimension=dimension)

    monkeypatch.setattr(building.QueryTable, "open", doubled)
    with pytest.raises(SpladedError) as caught:
        export(copy, tmp_path / "out")
    assert caught.value.reason == "VERIFY_QUERY_FP32_ALONE"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_a_static_embedding_of_another_size_is_refused(bert: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    sides.routed(sides.static(bert, VOCABULARY_SIZE), sides.modules(bert), tmp_path / "routed")
    (folder,) = (tmp_path / "routed").glob("query_*")
    save_file({"weight": np.ones(VOCABULARY_SIZE + 1, np.float32)}, folder / "model.safetensors")
    with pytest.raises(SpladedError, match="at most 1000 numbers") as caught:
        export(tmp_path / "routed", tmp_path / "out")
    assert caught.value.reason == "SOURCE_TABLE"
    shutil.rmtree(tmp_path / "routed")
