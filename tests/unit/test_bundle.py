"""The model folder: read as it was written, refused by name where it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import spladed
from spladed.bundle import Bundle
from spladed.errors import Corrupt, Mismatch, NotFound, SpladedError
from spladed.manifest import Manifest, Side, bundle_id, space_id
from spladed.pruning import Pruning

BUILTIN = Path(spladed.__file__).with_name("builtin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUILTIN, tmp_path / "bundle"))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "spladed.json"
    raw = json.loads(file.read_text("utf-8"))
    edit(raw)
    file.write_text(json.dumps(raw))


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = Bundle.open("builtin").manifest
    assert Manifest.from_json(manifest.to_json(), "here") == manifest
    assert len(manifest.golden_rows()) == len(manifest.golden) == 32
    assert manifest.golden_rows().checked("golden")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], type[SpladedError], str]] = {
    "a newer version": (lambda raw: raw.update(format_version=3), Mismatch, "BUNDLE_VERSION"),
    "no version": (lambda raw: raw.pop("format_version"), Mismatch, "BUNDLE_VERSION"),
    "an unknown key": (lambda raw: raw.update(colour="red"), Corrupt, "BUNDLE_MANIFEST"),
    "a key missing": (lambda raw: raw.pop("model"), Corrupt, "BUNDLE_MANIFEST"),
    "an unknown pooling": (
        lambda raw: raw["model"].update(pooling="mean"),
        Corrupt,
        "BUNDLE_MANIFEST",
    ),
    "a query side without its model": (
        lambda raw: raw["model"].update(query_side="encoder"),
        Corrupt,
        "BUNDLE_MANIFEST",
    ),
    "a query side without its table": (
        lambda raw: raw["model"].update(query_side="table"),
        Corrupt,
        "BUNDLE_MANIFEST",
    ),
    "pruning out of range": (
        lambda raw: raw["query"]["pruning"].update(max_ratio=2),
        Corrupt,
        "BUNDLE_MANIFEST",
    ),
    "no hash": (lambda raw: raw.update(files={}), Corrupt, "BUNDLE_MANIFEST"),
    "another hash": (
        lambda raw: raw["files"].update({"tokenizer.json": "0" * 64}),
        Corrupt,
        "BUNDLE_HASH",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_manifest_that_does_not_fit_is_refused(name: str, folder: Path) -> None:
    edit, error, reason = EDITS[name]
    change(folder, edit)
    with pytest.raises(error) as caught:
        Bundle.open(folder)
    assert caught.value.reason == reason
    assert str(folder) in caught.value.message


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(Corrupt, match="no such file"):
        Bundle.open(folder)
    (folder / "spladed.json").write_text("{")
    with pytest.raises(Corrupt, match=r"not a bundle manifest"):
        Bundle.open(folder)
    (folder / "spladed.json").unlink()
    with pytest.raises(NotFound, match="spladed export"):
        Bundle.open(folder)


def test_the_space_is_everything_that_makes_vectors_comparable() -> None:
    model, side = Bundle.open("builtin").manifest.model, Side(256)
    same = space_id(model, ["a", "b"], "w", side)
    others = [
        space_id(replace(model, pooling="sum"), ["a", "b"], "w", side),
        space_id(replace(model, activation="log1p_log1p_relu"), ["a", "b"], "w", side),
        space_id(replace(model, special_terms="drop"), ["a", "b"], "w", side),
        space_id(replace(model, query_side="table"), ["a", "b"], "w", side),
        space_id(model, ["b", "a"], "w", side),
        space_id(model, ["ab"], "w", side),
        space_id(model, ["a", "b"], "v", side),
        space_id(model, ["a", "b"], "w", Side(256, "passage: ")),
    ]
    assert len({same, *others}) == len(others) + 1
    assert space_id(replace(model, max_length=7), ["a", "b"], "w", side) == same
    assert space_id(model, ["a", "b"], "w", Side(7, pruning=Pruning(top_terms=9))) == same


def test_the_bundle_is_the_computation_too() -> None:
    files, side = {"model.onnx": "1", "tokenizer.json": "2"}, Side(256)
    same = bundle_id("s", "int8", "cpu", (side, side), files)
    turned = dict(reversed(files.items()))
    assert same == bundle_id("s", "int8", "cpu", (side, side), turned)
    others = [
        bundle_id("s", "fp32", "cpu", (side, side), files),
        bundle_id("s", "int8", "cuda", (side, side), files),
        bundle_id("s", "int8", "cpu", (Side(32), side), files),
        bundle_id("s", "int8", "cpu", (side, Side(256, "x")), files),
        bundle_id("s", "int8", "cpu", (Side(256, "x"), side), files),
        bundle_id("s", "int8", "cpu", (Side(256, pruning=Pruning(top_terms=8)), side), files),
        bundle_id("s", "int8", "cpu", (side, Side(256, pruning=Pruning(top_terms=8))), files),
        bundle_id("s", "int8", "cpu", (side, side), files | {"model.onnx": "3"}),
        bundle_id("t", "int8", "cpu", (side, side), files),
    ]
    assert len({same, *others}) == len(others) + 1
