"""Files in: which are read, and how each bad line is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from spladed.errors import InvalidInput, NotFound, SpladedError
from spladed.jobs.compressed import find, numbered_lines
from spladed.jobs.dataset import Dataset, Unknown
from spladed.jobs.read import Text, read_qrels, read_texts
from tests.jobs.folders import DOCUMENTS, QRELS, QUERIES, qrels_lines, text_lines, write_folder

GOOD = '{"id": "a", "text": "fine"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "tiny")


def test_a_folder_is_read_in_the_order_of_its_files(folder: Path) -> None:
    dataset = Dataset.open(folder)
    assert dataset.name == "tiny"
    assert dataset.documents == tuple(Text(id, text) for id, text in DOCUMENTS.items())
    assert [query.id for query in dataset.queries] == list(QUERIES)
    assert dataset.qrels["q1"] == {"fox": 2, "dog": 1}
    assert dataset.unknown == Unknown(queries=0, documents=0, unjudged=0)


@pytest.mark.parametrize(("suffix", "pack"), [(".zst", zstandard.compress), (".gz", gzip.compress)])
def test_packed_files_are_found_and_read_as_they_are(
    suffix: str, pack: Callable[[bytes], bytes], folder: Path
) -> None:
    plain = Dataset.open(folder)
    for path in list(folder.iterdir()):
        path.with_name(path.name + suffix).write_bytes(pack(path.read_bytes()))
        path.unlink()
    assert Dataset.open(folder) == plain


def test_a_plain_file_is_taken_before_a_packed_one(folder: Path) -> None:
    (folder / "corpus.jsonl.gz").write_bytes(b"")
    assert find(folder, "corpus.jsonl").name == "corpus.jsonl"


def test_zst_frames_one_after_another_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(zstandard.compress(b"one\n") + zstandard.compress(b"two\nthree"))
    assert list(numbered_lines(path)) == [(1, "one"), (2, "two"), (3, "three")]


def test_lines_end_as_windows_ends_them_and_blank_ones_still_count(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b"\r\n" + GOOD.strip().encode() + b"\r\n\n" + b'{"id": 7, "text": ""}')
    assert read_texts(path) == [Text("a", "fine"), Text("7", "")]
    assert [number for number, _ in numbered_lines(path)] == [2, 4]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        (b"{", "LINE", "JSONDecodeError"),
        (b"[]", "LINE", "TypeError"),
        (b"7", "LINE", "TypeError"),
        (b"null", "LINE", "TypeError"),
        (b"[" * 100_000, "LINE", "RecursionError"),
        (b'{"text": "x"}', "LINE", "KeyError: 'id'"),
        (b'{"id": "x"}', "LINE", "KeyError: 'text'"),
        (b'{"id": "x", "text": 5}', "LINE", "text is int"),
        (b'{"id": "x", "text": null}', "LINE", "text is NoneType"),
        (b'{"id": null, "text": "x"}', "LINE", "id is None"),
        (b'{"id": true, "text": "x"}', "LINE", "id is True"),
        (b'{"id": 1.5, "text": "x"}', "LINE", "id is 1.5"),
        (b'{"id": [%s 1], "text": "x"}' % (b"1, " * 5_000), "LINE", "id is [1, 1"),
        (b'{"id": "", "text": "x"}', "LINE", "id is empty"),
        (b'{"id": "x", "text": "\\ud800"}', "LINE", "surrogate"),
        (b'{"id": "a", "text": "again"}', "DUPLICATE_ID", "repeats id 'a' of line 1"),
        (b'{"id": "x", "text": "\xff"}', "ENCODING", "not UTF-8"),
    ],
)
def test_a_bad_text_is_named_by_file_and_line(
    line: bytes, reason: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + line + b"\n" + GOOD.encode())
    with pytest.raises(InvalidInput) as caught:
        read_texts(path)
    assert (caught.value.reason, caught.value.field) == (reason, f"{path}:3")
    assert f"{path}:3" in caught.value.message
    assert words in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("q1 d1 1", "LINE", "1 columns"),
        ("q1\t0\td1\t1", "LINE", "4 columns"),
        ("q1\td1\tgood", "LINE", "grade 'good'"),
        ("q1\td1\t1.5", "LINE", "grade '1.5'"),
        ("q1\td1\t1001", "LINE", "at most 1000"),
        ("q1\td1\t" + "9" * 5_000, "LINE", "grade '999"),
        ("q1\t\t1", "LINE", "empty id"),
        ("query-id\tcorpus-id\tscore", "LINE", "grade 'score'"),  # a header stands at the top
        ("q0\td0\t2", "DUPLICATE_ID", "of line 1"),
    ],
)
def test_a_bad_judgement_is_named_by_file_and_line(
    line: str, reason: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("q0\td0\t1\n" + line + "\n")
    with pytest.raises(InvalidInput, match=r"qrels\.tsv:2") as caught:
        read_qrels(path)
    assert (caught.value.reason, caught.value.field) == (reason, f"{path}:2")
    assert words in caught.value.message


def test_the_header_of_beir_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq\td\t-1\n")
    assert read_qrels(path) == {"q": {"d": -1}}


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(NotFound, match=name) as caught:
        Dataset.open(folder)
    assert (caught.value.reason, caught.value.field) == ("FILE", str(folder / name))


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_an_empty_file_is_named(name: str, folder: Path) -> None:
    (folder / name).write_text("\n")
    with pytest.raises(InvalidInput, match=name) as caught:
        Dataset.open(folder)
    assert caught.value.reason == "FILE_EMPTY"


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere is not a folder"):
        Dataset.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.zst", b"not zstandard"),
        ("x.zst", zstandard.compress(b"some text\n" * 99)[:-5]),
        ("x.gz", b"not gzip"),
        ("x.gz", gzip.compress(b"some text\n" * 99)[:-12]),
        ("x.gz", gzip.compress(bytes(range(97, 122)) * 99)[:12] + b"\x00" * 40),
    ],
)
def test_a_damaged_file_is_no_short_file(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpladedError, match=f"{name} cannot be unpacked") as caught:
        list(numbered_lines(path))
    assert caught.value.reason == "COMPRESSION"


def test_unknown_ids_are_counted(tmp_path: Path) -> None:
    qrels = [*QRELS, ("q1", "nobody", 1), ("q9", "dog", 1), ("q9", "fox", 1)]
    queries = QUERIES | {"q5": "not judged"}
    dataset = Dataset.open(write_folder(tmp_path / "x", queries=queries, qrels=qrels))
    assert dataset.unknown == Unknown(queries=1, documents=1, unjudged=1)
    assert "nobody" in dataset.qrels["q1"]
    assert {query.id for query in dataset.queries} == set(dataset.qrels) == set(QUERIES)


def test_qrels_of_another_dataset_are_refused(folder: Path) -> None:
    (folder / "qrels.tsv").write_text(qrels_lines([("other", "dog", 1)]))
    with pytest.raises(InvalidInput, match="none of the 4 queries") as caught:
        Dataset.open(folder)
    assert caught.value.reason == "QRELS"


def test_a_part_keeps_what_its_queries_need(folder: Path) -> None:
    part = Dataset.open(folder).part(queries=2, documents=4)
    assert list(part.qrels) == [query.id for query in part.queries] == ["q1", "q2"]
    assert [text.id for text in part.documents] == ["dog", "bread", "fox", "oven"]
    wider = Dataset.open(folder).part(queries=1, documents=3)
    assert [text.id for text in wider.documents] == ["dog", "bread", "fox"]
    few = Dataset.open(folder).part(queries=1, documents=1)
    assert [text.id for text in few.documents] == ["dog", "fox"]
    whole = Dataset.open(folder)
    assert whole.part() == whole


def test_texts_are_written_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text_lines({"ä b": "naïve\u2028café"}), encoding="utf-8")
    assert read_texts(path) == [Text("ä b", "naïve\u2028café")]
