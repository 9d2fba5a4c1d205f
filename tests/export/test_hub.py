"""Hub ids: huggingface_hub itself, in a process of its own, against a hub on the loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spladed.bundle import Bundle, file_sha256
from tests.export.fake_hub import COMMITS, Hub, serving
from tests.export.sides import pickled

READ = """
import json, sys
from spladed.errors import SpladedError
from spladed_export.source import read
try:
    found = read("owner/name", **json.loads(sys.argv[1]))
    said = {"commit": found.commit, "licence": found.licence, "folder": str(found.folder),
            "weights": [path.name for path in found.weights]}
except SpladedError as error:
    said = {"error": type(error).__name__, "reason": error.reason, "message": error.message}
print(json.dumps(said))
"""


class Reader:
    """Reads owner/name as a user's process would, with a cache of its own."""

    def __init__(self, hub: Hub, cache: Path) -> None:
        self.hub = hub
        self._environment = {
            "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(cache), "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }  # fmt: skip

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        spared = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        return subprocess.run(
            [sys.executable, *command], env=spared | self._environment | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def read(self, asked: dict[str, Any] | None = None, **environment: str) -> dict[str, Any]:
        """What `read` gives or raises; the hub's list of requests starts anew."""
        self.hub.asked.clear()
        done = self.run("-c", READ, json.dumps(asked or {}), **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def card(folder: Path, licence: str) -> Path:
    (folder / "README.md").write_text(f"---\nlanguage: en\nlicense: {licence}\n---\n# A model\n")
    return folder


@pytest.fixture
def reader(bert: Path, tmp_path: Path) -> Iterator[Reader]:
    """Two commits, of which v1 names the older."""
    newest = card(Path(shutil.copytree(bert, tmp_path / "newest")), "mit")
    older = card(Path(shutil.copytree(bert, tmp_path / "older")), "cc-by-nc-sa-4.0")
    for name in ("modeling.py", "onnx/model.onnx", "checkpoint-5/model.safetensors"):
        (newest / name).parent.mkdir(exist_ok=True)
        (newest / name).write_text("never to be loaded")
    hub = Hub(dict(zip(COMMITS, (newest, older), strict=True)),
              {"main": COMMITS[0], "v1": COMMITS[1]})  # fmt: skip
    with serving(hub):
        yield Reader(hub, tmp_path / "cache")


def test_a_revision_is_a_commit_and_a_token_goes_with_every_request(reader: Reader) -> None:
    said = reader.read({"revision": "v1"}, HF_TOKEN="hf_secret")
    assert (said["commit"], said["licence"]) == (COMMITS[1], "cc-by-nc-sa-4.0")
    assert said["weights"] == ["model.safetensors"]
    assert {each.authorization for each in reader.hub.asked} == {"Bearer hf_secret"}
    assert reader.read()["commit"] == COMMITS[0]
    assert {each.authorization for each in reader.hub.asked} == {None}
    files = reader.hub.files()
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= files
    assert not any(each.endswith(".py") or "/" in each for each in files)


def test_what_was_loaded_once_is_there_without_the_hub(reader: Reader) -> None:
    online = reader.read({"revision": "v1"})
    assert reader.read({"revision": "v1"}, HF_HUB_OFFLINE="1") == online
    assert reader.hub.asked == []
    assert reader.read({"revision": COMMITS[1]}, HF_HUB_OFFLINE="1") == online
    reader.hub.down = True
    assert reader.read({"revision": "v1"}) == online


def test_offline_without_a_cache_says_what_keeps_it_from_the_hub(reader: Reader) -> None:
    said = reader.read({"revision": "v1"}, HF_HUB_OFFLINE="1")
    assert (said["error"], said["reason"]) == ("Unavailable", "SOURCE_OFFLINE")
    assert "HF_HUB_OFFLINE" in said["message"]
    assert "'owner/name'" in said["message"]
    assert "v1" in said["message"]
    assert reader.hub.asked == []


def test_offline_with_half_a_cache_says_so(reader: Reader) -> None:
    folder = Path(reader.read()["folder"])
    (folder / "model.safetensors").unlink()
    said = reader.read(HF_HUB_OFFLINE="1")
    assert said["reason"] == "SOURCE_OFFLINE"
    assert "owner/name has no weights" in said["message"]
    assert "HF_HUB_OFFLINE" in said["message"]
    assert reader.read()["weights"] == ["model.safetensors"], "the hub mends it"


def test_a_hub_that_is_down_or_not_there(reader: Reader) -> None:
    reader.hub.down = True
    said = reader.read()
    assert said["reason"] == "SOURCE_OFFLINE"
    assert "it answers 503" in said["message"]
    said = reader.read(HF_ENDPOINT="http://127.0.0.1:9")
    assert said["reason"] == "SOURCE_OFFLINE"
    assert "cannot be reached" in said["message"]
    assert "HF_HUB_OFFLINE" not in said["message"]


@pytest.mark.parametrize("refusal", [(403, "GatedRepo"), (401, "GatedRepo"), (403, "")])
def test_a_gated_model_says_where_to_accept(reader: Reader, refusal: tuple[int, str]) -> None:
    """The hub lists a gated model's files for everyone, and refuses the files."""
    reader.hub.refusal = refusal
    said = reader.read()
    assert (said["error"], said["reason"]) == ("Forbidden", "SOURCE_GATED")
    assert "https://huggingface.co/owner/name" in said["message"]
    assert "HF_TOKEN" in said["message"]


def test_a_revision_or_a_name_that_the_hub_does_not_know(reader: Reader) -> None:
    said = reader.read({"revision": "v9"})
    assert (said["reason"], "'v9'" in said["message"]) == ("SOURCE_REVISION", True)
    script = READ.replace("owner/name", "owner/other")
    said = json.loads(reader.run("-c", script, "{}").stdout)
    assert said["reason"] == "SOURCE_NOT_FOUND"
    assert "owner/other" in said["message"]


def test_pickles_are_loaded_only_where_they_are_allowed(reader: Reader) -> None:
    newest = reader.hub.folders[COMMITS[0]]
    (newest / "model.safetensors").rename(newest / "pytorch_model.bin")
    shutil.rmtree(newest / "onnx")
    shutil.rmtree(newest / "checkpoint-5")
    said = reader.read()
    assert said["reason"] == "SOURCE_PICKLE"
    assert "pytorch_model.bin" in said["message"]
    assert "--allow-pickle" in said["message"]
    assert "pytorch_model.bin" not in reader.hub.files()
    assert reader.read({"allow_pickle": True})["weights"] == ["pytorch_model.bin"]
    assert "pytorch_model.bin" in reader.hub.files()


def test_a_graph_is_loaded_where_there_are_no_weights(reader: Reader) -> None:
    newest = reader.hub.folders[COMMITS[0]]
    (newest / "model.safetensors").unlink()
    shutil.rmtree(newest / "checkpoint-5")
    (newest / "onnx" / "model_quantized.onnx").write_text("another")
    said = reader.read()
    assert said["weights"] == ["model.onnx"]
    assert {each for each in reader.hub.files() if "/" in each} == {"onnx/model.onnx"}


def test_the_command_exports_a_revision_and_warns_of_its_licence(
    reader: Reader, tmp_path: Path
) -> None:
    older = pickled(reader.hub.folders[COMMITS[1]])
    script = "from spladed.cli import main; main()"
    asked = ("export", "owner/name", str(tmp_path / "out"), "--revision", "v1")
    done = reader.run("-c", script, *asked)
    assert done.returncode != 0
    assert "--allow-pickle" in done.stderr
    reader.hub.asked.clear()
    done = reader.run("-c", script, *asked, "--allow-pickle")
    assert done.returncode == 0, done.stderr
    warned = "WARNING: owner/name is licensed cc-by-nc-sa-4.0, which forbids commercial use"
    assert warned in " ".join(done.stderr.split())
    source = Bundle.open(tmp_path / "out").manifest.source
    assert (source.name, source.commit) == ("owner/name", COMMITS[1])
    assert source.licence == "cc-by-nc-sa-4.0"
    assert source.weights_sha256 == file_sha256(older / "pytorch_model.bin")
    others = {each.path for each in reader.hub.asked if "/resolve/" not in each.path}
    assert others == {"/api/models/owner/name/revision/v1"}, "nothing else asks the hub"
