"""The head on its own: small masked-LM graphs written by hand against the plain formula."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spladed.bundle import Bundle
from spladed.errors import Mismatch
from spladed.manifest import Activation, Pooling
from spladed.ort import Session
from spladed_export.draft import save_graph
from spladed_export.ending import split
from spladed_export.graft import BLOCK, Head, blocks, graft
from spladed_export.lower import decoder_scale, lower_int8
from spladed_export.nodes import symbolic

HIDDEN = 8
TOKENS = 50


def masked_lm(vocabulary: int, ending: str = "bias") -> onnx.ModelProto:
    """An embedding table and a decoder, ended in one of the ways that exporters know."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((TOKENS, HIDDEN)).astype(np.float32)
    decoder = rng.standard_normal((HIDDEN, vocabulary)).astype(np.float32)
    bias = (rng.standard_normal(vocabulary) - 2).astype(np.float32)
    known = {"table": table, "bias": bias, "unused": bias}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["hidden"], name="embed")]
    weights = "decoder"
    if ending == "tied":
        known["turned"] = np.ascontiguousarray(decoder.T)
        nodes.append(helper.make_node("Transpose", ["turned"], ["decoder"], perm=[1, 0]))
    else:
        known["decoder"] = decoder
    if ending == "no bias":
        nodes.append(helper.make_node("MatMul", ["hidden", weights], ["logits"]))
    else:
        nodes.append(helper.make_node("MatMul", ["hidden", weights], ["product"]))
        order = ["bias", "product"] if ending == "bias first" else ["product", "bias"]
        last = "sum" if ending == "identity" else "logits"
        nodes.append(helper.make_node("Add", order, [last]))
        if ending == "identity":
            nodes.append(helper.make_node("Identity", ["sum"], ["logits"]))
    inputs = [
        symbolic(name, TensorProto.INT64, "b", "s") for name in ("input_ids", "attention_mask")
    ]
    output = symbolic("logits", TensorProto.FLOAT, "b", "s", "v")
    tensors = [numpy_helper.from_array(value, name) for name, value in known.items()]
    graph = helper.make_graph(nodes, "lm", inputs, [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def formula(model: onnx.ModelProto, ids: np.ndarray, mask: np.ndarray, head: Head) -> np.ndarray:
    """w[v] = pool over unmasked t of log(1 + relu(z[t, v])), as plainly as it goes."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    decoder = known["turned"].T if "turned" in known else known["decoder"]
    added = any(node.op_type == "Add" for node in model.graph.node)
    rows = []
    for row, keep in zip(ids, mask, strict=True):
        logits = known["table"][row[keep == 1]] @ decoder + (known["bias"] if added else 0)
        weights = np.log1p(np.maximum(logits, 0))
        if head.activation == "log1p_log1p_relu":
            weights = np.log1p(weights)
        pooled = weights.max(axis=0) if head.pooling == "max" else weights.sum(axis=0)
        pooled[list(head.dropped)] = 0
        rows.append(pooled)
    return np.array(rows)


def run(model: onnx.ModelProto, folder: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = Session(save_graph(model, folder / "model.onnx"), dimension=0).run(ids, mask)
    widest = int(rows.indices.max(initial=0)) + 1
    dense = np.zeros((len(rows), widest), np.float32)
    for number, (indices, values) in enumerate(rows.rows()):
        assert (np.diff(indices) > 0).all()
        dense[number, indices] = values
    return dense


def ragged() -> tuple[np.ndarray, np.ndarray]:
    """Three texts of 5, 1 and 3 tokens; the second is padded on the left."""
    ids = np.random.default_rng(1).integers(0, TOKENS, (3, 5))
    mask = np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 0, 0]], np.int64)
    return ids, mask


def compare(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    wide = np.zeros_like(expected)
    wide[:, : found.shape[1]] = found
    assert np.abs(wide - expected).max() < tolerance


@pytest.mark.parametrize("ending", ["bias", "bias first", "no bias", "tied", "identity"])
def test_every_ending_is_cut_off(tmp_path: Path, ending: str) -> None:
    model, (ids, mask), head = masked_lm(100, ending), ragged(), Head("max", "log1p_relu")
    lm = split(model, 100)
    assert lm.decoder.shape == (HIDDEN, 100)
    assert {tensor.name for tensor in lm.encoder.graph.initializer} == {"table"}
    compare(run(graft(lm, head), tmp_path, ids, mask), formula(model, ids, mask, head), 1e-5)


@pytest.mark.parametrize("vocabulary", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("activation", ["log1p_relu", "log1p_log1p_relu"])
@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_the_head_is_the_formula(
    tmp_path: Path, pooling: Pooling, activation: Activation, vocabulary: int
) -> None:
    dropped = (0, vocabulary - 1) if vocabulary > 1 else ()
    model, (ids, mask) = masked_lm(vocabulary), ragged()
    head = Head(pooling, activation, dropped)
    found = run(graft(split(model, vocabulary), head), tmp_path, ids, mask)
    compare(found, formula(model, ids, mask, head), 1e-4)


@pytest.mark.parametrize("vocabulary", [BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_the_int8_head_is_near_the_formula(
    tmp_path: Path, pooling: Pooling, vocabulary: int
) -> None:
    model, (ids, mask), head = masked_lm(vocabulary), ragged(), Head(pooling, "log1p_relu", (3,))
    added = 1 if pooling == "max" else int(mask.sum(axis=1).max())
    table = numpy_helper.to_array(model.graph.initializer[0])
    lowered = lower_int8(split(model, vocabulary), head, decoder_scale(np.abs(table).max(axis=1)))
    found = run(lowered, tmp_path, ids, mask)
    expected = formula(model, ids, mask, head)
    # Random weights of 8 dimensions leave int8 little to average.
    compare(found, expected, 0.2 * added)
    assert np.abs(found - expected[:, : found.shape[1]]).mean() < 0.02 * added


def test_a_row_has_the_same_bits_alone_and_in_a_batch(tmp_path: Path) -> None:
    """Integer products are exact, so nothing but the end of the head could move a bit."""
    ids = np.random.default_rng(2).integers(0, TOKENS, (7, 4))
    lowered = lower_int8(
        split(masked_lm(BLOCK + 1), BLOCK + 1), Head("max", "log1p_log1p_relu"), 0.02
    )
    together = run(lowered, tmp_path, ids, np.ones_like(ids))
    for number, each in enumerate(ids):
        alone = run(lowered, tmp_path, each[None], np.ones((1, 4), np.int64))[0]
        assert together[number, : len(alone)].tolist() == alone.tolist()


def test_logits_that_float32_cannot_tell_from_0_have_no_weight(tmp_path: Path) -> None:
    lm = split(masked_lm(4), 4)
    bias = np.array([2.0**-24, 2.0**-23, -1, np.nan], np.float32)
    lm = replace(lm, decoder=np.zeros_like(lm.decoder), bias=bias)
    found = run(graft(lm, Head("max", "log1p_relu")), tmp_path, *ragged())
    assert (found[:, 1] > 0).all()
    assert not found[:, [0, 2]].any()
    assert np.isnan(found[:, 3]).all()  # damage is seen


def test_int8_products_cannot_saturate_on_older_cpus() -> None:
    """x86 without VNNI adds two neighbours' uint8 x int8 products in 16 bits."""
    model = onnx.load(str(Bundle.open("builtin").graph))
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if "MatMulInteger" in node.op_type]
    assert len(products) == len(blocks(30_522)) + 13  # two layers of six, and counts
    for node in products:
        weights = known[node.input[1]].astype(np.int32)
        one, other = weights[0::2] * 255, weights[1::2] * 255
        largest = np.abs(one + other).max()
        assert max(largest, np.abs(one).max(), np.abs(other).max()) <= 32_767, node.name


def test_blocks_cover_the_vocabulary_once() -> None:
    columns = np.concatenate([np.arange(30_522)[block] for block in blocks(30_522)])
    assert columns.tolist() == list(range(30_522))
    assert BLOCK & (BLOCK - 1), "a power of two puts every row into the same cache set"


def test_another_end_is_refused_by_name() -> None:
    model = masked_lm(10)
    model.graph.node[-1].op_type = "Mul"
    with pytest.raises(Mismatch) as caught:
        split(model, 10)
    assert "Mul" in caught.value.message


def test_a_decoder_that_is_computed_is_refused() -> None:
    model = masked_lm(10)
    model.graph.node[1].input[1] = "hidden"
    with pytest.raises(Mismatch) as caught:
        split(model, 10)
    assert "no constant" in caught.value.message
