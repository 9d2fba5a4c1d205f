from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from spladed.cli.lines import BadLines, batches, count_lines, read_documents, texts_as_documents
from spladed.errors import InvalidInput, NotFound


def test_lines_become_documents_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text('{"id": "a", "text": "x", "metadata": {"n": 1}}\n\n{"id": 5, "text": "y"}\n')
    (place, first), (_, second) = read_documents(str(file))
    assert place == f"{file}:1"
    assert (first.id, first.text, first.metadata) == ("a", "x", {"n": 1})
    assert (second.id, second.text, second.metadata) == ("5", "y", {})
    assert count_lines(str(file)) == 2


def test_stdin_is_read_and_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"id": "a", "text": "x"}\n'))
    assert count_lines("-") is None
    assert [(place, each.id) for place, each in read_documents("-")] == [("-:1", "a")]


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_bytes(b'{"id": "a", "text": "x"}\n{"id": "b", "text": "\xff"}\n')
    with pytest.raises(InvalidInput, match=r"d\.jsonl:2 is not UTF-8"):
        list(read_documents(str(file)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"d\.jsonl"):
        list(read_documents(str(tmp_path / "d.jsonl")))


def test_tsv_is_an_id_a_tab_and_a_text(tmp_path: Path) -> None:
    file = tmp_path / "d.tsv.gz"
    file.write_bytes(gzip.compress(b"a\tx\ty\nno tab\n"))
    bad = BadLines(skip=True)
    documents = list(bad.places(read_documents(str(file), "auto", bad)))
    assert [(each.id, each.text) for each in documents] == [("a", "x\ty")]
    assert (bad.count, bad.place(0)) == (1, f"{file}:1")
    with pytest.raises(InvalidInput, match="no tab"):
        list(read_documents(str(file)))


def test_batches_hold_everything_in_order() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert [each.id for each in texts_as_documents(["a", "b"])] == ["1", "2"]
