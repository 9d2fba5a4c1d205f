"""What `spladed tune` tries and chooses, and when what it kept is taken."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import spladed
from spladed.app import _load_encoder
from spladed.bundle import Bundle
from spladed.cli.commands import app
from spladed.config import Config, load_config
from spladed.encoder.encoder import Encoder
from spladed.encoder.tune import budgets, choose, splits
from spladed.encoder.tuning import Machine, Measured, Setup, Tuning, find_setup, store
from spladed.errors import Mismatch
from spladed.ort import available_threads

NOTHING_GIVEN = Setup(0, 0, 0)
TUNED = Setup(1, 1, 2048)


def tuning(bundle: Bundle, setup: Setup = TUNED) -> Tuning:
    return Tuning(Machine.here(), bundle.manifest.bundle_id, setup, [Measured(setup, 100.0, 1.5)])


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The built-in bundle in a folder of the user's."""
    return Bundle.open(shutil.copytree(Bundle.open("builtin").path, tmp_path / "bundle"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@given(st.integers(1, 256))
def test_every_split_uses_at_most_the_cores(cores: int) -> None:
    setups = splits(cores)
    assert all(1 <= each.parallel_batches <= each.threads <= cores for each in setups)
    assert len(set(setups)) == len(setups)
    assert {Setup(1, 1, 4096), Setup(cores, 1, 4096)} <= set(setups)


def test_splits_of_two_cores() -> None:
    assert [(each.threads, each.parallel_batches) for each in splits(2)] == [(1, 1), (2, 1), (2, 2)]


def test_the_choice() -> None:
    one, two, both = splits(2)
    slow, fast = Measured(one, 100, 1.0), Measured(two, 150, 0.6)
    assert choose([slow, fast, Measured(both, 160, 0.9)]) == both, "documents first"
    assert choose([slow, fast, Measured(both, 156, 0.9)]) == two, "as fast: then a lone query"
    equal = [Measured(each, 100, 1.0) for each in reversed(budgets(one))]
    assert choose(equal).max_batch_tokens == 1024, "of equals the smallest"


def test_nothing_tuned_gives_the_defaults(bundle: Bundle) -> None:
    assert find_setup(bundle, "", NOTHING_GIVEN) == Setup(available_threads(), 1, 4096)


def test_what_was_kept_is_taken_unless_something_is_given(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    path = store(bundle, "", tuning(bundle))
    assert path == bundle.path / "tuning.json"
    with caplog.at_level(logging.INFO):
        assert find_setup(bundle, "", NOTHING_GIVEN) == TUNED
    assert str(path) in caplog.text
    assert find_setup(bundle, "", Setup(2, 0, 512)) == Setup(2, 1, 512)
    assert Bundle.open(bundle.path).manifest == bundle.manifest, "a bundle may hold its tuning"


def test_fewer_threads_than_tuned_run_fewer_batches(bundle: Bundle) -> None:
    store(bundle, "", tuning(bundle, Setup(8, 4, 2048)))
    assert find_setup(bundle, "", Setup(2, 0, 0)) == Setup(2, 2, 2048)


def test_the_built_in_bundle_is_tuned_in_the_cache_or_the_folder_named(
    cache: Path, tmp_path: Path
) -> None:
    builtin = Bundle.open("builtin")
    name = f"{builtin.manifest.bundle_id}.json"
    assert store(builtin, "", tuning(builtin)) == cache / "spladed/tuning" / name
    assert find_setup(builtin, "", NOTHING_GIVEN) == TUNED
    named = str(tmp_path / "named")
    assert find_setup(builtin, named, NOTHING_GIVEN) != TUNED
    assert store(builtin, named, tuning(builtin)) == tmp_path / "named" / name
    assert find_setup(builtin, named, NOTHING_GIVEN) == TUNED


def test_where_the_bundle_cannot_be_written_the_cache_is_next(bundle: Bundle, cache: Path) -> None:
    (bundle.path / "tuning.json").mkdir()  # what no user can replace by a file, root included
    path = store(bundle, "", tuning(bundle))
    assert path.is_relative_to(cache)
    assert find_setup(bundle, "", NOTHING_GIVEN) == TUNED


def test_no_place_is_an_error_that_says_which_option_helps(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Mismatch, match="--tuning") as caught:
        store(bundle, str(tmp_path / "file"), tuning(bundle))
    assert caught.value.reason == "TUNING_FOLDER"


@pytest.mark.parametrize(
    "change",
    [
        {"machine": Machine("another CPU", 1, "1.0")},
        {"bundle_id": "bu-another"},
    ],
)
def test_another_machine_or_bundle_is_passed_over(
    bundle: Bundle, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    store(bundle, "", replace(tuning(bundle), **change))  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        assert find_setup(bundle, "", NOTHING_GIVEN).max_batch_tokens == 4096
    assert "another machine or bundle" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"format_version": 2}', "threads",
     '{"format_version": 1, "machine": {"cpu": "", "cores": 1, "onnxruntime": ""}, "bundle_id": "",'
     ' "setup": {"threads": 0, "parallel_batches": 1, "max_batch_tokens": 1}, "measured": []}'],
)  # fmt: skip
def test_a_broken_file_keeps_nobody_from_work(
    bundle: Bundle, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (bundle.path / "tuning.json").write_text(text)
    assert find_setup(bundle, "", NOTHING_GIVEN).max_batch_tokens == 4096
    assert "it is no tuning" in caplog.text


def test_an_encoder_takes_it(bundle: Bundle) -> None:
    store(bundle, "", tuning(bundle))
    encoder = spladed.Encoder.load(bundle)
    assert (encoder.setup, encoder.policy.max_batch_tokens) == (TUNED, 2048)
    assert spladed.Encoder.load(bundle, max_batch_tokens=64).policy.max_batch_tokens == 64


def loaded(config: Config) -> Encoder:
    return _load_encoder(config.encoder, config.server.bundle)


def test_a_server_takes_it_and_what_is_set_goes_before(bundle: Bundle) -> None:
    store(bundle, "", tuning(bundle))
    flags = {"server.bundle": str(bundle.path)}
    assert loaded(load_config(flags=flags, environment={})).setup == TUNED
    given = load_config(flags=flags, environment={"SPLADED_ENCODER_MAX_BATCH_TOKENS": "512"})
    assert loaded(given).setup == Setup(1, 1, 512)


def test_the_command_measures_and_keeps(tmp_path: Path) -> None:
    texts = tmp_path / "texts.tsv"
    texts.write_text("".join(f"{number}\tsome text number {number}\n" for number in range(50)))
    command = ["tune", "--seconds", "0.1", "--texts", str(texts), "--tuning", str(tmp_path)]
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    assert said.exit_code == 0
    assert "50 documents" in said.stdout
    assert not list(tmp_path.glob("bu-*"))
    said = CliRunner().invoke(app, [*command, "--apply"], catch_exceptions=False)
    (path,) = tmp_path.glob("bu-*.json")
    assert str(path) in said.stdout
    kept = json.loads(path.read_text())
    assert all(each["documents_per_second"] > 0 for each in kept["measured"])
    assert f"max_batch_tokens = {kept['setup']['max_batch_tokens']}" in said.stdout
    found = find_setup(Bundle.open("builtin"), str(tmp_path), NOTHING_GIVEN)
    assert found == Setup(**kept["setup"])
