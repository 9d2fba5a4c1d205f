"""Bundles that come while the server runs: in place at once, or refused and the old one stays."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import spladed
from spladed.client.client import Client
from spladed.client.values import Document
from spladed.errors import (
    AlreadyExists,
    Corrupt,
    InvalidInput,
    Mismatch,
    NotFound,
    SpladedError,
)
from tests.conftest import ServerProcess

TINY = Path(__file__).parents[1] / "goldens" / "tiny-bert"
BUILTIN = Path(spladed.__file__).with_name("builtin")
DEFAULT = "spladed-tiny-en"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles that are there to be loaded."""
    made = tmp_path_factory.mktemp("bundles")
    shutil.copytree(TINY, made / "tiny")
    shutil.copytree(BUILTIN, made / "again")
    shutil.copytree(BUILTIN, made / "broken")
    (made / "broken" / "model.onnx").write_bytes(b"no graph")
    (made / "empty").mkdir()
    return made


@pytest.fixture(scope="module")
def loading(start_server: Callable[..., ServerProcess], folder: Path) -> ServerProcess:
    return start_server("--bundles", str(folder))


@pytest.fixture
def caller(loading: ServerProcess) -> Client:
    return Client(loading.target)


def names(client: Client) -> list[str]:
    return [each.name for each in client.info().bundles]


def test_a_second_bundle_serves_beside_the_first(caller: Client) -> None:
    done = caller.load_bundle("small", "tiny")
    assert names(caller)[0] == DEFAULT, "the first stays the default one"
    assert "small" in names(caller)
    encoded = caller.encode(["list files"], bundle="small")
    assert (encoded.bundle_id, encoded.vectors.dimension) == (done.bundle_id, 1_000)
    assert caller.encode(["list files"]).vectors.dimension == 30_522
    caller.set_alias("current", bundle="small")
    assert caller.encode(["list files"], bundle="current").space_id == done.space_id
    caller.set_alias("current", bundle=DEFAULT)
    assert caller.encode(["list files"], bundle="current").vectors.dimension == 30_522


def test_a_reload_under_load_fails_no_call(caller: Client) -> None:
    """Calls go on in four threads while the bundle is replaced three times."""
    expected = caller.encode(["a fox and a dog"], kind="document").vectors
    stop, failures, calls = threading.Event(), [], [0] * 4

    def call(number: int) -> None:
        while not stop.is_set():
            try:
                found = caller.encode(["a fox and a dog"] * 8, kind="document").vectors
                np.testing.assert_array_equal(found.row(7)[0], expected.indices)
                calls[number] += 1
            except (SpladedError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        caller.load_bundle(DEFAULT, "again", timeout_seconds=120)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(calls) > 0


def test_a_bundle_that_would_orphan_a_collection_is_refused(caller: Client) -> None:
    caller.create_collection("kept")
    caller.upsert("kept", [Document("1", "a fox")])
    with pytest.raises(Mismatch, match="the collection kept is of space") as caught:
        caller.load_bundle(DEFAULT, "tiny")
    assert (caught.value.reason, caught.value.field) == ("ORPHANS", "name")
    assert [hit.id for hit in caller.search("kept", texts=["a fox"]).hits[0]] == ["1"]


def test_a_broken_bundle_leaves_the_old_one(caller: Client, folder: Path) -> None:
    with pytest.raises(Corrupt) as caught:
        caller.load_bundle(DEFAULT, "broken")
    assert caught.value.reason == "BUNDLE_HASH"
    assert str(folder) not in caught.value.message
    assert caller.encode(["a fox"]).vectors.nnz > 0


@pytest.mark.parametrize(
    ("name", "path", "error", "reason"),
    [
        ("more", "../tiny", InvalidInput, "BUNDLE_PATH"),
        ("more", "/etc", InvalidInput, "BUNDLE_PATH"),
        ("more", "", InvalidInput, "BUNDLE_PATH"),
        ("more", "nowhere", NotFound, "BUNDLE_NOT_FOUND"),
        ("more", "empty", NotFound, "BUNDLE_NOT_FOUND"),
        ("More Bundles", "tiny", InvalidInput, "BUNDLE_NAME"),
        ("taken", "tiny", AlreadyExists, "ALIAS"),
    ],
)
def test_what_cannot_be_loaded(
    caller: Client, name: str, path: str, error: type[SpladedError], reason: str
) -> None:
    caller.set_alias("taken", bundle=DEFAULT)
    with pytest.raises(error) as caught:
        caller.load_bundle(name, path)
    assert caught.value.reason == reason
    assert name not in names(caller)


def test_a_bundle_of_another_format_is_named(caller: Client, folder: Path) -> None:
    shutil.copytree(TINY, folder / "older")
    manifest = json.loads((folder / "older" / "spladed.json").read_text())
    (folder / "older" / "spladed.json").write_text(json.dumps(manifest | {"format_version": 1}))
    with pytest.raises(Mismatch) as caught:
        caller.load_bundle("older", "older")
    assert caught.value.reason == "BUNDLE_VERSION"


def test_a_server_without_a_folder_for_bundles_refuses(client: Client) -> None:
    with pytest.raises(Mismatch) as caught:
        client.load_bundle("small", "tiny")
    assert (caught.value.reason, caught.value.field) == ("BUNDLES", "path")
