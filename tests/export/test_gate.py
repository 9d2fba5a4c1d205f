"""The gate refuses damaged graphs: each mutation below must stop the export, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from spladed.errors import Mismatch
from spladed.manifest import Manifest, Side
from spladed_export import build as building
from spladed_export import describe
from spladed_export.draft import Draft
from spladed_export.export import export
from spladed_export.nodes import prune

Mutation = Callable[[onnx.GraphProto], None]


def node_of(graph: onnx.GraphProto, kind: str) -> onnx.NodeProto:
    return next(n for n in graph.node if n.op_type == kind and n.name.startswith("/head"))


def bypass(graph: onnx.GraphProto, node: onnx.NodeProto, source: str) -> None:
    """Whoever read `node`'s output reads `source` instead."""
    for reader in graph.node:
        for position, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[position] = source
    prune(graph)


def scale(graph: onnx.GraphProto, name: str, factor: float) -> None:
    """Multiplies an initializer, as an error in one layer's scale would."""
    (tensor,) = [each for each in graph.initializer if name in each.name]
    values = numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def drop_mask_in_head(graph: onnx.GraphProto) -> None:
    where = node_of(graph, "Where")
    bypass(graph, where, where.input[1])


def drop_mask_in_attention(graph: onnx.GraphProto) -> None:
    """Every position attends to padding; the head still leaves it out."""
    shape = helper.make_node("Shape", ["attention_mask"], ["/mutant/shape"])
    one = numpy_helper.from_array(np.array([1], np.int64))
    ones = helper.make_node("ConstantOfShape", ["/mutant/shape"], ["/mutant/ones"], value=one)
    for node in graph.node:
        if not node.name.startswith(("/head", "/int8")):
            for position, name in enumerate(node.input):
                if name == "attention_mask":
                    node.input[position] = "/mutant/ones"
    graph.node.insert(0, ones)
    graph.node.insert(0, shape)


def swap_decoder_blocks(graph: onnx.GraphProto) -> None:
    blocks = node_of(graph, "Concat")
    blocks.input[0], blocks.input[1] = blocks.input[1], blocks.input[0]


def lose_last_block(graph: onnx.GraphProto) -> None:
    blocks = node_of(graph, "Concat")
    del blocks.input[-1]
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name.startswith("/head") and values.shape[:1] == (1_000,):
            tensor.CopyFrom(numpy_helper.from_array(values[:752], tensor.name))
    prune(graph)


def omit_bias(graph: onnx.GraphProto) -> None:
    add = node_of(graph, "Add")
    bypass(graph, add, add.input[0])


def omit_relu(graph: onnx.GraphProto) -> None:
    """Logits a little below 0 are taken for terms."""
    (closed,) = (each for each in graph.initializer if each.name == "/head/closed")
    closed.CopyFrom(numpy_helper.from_array(np.array(-0.5, np.float32), closed.name))


def omit_log(graph: onnx.GraphProto) -> None:
    log = node_of(graph, "Log")
    bypass(graph, log, log.input[0])


def shift_indptr(graph: onnx.GraphProto) -> None:
    (starts,) = [node for node in graph.node if "indptr" in node.output]
    starts.output[0] = "/mutant/indptr"
    one = numpy_helper.from_array(np.array([1], np.int64), "/mutant/one")
    graph.initializer.append(one)
    graph.node.append(helper.make_node("Add", ["/mutant/indptr", "/mutant/one"], ["indptr"]))


def shift_rows(graph: onnx.GraphProto) -> None:
    """indptr of the right form that gives each text its neighbour's terms."""
    counts = node_of(graph, "CumSum")
    counts.attribute.append(helper.make_attribute("reverse", 1))


def shorten_positions(graph: onnx.GraphProto) -> None:
    """A graph for texts of 64 tokens, where the source takes 128."""
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if "position_embeddings" in tensor.name:
            tensor.CopyFrom(numpy_helper.from_array(values[:64], tensor.name))


MUTATIONS: list[Mutation] = [
    drop_mask_in_head,
    drop_mask_in_attention,
    swap_decoder_blocks,
    lose_last_block,
    omit_bias,
    omit_relu,
    omit_log,
    shift_indptr,
    shift_rows,
    shorten_positions,
]


def refused(
    monkeypatch: pytest.MonkeyPatch, step: str, mutation: Mutation, source: Path, out: Path
) -> str:
    """Exports with one step's graph damaged; the reason of the refusal comes back."""
    original = getattr(building, step)

    def damaged(*arguments: object) -> onnx.ModelProto:
        model = original(*arguments)
        before = model.SerializeToString()
        mutation(model.graph)
        assert model.SerializeToString() != before, "the mutation changed nothing"
        return model

    monkeypatch.setattr(building, step, damaged)
    precision = "fp32" if step == "graft" else "int8"
    with pytest.raises(Mismatch) as caught:
        export(source, out, precision=precision)
    assert caught.value.reason.startswith("VERIFY_")
    assert "verification failed" in caught.value.message
    assert list(out.parent.iterdir()) == []  # nothing left behind
    return caught.value.reason


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_damaged_fp32_graph_is_refused(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path, mutation: Mutation
) -> None:
    refused(monkeypatch, "graft", mutation, bert, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [
        "layer.0.output.LayerNorm.weight",
        "layer.1.attention.output.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.weight",
        "bert.embeddings.LayerNorm.weight",
    ],
)
def test_one_layer_scaled_by_a_tenth_is_refused(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path, name: str
) -> None:
    reason = refused(
        monkeypatch, "graft", lambda graph: scale(graph, name, 1.1), bert, tmp_path / "out"
    )
    assert reason == "VERIFY_FP32_ALONE"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_damaged_int8_graph_is_refused(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path, mutation: Mutation
) -> None:
    refused(monkeypatch, "lower_int8", mutation, bert, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [
        "layer.0/attention/self/value/MatMul/channels",
        "layer.1/intermediate/dense/MatMul/channels",
        "layer.1/output/dense/MatMul/channels",
        "/head/channels",
        "word_embeddings/Gather/scales",
    ],
)
def test_one_int8_scale_off_by_a_tenth_is_refused(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path, name: str
) -> None:
    refused(monkeypatch, "lower_int8", lambda graph: scale(graph, name, 1.1), bert, tmp_path / "o")


def test_a_manifest_with_another_length_is_refused_by_the_fresh_process(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path
) -> None:
    """The golden text beyond the length is cut elsewhere then, and its row is another."""
    write = Draft.write_manifest

    def shortened(self: Draft, manifest: Manifest) -> None:
        write(self, replace(manifest, document=Side(64)))

    monkeypatch.setattr(Draft, "write_manifest", shortened)
    with pytest.raises(Mismatch) as caught:
        export(bert, tmp_path / "out")
    assert caught.value.reason == "VERIFY_FRESH_PROCESS"
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_cuts_accents_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path
) -> None:
    plain = describe.plain_tokenizer

    def cased(checkpoint: describe.Checkpoint) -> str:
        return plain(checkpoint).replace('"lowercase":true', '"lowercase":false')

    monkeypatch.setattr(building, "plain_tokenizer", cased)
    with pytest.raises(Mismatch) as caught:
        export(bert, tmp_path / "out")
    assert caught.value.reason == "VERIFY_TOKENS"


@pytest.mark.parametrize(
    ("bias", "reason"), [(-50.0, "VERIFY_TERMS_AT_LEAST"), (+50.0, "VERIFY_TERMS_AT_MOST")]
)
def test_a_head_that_lights_nothing_or_everything_is_refused(
    copy: Path, tmp_path: Path, bias: float, reason: str
) -> None:
    """Such a checkpoint agrees with itself perfectly, and means nothing."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    tensors["cls.predictions.bias"] = tensors["cls.predictions.bias"] + np.float32(bias)
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Mismatch) as caught:
        export(copy, tmp_path / "out")
    assert caught.value.reason == reason
