"""The room's face: a dataset and an encoder in, an `Evaluation` out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spladed.encoder.encoder import Encoder
from spladed.errors import InvalidInput
from spladed.jobs.bm25 import bm25 as bm25_run
from spladed.jobs.dataset import Dataset, Unknown
from spladed.jobs.measures import MEASURES, PerQuery, mean, measure
from spladed.jobs.paired import Comparison, compare
from spladed.jobs.run import DEPTH, Run
from spladed.jobs.splade import Side, Track, encode, search, untracked

__all__ = ["BM25", "SPLADE", "Evaluation", "System", "evaluate", "per_query_lines", "rate"]

SPLADE = "splade"
BM25 = "bm25"


@dataclass(frozen=True, slots=True)
class System:
    """One ranking of all queries: what it found and what that is worth.

    means:      measure -> mean over the queries
    unanswered: queries for which it found nothing, or that its file lacks; they count 0
    """

    run: Run = field(repr=False)
    per_query: PerQuery = field(repr=False)
    means: Mapping[str, float]
    unanswered: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured.

    search_seconds: of all queries, one after another, on one thread
    systems:        "splade", and "bm25" and the compared run where asked for
    comparisons:    other system -> measure -> splade minus that system
    """

    dataset: str
    bundle: str
    precision: str
    bundle_id: str
    documents: Side
    queries: Side
    unknown: Unknown
    search_seconds: float
    systems: Mapping[str, System]
    comparisons: Mapping[str, Mapping[str, Comparison]]

    def to_mapping(self) -> dict[str, Any]:
        """All but the runs and the single queries, for JSON."""
        return {
            "dataset": self.dataset,
            "bundle": self.bundle,
            "precision": self.precision,
            "bundle_id": self.bundle_id,
            "documents": _side(self.documents),
            "queries": _side(self.queries),
            "unknown": asdict(self.unknown),
            "search_seconds": self.search_seconds,
            "systems": {
                name: {**system.means, "unanswered": system.unanswered}
                for name, system in self.systems.items()
            },
            "comparisons": {
                name: {measure: asdict(each) for measure, each in by_measure.items()}
                for name, by_measure in self.comparisons.items()
            },
        }


def evaluate(
    dataset: Dataset,
    encoder: Encoder,
    *,
    bm25: bool = True,
    against: Mapping[str, Run] | None = None,
    track: Track = untracked,
) -> Evaluation:
    """How well the encoder's bundle, BM25 and the runs of `against` rank the dataset.

    Each other system is compared with the bundle, query by query (`paired.compare`).
    Raises InvalidInput RUN for a run that has none of the queries.
    """
    others = {name: rate(dataset, _known(run, dataset, name)) for name, run in _all(against)}
    documents = encode(encoder, dataset.documents, "document", track)
    queries = encode(encoder, dataset.queries, "query", track)
    run, seconds = search(
        (dataset.documents, documents.rows), (dataset.queries, queries.rows),
        depth=DEPTH, track=track,
    )  # fmt: skip
    ours = rate(dataset, run)
    if bm25:
        others = {BM25: rate(dataset, bm25_run(dataset))} | others
    manifest = encoder.bundle.manifest
    return Evaluation(
        dataset=dataset.name, bundle=manifest.name, precision=manifest.precision,
        bundle_id=manifest.bundle_id, documents=documents.side, queries=queries.side,
        unknown=dataset.unknown, search_seconds=seconds, systems={SPLADE: ours} | others,
        comparisons={name: _compared(ours, other) for name, other in others.items()},
    )  # fmt: skip


def rate(dataset: Dataset, run: Run) -> System:
    """The run with its measures; a query that it lacks counts 0."""
    per_query = measure(dataset.qrels, run)
    unanswered = sum(not run.get(query) for query in dataset.qrels)
    return System(run, per_query, mean(per_query), unanswered)


def per_query_lines(dataset: Dataset, evaluation: Evaluation) -> Iterator[str]:
    """A JSON line a query: id, text, relevant documents, each system's measures and top ten."""
    for query in dataset.queries:
        grades = dataset.qrels[query.id]
        line = {
            "query": query.id,
            "text": query.text,
            "relevant": [document for document, grade in grades.items() if grade > 0],
        }
        for name, system in evaluation.systems.items():
            best = list(system.run.get(query.id, {}))[:10]
            line[name] = {**system.per_query[query.id], "top": best}
        yield json.dumps(line, ensure_ascii=False)


def _compared(ours: System, other: System) -> dict[str, Comparison]:
    def figures(system: System, name: str) -> list[float]:
        return [system.per_query[query][name] for query in ours.per_query]

    return {name: compare(figures(ours, name), figures(other, name)) for name in MEASURES}


def _all(runs: Mapping[str, Run] | None) -> list[tuple[str, Run]]:
    for name in set(runs or {}) & {SPLADE, BM25}:
        raise InvalidInput(
            f"a run to compare with cannot be named {name!r}: rename it",
            reason="RUN",
            field="against",
        )
    return list((runs or {}).items())


def _known(run: Run, dataset: Dataset, name: str) -> Run:
    """The part of a run that answers the dataset's queries."""
    known = {query: found for query, found in run.items() if query in dataset.qrels}
    if not known:
        raise InvalidInput(
            f"run {name!r} has none of the {len(dataset.queries)} queries of {dataset.name}; "
            "is it of another dataset?",
            reason="RUN",
            field="against",
        )
    return known


def _side(side: Side) -> dict[str, Any]:
    return asdict(side) | {"tokens_per_second": side.tokens_per_second}
