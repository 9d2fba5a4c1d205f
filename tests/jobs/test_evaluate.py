"""An evaluation is what brute force and ir_measures say it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from spladed.encoder.encoder import Encoder
from spladed.errors import InvalidInput
from spladed.jobs.bm25 import bm25
from spladed.jobs.dataset import Dataset
from spladed.jobs.evaluate import BM25, SPLADE, evaluate, per_query_lines, rate
from spladed.jobs.measures import MEASURES, mean, measure
from spladed.jobs.read import Text
from spladed.jobs.splade import encode, search
from tests.jobs import oracle
from tests.jobs.folders import DOCUMENTS, QRELS, QUERIES, write_folder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load("builtin")


def dataset(folder: Path, **files: object) -> Dataset:
    return Dataset.open(write_folder(folder / "tiny", **files))  # type: ignore[arg-type]


def by_brute_force(encoder: Encoder, data: Dataset) -> dict[str, float]:
    documents = {text.id: text.text for text in data.documents}
    queries = {text.id: text.text for text in data.queries}
    return oracle.evaluation(encoder, documents, queries, data.qrels)


def test_a_tiny_folder_equals_brute_force(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    found = evaluate(data, encoder, bm25=False)
    assert found.systems[SPLADE].means == pytest.approx(by_brute_force(encoder, data), abs=1e-9)
    assert list(found.systems[SPLADE].run["q1"])[:2] == ["dog", "fox"]
    assert found.comparisons == {}


def test_blank_texts_are_counted_and_match_nothing(encoder: Encoder, tmp_path: Path) -> None:
    documents = {"none": "", **DOCUMENTS, "blank": " \t "}
    queries = QUERIES | {"q5": "  "}
    qrels = [*QRELS, ("q5", "blank", 1), ("q3", "none", 1)]
    data = dataset(tmp_path, documents=documents, queries=queries, qrels=qrels)
    found = evaluate(data, encoder)
    assert (found.documents.blank, found.queries.blank) == (2, 1)
    assert found.systems[SPLADE].run["q5"] == {}
    assert found.systems[SPLADE].unanswered == found.systems[BM25].unanswered == 1
    assert found.systems[SPLADE].means == pytest.approx(by_brute_force(encoder, data), abs=1e-9)


def test_a_corpus_of_no_words_has_no_hits(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path, documents={"a": " ", "b": ""}, qrels=[("q1", "a", 1)])
    found = evaluate(data, encoder)
    assert {name: system.means["R@100"] for name, system in found.systems.items()} == {
        SPLADE: 0,
        BM25: 0,
    }
    assert found.documents.tokens_per_second == 0 or found.documents.tokens == 0


def test_sizes_are_those_of_the_rows(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path, documents={**DOCUMENTS, "long": "many words " * 400})
    side = encode(encoder, data.documents, "document").side
    texts = [text.text for text in data.documents]
    tokenized = encoder.tokenize(texts, kind="document")
    assert side.tokens == sum(len(text.ids) for text in tokenized)
    assert (side.texts, side.truncated, side.blank) == (len(texts), 1, 0)
    assert side.terms == encoder.encode(texts, kind="document").nnz / len(texts)
    assert side.wall_seconds > 0
    assert side.cpu_seconds > 0


def test_every_text_is_tracked_once(encoder: Encoder, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def track(what: str, batches: Iterable[Sequence[Text]], total: int) -> Iterable[Sequence[Text]]:
        batches = list(batches)
        seen.append((what, sum(map(len, batches)), total))
        return batches

    evaluate(dataset(tmp_path), encoder, bm25=False, track=track)
    assert seen == [
        ("encoding documents", 6, 6), ("encoding queries", 4, 4), ("searching", 4, 4),
    ]  # fmt: skip


def test_a_query_without_hits_and_one_without_relevant_documents_count_zero() -> None:
    qrels = {"a": {"x": 1}, "b": {"x": 0}, "c": {"x": 1}}
    found = measure(qrels, {"a": {"x": 2.0}, "b": {"x": 1.0}})
    assert list(found) == ["a", "b", "c"]
    assert [each["nDCG@10"] for each in found.values()] == [1, 0, 0]
    assert mean(found) == pytest.approx(dict.fromkeys(MEASURES, 1 / 3))


def test_bm25_finds_stems_and_nothing_that_shares_no_word(tmp_path: Path) -> None:
    run = bm25(dataset(tmp_path, queries={"q1": "rivers flooding", "q2": "zebra"}))
    assert run == {"q1": {"river": pytest.approx(run["q1"]["river"])}, "q2": {}}


def test_each_other_system_is_compared_query_by_query(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    found = evaluate(data, encoder, against={"old": {"q1": {"fox": 1.0}, "else": {"dog": 1.0}}})
    assert set(found.comparisons) == {BM25, "old"}
    comparison = found.comparisons["old"]["R@100"]
    assert (comparison.wins, comparison.losses, comparison.queries) == (4, 0, 4)
    assert found.systems["old"].unanswered == 3
    json.dumps(found.to_mapping())


def test_its_own_run_does_not_differ(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    run = evaluate(data, encoder, bm25=False).systems[SPLADE].run
    again = evaluate(data, encoder, bm25=False, against={"again": run})
    assert {each.p for each in again.comparisons["again"].values()} == {1.0}


@pytest.mark.parametrize("run", [{}, {"other": {"dog": 1.0}}])
def test_a_run_of_another_dataset_is_refused(
    run: dict[str, dict[str, float]], encoder: Encoder, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="none of the 4 queries") as caught:
        evaluate(dataset(tmp_path), encoder, against={"theirs": run})
    assert caught.value.reason == "RUN"


def test_a_line_a_query_tells_what_each_system_did(encoder: Encoder, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    lines = [json.loads(line) for line in per_query_lines(data, evaluate(data, encoder))]
    assert [line["query"] for line in lines] == list(QUERIES)
    assert lines[0]["relevant"] == ["fox", "dog"]
    assert lines[0][SPLADE]["top"][0] == "dog"
    assert set(lines[0][BM25]) == {*MEASURES, "top"}


def test_squad_equals_brute_force_to_four_digits(encoder: Encoder, shared: Path) -> None:
    data = Dataset.open(shared / "data" / "squad-dev").part(queries=100, documents=400)
    found = evaluate(data, encoder, bm25=False)
    assert found.systems[SPLADE].means == pytest.approx(by_brute_force(encoder, data), abs=5e-5)


@pytest.mark.parametrize(
    ("name", "documents"), [("scifact", 1_500), ("cranfield", 1), ("vaswani", 1)]
)
def test_every_query_equals_brute_force_to_four_digits(
    name: str, documents: int, encoder: Encoder, shared: Path
) -> None:
    """All queries over the judged documents at least, encoded once: whole sets take minutes."""
    data = Dataset.open(shared / "data" / name).part(documents=documents)
    documents = encode(encoder, data.documents, "document").rows
    queries = encode(encoder, data.queries, "query").rows
    run, _ = search((data.documents, documents), (data.queries, queries))
    expected = oracle.evaluation_of_rows(data, documents, queries)
    assert rate(data, run).means == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("squad-dev", (0.870, 0.843, 0.992)), ("scifact", (0.682, 0.646, 0.912))],
)
def test_bm25_is_the_published_bar_to_three_digits(
    name: str, expected: tuple[float, ...], shared: Path
) -> None:
    data = Dataset.open(shared / "data" / name)
    means = rate(data, bm25(data)).means
    assert tuple(round(means[each], 3) for each in MEASURES) == expected
