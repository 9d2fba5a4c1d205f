"""What a checkpoint says of itself, and every source that is refused, by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
from huggingface_hub import errors as hub_errors
from safetensors.numpy import load_file, save_file

from spladed.errors import SpladedError
from spladed_export.export import export
from spladed_export.source import read
from spladed_export.tiny import FAMILIES

Edit = Callable[[Path], None]


def edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


def as_sparse_encoder(folder: Path, **pooling: Any) -> None:
    """Adds what sentence-transformers writes around a transformer and SpladePooling."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.MLMTransformer"},
        {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": "x.SpladePooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_SpladePooling").mkdir()
    settings = {"pooling_strategy": "max", "activation_function": "relu"} | pooling
    (folder / "1_SpladePooling" / "config.json").write_text(json.dumps(settings))


def test_a_transformers_folder_is_max_pooling_of_log1p_relu(bert: Path) -> None:
    checkpoint = read(bert)
    assert checkpoint.name == "tiny-bert"
    assert checkpoint.architecture == "BertForMaskedLM"
    assert (checkpoint.pooling, checkpoint.activation) == ("max", "log1p_relu")
    assert (checkpoint.positions, checkpoint.text_length) == (128, 128)
    assert (checkpoint.commit, checkpoint.licence, checkpoint.graph) == ("", "", None)
    assert [path.name for path in checkpoint.weights] == ["model.safetensors"]


def test_the_built_in_checkpoint_states_its_licence_and_lengths(tiny_en: Path) -> None:
    checkpoint = read(tiny_en)
    assert checkpoint.licence == "apache-2.0"
    assert (checkpoint.positions, checkpoint.text_length) == (512, 256)
    assert checkpoint.weights_sha256().startswith("2e59dbe2")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_takes_as_many_tokens_as_it_has_positions(
    checkpoint: Callable[[str], Path], family: str
) -> None:
    assert read(checkpoint(family)).positions == FAMILIES[family].length


@pytest.mark.parametrize("key", ["vocab_size", "max_position_embeddings"])
@pytest.mark.parametrize("value", [None, 0, "many"])
def test_a_size_that_is_none_is_refused_by_name(copy: Path, key: str, value: object) -> None:
    edit_json(copy / "config.json", **{key: value})
    with pytest.raises(SpladedError, match=f"config.json has {key} {value!r}") as caught:
        read(copy)
    assert (caught.value.reason, caught.value.field) == ("SOURCE_CONFIG", key)


@pytest.mark.parametrize(
    ("written", "pooling", "activation"),
    [
        ({}, "max", "log1p_relu"),
        ({"pooling_strategy": "sum"}, "sum", "log1p_relu"),
        # sentence-transformers' names leave out the log1p that it always takes.
        ({"activation_function": "log1p_relu"}, "max", "log1p_log1p_relu"),
    ],
)
def test_a_sparse_encoder_folder_names_its_pooling(
    copy: Path, written: dict[str, str], pooling: str, activation: str
) -> None:
    as_sparse_encoder(copy, **written)
    checkpoint = read(copy)
    assert (checkpoint.pooling, checkpoint.activation) == (pooling, activation)


def test_what_a_folder_does_not_state_can_be_asked_for(copy: Path) -> None:
    checkpoint = read(copy, pooling="sum", activation="log1p_log1p_relu")
    assert (checkpoint.pooling, checkpoint.activation) == ("sum", "log1p_log1p_relu")


def test_what_a_folder_states_can_be_asked_for_and_nothing_else(copy: Path) -> None:
    as_sparse_encoder(copy, pooling_strategy="sum")
    assert read(copy, pooling="sum", activation="log1p_relu").pooling == "sum"
    for field, asked in (("pooling", "max"), ("activation", "log1p_log1p_relu")):
        with pytest.raises(SpladedError, match=r"states '\w+'; leave it out") as caught:
            read(copy, **{field: asked})  # type: ignore[arg-type]
        assert (caught.value.reason, caught.value.field) == ("POOLING_STATED", field)


@pytest.mark.parametrize(
    ("length", "expected"), [(64, 64), (1e30, 128), (4_096, 128), (None, 128), (0, 128)]
)
def test_a_text_length_beyond_the_positions_means_all_of_them(
    copy: Path, length: float | None, expected: int
) -> None:
    edit_json(copy / "tokenizer_config.json", model_max_length=length)
    assert read(copy).text_length == expected


def test_sentence_transformers_length_comes_first(copy: Path) -> None:
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 40}')
    assert read(copy).text_length == 40


def truncate_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def garble_header(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * 64)


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_head(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    kept = {name: value for name, value in tensors.items() if not name.startswith("cls.")}
    save_file(kept, path, metadata={"format": "pt"})


def without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


def with_larger_tokenizer(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] |= {f"more{number}": 1_000 + number for number in range(5)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def with_foreign_tokenizer(folder: Path) -> None:
    edit_json(folder / "config.json", vocab_size=30_522)


def with_wrong_shapes(folder: Path) -> None:
    edit_json(folder / "config.json", intermediate_size=64)


def with_a_normal(folder: Path) -> None:
    as_sparse_encoder(folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(
        json.dumps([*modules, {"type": "x.Normalize", "path": "2"}])
    )


REFUSED: list[tuple[Edit, str, str, str]] = [
    (lambda f: (f / "config.json").unlink(), "NotFound", "SOURCE_NOT_FOUND", "config.json"),
    (lambda f: (f / "config.json").write_text("{"), "Corrupt", "SOURCE_JSON", "config.json"),
    (
        lambda f: edit_json(f / "config.json", architectures=["BertForSequenceClassification"]),
        "InvalidInput", "SOURCE_NOT_MASKED_LM", "BertForSequenceClassification",
    ),
    (
        lambda f: edit_json(f / "config.json", architectures=None),
        "InvalidInput", "SOURCE_NOT_MASKED_LM", "no architecture",
    ),
    (
        lambda f: edit_json(f / "config.json", architectures=["DebertaV2ForMaskedLM"]),
        "Mismatch", "SOURCE_ARCHITECTURE", "XLMRobertaForMaskedLM",
    ),
    (
        lambda f: edit_json(f / "config.json", auto_map={"AutoModel": "modeling.Own"}),
        "InvalidInput", "SOURCE_REMOTE_CODE", "modeling.Own",
    ),
    (
        lambda f: edit_json(f / "tokenizer_config.json", auto_map={"AutoTokenizer": ["t.Own"]}),
        "InvalidInput", "SOURCE_REMOTE_CODE", "tokenizer_config.json",
    ),
    (
        lambda f: (f / "config.json").write_text("[]"),
        "Corrupt", "SOURCE_JSON", "config.json is not a JSON object",
    ),
    (
        lambda f: edit_json(f / "config.json", hidden_act="own"),
        "Corrupt", "SOURCE_WEIGHTS", "KeyError: 'own'",
    ),
    (pickle_only, "InvalidInput", "SOURCE_PICKLE", "--allow-pickle"),
    (lambda f: (f / "model.safetensors").unlink(), "InvalidInput", "SOURCE_WEIGHTS", "no weights"),
    (truncate_weights, "Corrupt", "SOURCE_WEIGHTS", "promises"),
    (garble_header, "Corrupt", "SOURCE_WEIGHTS", "header"),
    (with_wrong_shapes, "Corrupt", "SOURCE_WEIGHTS", "config.json"),
    (without_head, "Mismatch", "SOURCE_MISSING_WEIGHTS", "cls.predictions"),
    (without_tokenizer, "Mismatch", "SOURCE_TOKENIZER", "tokenizer"),
    (with_larger_tokenizer, "Mismatch", "SOURCE_TOKENIZER", "1005 tokens"),
    (with_foreign_tokenizer, "Mismatch", "SOURCE_TOKENIZER", "30522"),
    (
        lambda f: as_sparse_encoder(f, pooling_strategy="mean"),
        "InvalidInput", "SOURCE_POOLING", "mean",
    ),
    (
        lambda f: as_sparse_encoder(f, activation_function="gelu"),
        "InvalidInput", "SOURCE_POOLING", "gelu",
    ),
    (with_a_normal, "Unimplemented", "SOURCE_MODULES", "Normalize"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "error", "reason", "names"), REFUSED)
def test_a_source_that_is_refused(
    copy: Path, tmp_path: Path, edit: Edit, error: str, reason: str, names: str
) -> None:
    edit(copy)
    with pytest.raises(SpladedError) as caught:
        export(copy, tmp_path / "out")
    assert (type(caught.value).__name__, caught.value.reason) == (error, reason)
    assert names in caught.value.message
    assert caught.value.field
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]  # nothing left behind


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpladedError) as caught:
        read(tmp_path / "nowhere")
    assert caught.value.reason == "SOURCE_NOT_FOUND"


def hub_error(kind: type[hub_errors.HfHubHTTPError], status: int) -> hub_errors.HfHubHTTPError:
    response = requests.Response()
    response.status_code = status
    return kind("no", response=response)


@pytest.mark.parametrize(
    ("raised", "error", "reason"),
    [
        (hub_error(hub_errors.GatedRepoError, 403), "Forbidden", "SOURCE_GATED"),
        (hub_error(hub_errors.RepositoryNotFoundError, 401), "NotFound", "SOURCE_NOT_FOUND"),
        (hub_error(hub_errors.RevisionNotFoundError, 404), "NotFound", "SOURCE_REVISION"),
        (hub_error(hub_errors.HfHubHTTPError, 403), "Forbidden", "SOURCE_GATED"),
        (hub_error(hub_errors.HfHubHTTPError, 503), "Unavailable", "SOURCE_OFFLINE"),
        (hub_errors.LocalEntryNotFoundError("offline"), "Unavailable", "SOURCE_OFFLINE"),
        (ConnectionError("no route"), "Unavailable", "SOURCE_OFFLINE"),
    ],
)
def test_a_hub_id_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, error: str, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise raised

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(SpladedError) as caught:
        read("owner/name", revision="v1")
    assert (type(caught.value).__name__, caught.value.reason) == (error, reason)
    if reason == "SOURCE_GATED":
        assert "https://huggingface.co/owner/name" in caught.value.message


def test_a_hub_id_gives_its_commit(
    monkeypatch: pytest.MonkeyPatch, bert: Path, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    asked = {}

    def download(name: str, *, revision: str | None, **rules: list[str]) -> str:
        asked.update(rules, name=name, revision=revision)
        return str(shutil.copytree(bert, tmp_path / "snapshots" / commit))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    checkpoint = read("owner/name", revision="v1")
    assert (checkpoint.name, checkpoint.commit) == ("owner/name", commit)
    assert (asked["name"], asked["revision"]) == ("owner/name", "v1")
    assert not any(pattern.endswith((".bin", ".py")) for pattern in asked["allow_patterns"])
