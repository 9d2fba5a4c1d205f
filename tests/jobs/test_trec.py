"""TREC run files, out and in again."""

from __future__ import annotations

from pathlib import Path

import pytest

from spladed.errors import InvalidInput, NotFound
from spladed.jobs.dataset import Dataset
from spladed.jobs.trec import check_ids, read_run, write_run
from tests.jobs.folders import DOCUMENTS, QUERIES, write_folder

RUN = {"q1": {"fox": 9.487654321012345, "dog": 1e-05}, "q2": {"bread": 3.0}}


def test_a_run_comes_back_bit_for_bit(tmp_path: Path) -> None:
    write_run(tmp_path / "run", RUN | {"q3": {}}, "my model")
    assert read_run(tmp_path / "run") == RUN
    assert (tmp_path / "run").read_text().splitlines()[1] == "q1 Q0 dog 2 1e-05 my-model"


def test_scores_and_not_the_order_of_lines_make_the_ranking(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 1.5 x\nq\tQ0\tb\t2\t7\tx\n\nq Q0 c 3 -inf x\n")
    assert list(read_run(tmp_path / "run")["q"]) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("q Q0 d 1 2.0", "LINE", "six columns"),
        ("q Q0 d 1 2.0 x y", "LINE", "six columns"),
        ("q Q0 d 1 high x", "LINE", "'high'"),
        ("q Q0 d 1 nan x", "LINE", "NaN"),
        ("q Q0 a 2 1.0 x", "DUPLICATE_ID", "repeats document 'a'"),
    ],
)
def test_a_bad_hit_is_named_by_file_and_line(
    line: str, reason: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "some.run"
    path.write_text(f"q Q0 a 1 3.0 x\n{line}\n")
    with pytest.raises(InvalidInput, match=r"some\.run:2") as caught:
        read_run(path)
    assert (caught.value.reason, caught.value.field) == (reason, f"{path}:2")
    assert words in caught.value.message


def test_a_run_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        read_run(tmp_path / "nowhere")
    (tmp_path / "empty").write_text("")
    with pytest.raises(InvalidInput, match="holds no hits"):
        read_run(tmp_path / "empty")


@pytest.mark.parametrize("id", ["a b", " a", "a\u00a0b", "a\n"])
def test_ids_that_would_shift_columns_are_refused(id: str, tmp_path: Path) -> None:
    documents = write_folder(tmp_path / "d", documents=DOCUMENTS | {id: "x"})
    queries = write_folder(tmp_path / "q", queries=QUERIES | {id: "x"}, qrels=[("q1", "fox", 1)])
    with pytest.raises(InvalidInput, match=r"document .* white space"):
        check_ids(Dataset.open(documents))
    check_ids(Dataset.open(queries))  # that query is not judged, so it is not written
