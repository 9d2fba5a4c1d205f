"""`spladed eval` as a person and a script see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from spladed.cli.evaluate import evaluate
from spladed.errors import InvalidInput, NotFound, SpladedError
from spladed.jobs.trec import read_run
from tests.jobs.folders import DOCUMENTS, QRELS, QUERIES, write_folder

app = typer.Typer(pretty_exceptions_enable=False)
app.command("eval")(evaluate)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def said(*words: object) -> str:
    result = run(*words)
    assert result.exception is None, result.exception
    return result.stdout


def refused(*words: object) -> SpladedError:
    error = run(*words).exception
    assert isinstance(error, SpladedError), error
    return error


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    return write_folder(tmp_path / "tiny")


def test_it_prints_measures_beside_bm25_and_what_they_cost(folder: Path) -> None:
    lines = said(folder).splitlines()
    assert lines[0] == "tiny: 6 documents, 4 queries; spladed-tiny-en int8"
    table = "\n".join(lines)
    for words in ("nDCG@10", "MRR@10", "R@100", "splade", "bm25", "tokens/s", "terms each"):
        assert words in table
    assert "splade - bm25, nDCG@10: " in table
    assert "p = " in table
    assert "RR@10:" not in table.replace("MRR@10:", "")


def test_it_says_what_was_left_out(folder: Path) -> None:
    documents = DOCUMENTS | {"none": "", "long": "word " * 2_000}
    qrels = [*QRELS, ("q1", "nobody", 1), ("q9", "dog", 1)]
    write_folder(folder, documents=documents, queries=QUERIES | {"q5": "unjudged"}, qrels=qrels)
    text = said(folder, "--no-bm25")
    assert "bm25" not in text
    assert "1 judgements name unknown documents: counted as not found" in text
    assert "1 judged queries are not in queries.jsonl: left out" in text
    assert "1 queries have no judgement: left out" in text
    assert "1 documents were cut at the bundle's length" in text
    assert "1 documents are blank and match nothing" in text


def test_a_script_gets_one_json_line(folder: Path) -> None:
    result = json.loads(said(folder, "--json", "--queries", 2, "--documents", 4))
    assert result["documents"]["texts"] == 4
    assert result["queries"]["texts"] == 2
    assert set(result["systems"]) == {"splade", "bm25"}
    assert result["bundle_id"].startswith("bu-")


def test_a_written_run_compares_as_itself(folder: Path, tmp_path: Path) -> None:
    hits, queries = tmp_path / "run", tmp_path / "per-query.jsonl"
    said(folder, "--no-bm25", "--run", hits, "--per-query", queries)
    assert list(read_run(hits)) == list(QUERIES)
    assert [json.loads(line)["query"] for line in queries.read_text().splitlines()] == list(QUERIES)
    found = json.loads(said(folder, "--no-bm25", "--compare", hits, "--json"))
    assert found["comparisons"][str(hits)]["nDCG@10"]["p"] == 1


def test_what_cannot_be_written_is_said_before_the_work(folder: Path, tmp_path: Path) -> None:
    for option in ("--run", "--per-query"):
        error = refused(folder, option, tmp_path / "nowhere" / "file")
        assert isinstance(error, NotFound)
        assert "cannot write" in error.message


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("--compare", "nowhere.run", NotFound),
        ("--bundle", "nowhere", NotFound),
        ("--compare", "corpus.jsonl", InvalidInput),
    ],
)
def test_bad_options_are_errors_of_ours(
    option: str, value: str, kind: type[SpladedError], folder: Path
) -> None:
    error = refused(folder, option, folder / value)
    assert isinstance(error, kind)
    assert value in error.message


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").reason == "FOLDER"
