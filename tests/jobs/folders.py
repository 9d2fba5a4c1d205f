"""Tiny folders of judged questions, written by the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCUMENTS = {
    "dog": "How to train your dog for agility.",
    "bread": "Bread is baked from flour and water.",
    "river": "The river floods the valley in spring.",
    "fox": "A fast, agile fox leaps across a sleeping canine.",
    "rome": "Rome is the capital of Italy.",
    "oven": "An oven bakes bread and cakes.",
}
QUERIES = {
    "q1": "fox and dog agility",
    "q2": "what is bread made of",
    "q3": "capital city of Italy",
    "q4": "when does the river flood",
}
QRELS = [
    ("q1", "fox", 2), ("q1", "dog", 1), ("q2", "bread", 1), ("q2", "oven", 0),
    ("q3", "rome", 1), ("q4", "river", 1),
]  # fmt: skip


def text_lines(texts: dict[str, str]) -> str:
    """JSON lines of id and text."""
    return "".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in texts.items())


def qrels_lines(qrels: Iterable[Sequence[object]]) -> str:
    """Tab separated lines."""
    return "".join("\t".join(map(str, row)) + "\n" for row in qrels)


def write_folder(
    folder: Path,
    *,
    documents: dict[str, str] | None = None,
    queries: dict[str, str] | None = None,
    qrels: Iterable[Sequence[object]] = QRELS,
) -> Path:
    """A folder of the three files, plain."""
    folder.mkdir(exist_ok=True)
    (folder / "corpus.jsonl").write_text(text_lines(documents or DOCUMENTS))
    (folder / "queries.jsonl").write_text(text_lines(queries or QUERIES))
    (folder / "qrels.tsv").write_text(qrels_lines(qrels))
    return folder
