"""A folder of corpus.jsonl, queries.jsonl and qrels.tsv (BEIR's layout), or a part of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from spladed.errors import InvalidInput
from spladed.jobs.compressed import find
from spladed.jobs.read import Qrels, Text, read_qrels, read_texts

__all__ = ["Dataset", "Unknown"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What in the files has no counterpart.

    queries:   queries that qrels judge and queries.jsonl lacks; left out
    documents: judgements of documents that corpus.jsonl lacks; kept, and never found,
               as trec_eval has it
    unjudged:  queries without a judgement; left out
    """

    queries: int
    documents: int
    unjudged: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents, judged queries and their judgements, in the order of the files."""

    name: str
    documents: tuple[Text, ...]
    queries: tuple[Text, ...]
    qrels: Qrels
    unknown: Unknown

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The folder's data, whole; each file may be plain, .zst or .gz.

        Raises NotFound FOLDER or FILE, InvalidInput QRELS where no judged query is known,
        and what `read_texts` and `read_qrels` raise.
        """
        folder = Path(folder)
        paths = [find(folder, name) for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")]
        documents, queries = read_texts(paths[0]), read_texts(paths[1])
        qrels = read_qrels(paths[2])
        judged = [query for query in queries if query.id in qrels]
        if not judged:
            raise InvalidInput(
                f"{paths[2]} judges none of the {len(queries)} queries of {paths[1]}; the "
                "first column holds ids of queries",
                reason="QRELS",
                field=str(paths[2]),
            )
        known = {query.id: qrels[query.id] for query in judged}
        unknown = Unknown(
            queries=len(qrels) - len(judged),
            documents=_count_unknown(known, documents),
            unjudged=len(queries) - len(judged),
        )
        return cls(folder.resolve().name, tuple(documents), tuple(judged), known, unknown)

    def part(self, *, queries: int = 0, documents: int = 0) -> Self:
        """The first `queries` judged queries, and at least `documents` documents; 0 is all.

        Every judged document of those queries stays, so that recall can reach 1; the first
        others in the file fill up to the number asked for.
        """
        kept = self.queries[: queries or None]
        qrels = {query.id: self.qrels[query.id] for query in kept}
        few = self.documents
        if documents:
            judged = {document for grades in qrels.values() for document in grades}
            few = tuple(_fill(self.documents, judged, documents))
        return replace(self, queries=kept, documents=few, qrels=qrels)


def _count_unknown(qrels: Qrels, documents: Iterable[Text]) -> int:
    known = {document.id for document in documents}
    return sum(document not in known for grades in qrels.values() for document in grades)


def _fill(documents: Iterable[Text], judged: set[str], most: int) -> Iterable[Text]:
    """The judged documents, and the first others, in order, while they are fewer than `most`."""
    documents = list(documents)
    spare = most - sum(document.id in judged for document in documents)
    for document in documents:
        if document.id in judged:
            yield document
        elif spare > 0:
            spare -= 1
            yield document
