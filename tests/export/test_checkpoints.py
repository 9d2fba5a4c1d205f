"""Checkpoints as they are found: old names, tied weights, shards, and what is wrong with some."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from spladed.errors import SpladedError
from spladed_export.export import export
from spladed_export.source import read
from tests.export.test_source import edit_json

Checkpoints = Callable[[str], Path]
INDEX = "model.safetensors.index.json"


def rename(folder: Path, new_name: Callable[[str], str | None]) -> None:
    """Gives every tensor another name, or drops it."""
    path = folder / "model.safetensors"
    named = {new_name(name): tensor for name, tensor in load_file(path).items()}
    save_file({k: v for k, v in named.items() if k is not None}, path, {"format": "pt"})


def without(*endings: str) -> Callable[[str], str | None]:
    return lambda name: None if name.endswith(endings) else name


def in_shards(folder: Path) -> list[str]:
    """Splits the weights into three files and an index, as transformers does above 5 GB."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    files = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    places = {name: files[number % 3] for number, name in enumerate(sorted(tensors))}
    for file in files:
        kept = {name: tensors[name] for name, place in places.items() if place == file}
        save_file(kept, folder / file, {"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return files


def test_old_parameter_names_make_the_same_graph(copy: Path, bert: Path, tmp_path: Path) -> None:
    """LayerNorm.gamma and .beta, as BERT's first checkpoints have them."""

    def old(name: str) -> str:
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        return name.replace("LayerNorm.bias", "LayerNorm.beta")

    rename(copy, old)
    names = load_file(copy / "model.safetensors").keys()
    assert sum("gamma" in name for name in names) == 6
    files = export(copy, tmp_path / "out").manifest.files
    assert files == export(bert, tmp_path / "new").manifest.files


def test_a_real_checkpoint_with_old_names(shared: Path, tmp_path: Path) -> None:
    bundle = export(shared / "models" / "splade-tiny", tmp_path / "out")
    assert bundle.manifest.verification["checks"]["fp32_alone"]


@pytest.mark.parametrize(
    ("family", "ending"),
    [
        ("bert", "decoder.weight"), ("distilbert", "vocab_projector.weight"),
        ("roberta", "decoder.weight"), ("mpnet", "decoder.weight"),
        ("electra", "generator_lm_head.weight"), ("modernbert", "decoder.weight"),
    ],
)  # fmt: skip
def test_a_decoder_that_is_not_tied_must_be_there(
    checkpoint: Checkpoints, tmp_path: Path, family: str, ending: str
) -> None:
    """With tied weights the file has no decoder of its own, and that is whole."""
    folder = Path(shutil.copytree(checkpoint(family), tmp_path / "copy"))
    assert not any(name.endswith(ending) for name in load_file(folder / "model.safetensors"))
    edit_json(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(SpladedError, match=ending) as caught:
        export(folder, tmp_path / "out")
    assert caught.value.reason == "SOURCE_MISSING_WEIGHTS"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_decoder_of_its_own_is_the_one_that_is_exported(
    copy: Path, bert: Path, tmp_path: Path
) -> None:
    path = copy / "model.safetensors"
    tensors = load_file(path)
    words = tensors["bert.embeddings.word_embeddings.weight"]
    save_file(
        tensors | {"cls.predictions.decoder.weight": words[::-1].copy(),
                   "cls.predictions.decoder.bias": tensors["cls.predictions.bias"]},
        path, {"format": "pt"},
    )  # fmt: skip
    edit_json(copy / "config.json", tie_word_embeddings=False)
    export(copy, tmp_path / "out")
    ours = (tmp_path / "out" / "model.onnx").read_bytes()
    assert ours != export(bert, tmp_path / "tied").graph.read_bytes()


@pytest.mark.parametrize("ending", ["word_embeddings.weight", "transform.dense.weight", "key.bias"])
def test_any_weight_that_is_missing_is_named(copy: Path, tmp_path: Path, ending: str) -> None:
    rename(copy, without(ending))
    with pytest.raises(SpladedError, match=ending) as caught:
        export(copy, tmp_path / "out")
    assert caught.value.reason == "SOURCE_MISSING_WEIGHTS"


def test_shards_make_the_same_graph(copy: Path, bert: Path, tmp_path: Path) -> None:
    files = in_shards(copy)
    assert [path.name for path in read(copy).weights] == files
    found = export(copy, tmp_path / "out").manifest.files
    assert found == export(bert, tmp_path / "whole").manifest.files


def test_a_shard_that_is_missing_is_named(copy: Path) -> None:
    (copy / in_shards(copy)[1]).unlink()
    with pytest.raises(SpladedError, match="model-00002-of-00003") as caught:
        read(copy)
    assert (type(caught.value).__name__, caught.value.reason) == ("Corrupt", "SOURCE_WEIGHTS")


def test_a_shard_cut_short_is_named(copy: Path) -> None:
    path = copy / in_shards(copy)[2]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(SpladedError, match="model-00003-of-00003") as caught:
        read(copy)
    assert caught.value.reason == "SOURCE_WEIGHTS"


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": [1]}'])
def test_an_index_that_is_none(copy: Path, index: str) -> None:
    in_shards(copy)
    (copy / INDEX).write_text(index)
    with pytest.raises(SpladedError, match=r"index\.json") as caught:
        read(copy)
    assert caught.value.reason in ("SOURCE_JSON", "SOURCE_WEIGHTS")


def test_a_pointer_of_git_lfs_is_no_file_of_weights(copy: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (copy / "model.safetensors").write_text(pointer)
    with pytest.raises(SpladedError, match="git lfs pull") as caught:
        read(copy)
    assert caught.value.reason == "SOURCE_WEIGHTS"


def test_a_tokenizer_cut_short_is_refused_before_anything_is_exported(
    copy: Path, tmp_path: Path
) -> None:
    path = copy / "tokenizer.json"
    path.write_text(path.read_text()[:2_000])
    said: list[str] = []
    with pytest.raises(SpladedError) as caught:
        export(copy, tmp_path / "out", progress=said.append)
    assert caught.value.reason == "SOURCE_TOKENIZER"
    assert not any("exporting" in line for line in said)


def test_modules_that_are_none_are_refused(copy: Path) -> None:
    for content in ("{}", "[1]", '[{"path": ""}]', "null"):
        (copy / "modules.json").write_text(content)
        with pytest.raises(SpladedError) as caught:
            read(copy)
        assert caught.value.reason in ("SOURCE_JSON", "SOURCE_MODULES"), content


def test_a_revision_of_a_folder_is_refused(bert: Path) -> None:
    with pytest.raises(SpladedError, match="is a folder") as caught:
        read(bert, "main")
    assert (caught.value.reason, caught.value.field) == ("SOURCE_REVISION", "revision")


def test_a_target_that_cannot_be_written_is_told_before_the_source_is_read(
    bert: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    said: list[str] = []
    for out, reason in (
        (file / "out", "OUT_PARENT"),
        (file / "deep" / "out", "OUT_PARENT"),
        (file, "OUT_EXISTS"),
        (tmp_path / ("n" * 255), "OUT_UNWRITABLE"),
        (Path("/proc/out"), "OUT_UNWRITABLE"),
    ):
        with pytest.raises(SpladedError, match=str(out.parent)) as caught:
            export(bert, out, progress=said.append)
        assert (caught.value.reason, caught.value.field) == (reason, "out")
    with pytest.raises(SpladedError) as caught:
        export(bert, file, force=True, progress=said.append)
    assert caught.value.reason == "OUT_NOT_A_BUNDLE"
    assert said == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
