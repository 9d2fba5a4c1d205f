"""The command line against a real server: what a person sees, what a script reads."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SPLADED, ServerProcess


def run(*words: str, given: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [SPLADED, *words], input=given, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def added(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that reach a server whose collection `lines` holds three documents."""
    file = tmp_path_factory.mktemp("lines") / "docs.jsonl"
    lines = [
        {"id": "train", "text": "How to train your dog for agility.", "metadata": {"page": 1}},
        {"id": 7, "text": "Bread is baked from flour."},
        {"id": "river", "text": "The river floods the valley in [spring]."},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    target = ["--target", server.target]
    said = run("index", "add", "lines", str(file), *target).stdout
    assert said == "3 documents added; lines holds 3\n"
    return target


def test_search_shows_hits_and_the_words_that_matched(added: list[str]) -> None:
    said = run("search", "lines", "dogs and agility", *added).stdout
    assert "How to train your dog" in said
    assert "agility" in said


def test_search_gives_scripts_json_lines(added: list[str]) -> None:
    said = run("search", "lines", "floods", "flour", "-k", "1", "--json", *added).stdout
    results = [json.loads(line) for line in said.splitlines()]
    assert [result["hits"][0]["id"] for result in results] == ["river", "7"]
    some = run("search", "lines", "floods", "--effort", "0.5", "--json", *added).stdout
    assert json.loads(some)["hits"]
    run("search", "lines", "floods", "--effort", "2", *added, code=2)


def test_explain_shows_each_term(added: list[str]) -> None:
    said = run("explain", "lines", "spring floods", "river", *added).stdout
    assert "spring" in said
    explained = json.loads(run("explain", "lines", "spring", "river", "--json", *added).stdout)
    assert explained["score"] == pytest.approx(
        sum(term["contribution"] for term in explained["terms"])
    )


def test_info_shows_bundles_and_collections(added: list[str]) -> None:
    assert "spladed-tiny-en" in run("info", *added).stdout
    info = json.loads(run("info", "--json", *added).stdout)
    assert "lines" in {each["name"] for each in info["collections"]}


def test_encode_is_the_same_here_and_on_a_server(added: list[str]) -> None:
    line = json.dumps({"id": "a", "text": "dogs"})
    here = json.loads(run("encode", "-", "--json", given=line).stdout)
    there = json.loads(run("encode", "-", "--json", *added, given=line).stdout)
    assert here["indices"] == there["indices"]
    assert here["values"] == pytest.approx(there["values"], abs=1e-5)
    assert "dog" in run("encode", "--text", "dogs").stdout
    for where in ([], added):
        pruned = json.loads(
            run("encode", "-", "--json", "--top-terms", "3", *where, given=line).stdout
        )
        heaviest = sorted(zip(here["values"], here["indices"], strict=True))[-3:]
        assert pruned["indices"] == sorted(term for _, term in heaviest)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "docs.jsonl:2 is not a document"),
        ('{"id": "x"}', "KeyError: 'text'"),
        ('{"id": "x", "text": 5}', "another type"),
        ("[]", "is not a document"),
    ],
)
def test_a_bad_line_is_named_by_its_number(
    line: str, words: str, added: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"id": "ok", "text": "fine"}\n' + line + "\n")
    said = run("index", "add", "lines-bad", str(file), *added, code=2).stderr
    assert words in said
    assert "documents were added before the error" in said
    done = run("index", "add", "lines-bad", str(file), "--skip-bad", "--json", *added, code=2)
    assert words in done.stderr
    assert json.loads(done.stdout)["refused"] == 1
    assert json.loads(done.stdout)["added"] == 1


def test_errors_are_one_line_with_a_code_for_scripts(added: list[str]) -> None:
    said = run("search", "nobody", "x", *added, code=2).stderr
    assert said.startswith("spladed: ")
    assert "nobody" in said
    assert len(said.splitlines()) == 1
    nobody = run("info", "--target", "127.0.0.1:9", code=3).stderr
    assert "no server answers at 127.0.0.1:9; start one with" in nobody
    assert "NO_SERVER" in nobody
    assert "docs.jsonl" in run("encode", "nowhere/docs.jsonl", code=2).stderr
    assert "one of them" in run("encode", code=2).stderr


def test_a_document_that_the_server_refuses_is_named_by_its_line(
    added: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"id": "ok", "text": "fine"}\n\n{"id": "blank", "text": " "}\n')
    done = run("index", "add", "lines-refused", str(file), *added, code=2)
    assert "docs.jsonl:3: documents[1].text is blank" in done.stderr
    assert done.stdout == "1 documents added, 1 refused; lines-refused holds 1\n"


def test_a_data_folder_is_worked_on_without_a_server(tmp_path: Path) -> None:
    file = tmp_path / "docs.tsv"
    file.write_text("dog\tHow to train your dog.\nbread\tBread is baked from flour.\n")
    data = ["--data", str(tmp_path / "data")]
    assert run("index", "add", "here", str(file), *data).stdout.startswith("2 documents added")
    said = json.loads(run("search", "here", "dogs", "--json", *data).stdout)
    assert said["hits"][0]["id"] == "dog"
    assert "give one of them" in run("info", "--target", "127.0.0.1:1", *data, code=2).stderr
    (tmp_path / "file").write_text("")
    refused = run("info", "--data", str(tmp_path / "file" / "x"), code=3).stderr
    assert refused.startswith("spladed: ")


def test_terms_show_what_a_text_expands_to(added: list[str]) -> None:
    said = run("terms", "canine agility").stdout
    assert "##ility" in said
    assert "█" in said
    shown = json.loads(run("terms", "canine agility", "--json", *added).stdout)["terms"]
    assert {"dog", "dogs"} & {term["token"] for term in shown if not term["own"]}
    assert "canine" in {term["token"] for term in shown if term["own"]}
    assert [term["weight"] for term in shown] == sorted(
        (term["weight"] for term in shown), reverse=True
    )


def test_config_prints_what_a_server_would_take(tmp_path: Path) -> None:
    file = tmp_path / "spladed.toml"
    file.write_text("[encoder]\nthreads = 3\n")
    said = run("config", "--config", str(file)).stdout
    assert "threads = 3" in said
    file.write_text(said)
    assert run("config", "--config", str(file)).stdout == said
    file.write_text("[encoder]\nthread = 3\n")
    assert "expected one of device" in run("config", "--config", str(file), code=2).stderr
