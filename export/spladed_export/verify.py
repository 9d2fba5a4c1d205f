"""The gate: no bundle without a report of what was compared with what, and how it fell out.

Token ids first, then rows: a wrong id would show as a wrong weight, far from its cause.
Every function here adds named checks to a `Report`, which raises at the first that fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from spladed.manifest import Golden, Kind, Precision, Side
from spladed.sparse import SparseBatch
from spladed_export.labelled import mean_overlap, ndcg_at_10
from spladed_export.probe import BATCH, Probe, Table
from spladed_export.reference import Reference
from spladed_export.report import Report, failed
from spladed_export.texts import golden_texts, labelled_pages, probe_texts

__all__ = [
    "FP32_TOLERANCE", "INVARIANCE", "WEIGHT_ERROR", "Pair", "Pairs", "golden_rows",
    "verify_fresh_process", "verify_pairs",
]  # fmt: skip

FP32_TOLERANCE = 1e-4  # sums in another order; 2e-6 is usual
INVARIANCE = 1e-5
OVERLAP = 0.95  # of the 64 heaviest terms; 0.975 is what int8 usually keeps
NDCG_TOLERANCE = 0.02  # 400 queries: one that falls from rank 1 to 2 moves it by 0.001
WEIGHT_ERROR = 0.15  # of a lowered row, relative (L2); 0.06 is what int8 usually has
FEWEST_TERMS = 20  # a passage; less, and the head is dead or the weights are not SPLADE's
LARGEST_SHARE = 1 / 20  # of the vocabulary; more, and nothing was sparsified

_TEXTS = 100  # of the labelled pages, for invariance


@dataclass(frozen=True, slots=True)
class Pair:
    """One side under test.

    exact: the fp32 graft; final: what ships; both are the table where there is one
    name:  goes before the names of its checks
    """

    exact: Probe
    final: Probe
    reference: Reference
    name: str = ""

    def with_prompt(self, prompt: str, name: str) -> Pair:
        """The same graphs for texts behind another prompt."""
        return Pair(
            self.exact.with_prompt(prompt),
            self.final.with_prompt(prompt),
            replace(self.reference, prompt=prompt),
            name,
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Both sides under test; one pair where queries are encoded as documents are."""

    document: Pair
    query: Pair
    sides: Mapping[Kind, Side]

    def of(self, kind: Kind) -> Pair:
        """The side of a kind."""
        return self.query if kind == "query" else self.document

    def limit(self, kind: Kind) -> int:
        """Tokens of a text of this kind."""
        return self.sides[kind].max_length

    def each(self) -> list[tuple[Pair, list[int]]]:
        """Every pair once, with the lengths that its texts are cut to."""
        both = sorted({self.limit("query"), self.limit("document")})
        if self.query is self.document:
            return [(self.document, both)]
        return [(self.of(kind), [self.limit(kind)]) for kind in get_args(Kind)]


def verify_pairs(pairs: Pairs, precision: Precision, report: Report) -> None:
    """All checks that need no written bundle."""
    for pair, limits in pairs.each():
        _verify_tokens(pair, limits, report)
        _verify_rows(pair, limits[-1], report)
    passages = _rows(pairs.document.final, _passages(), pairs.limit("document"))
    _verify_evidence(passages, report)
    if precision != "fp32":
        _verify_lowered(pairs, passages, report)
    for pair, limits in pairs.each():
        _verify_invariance(pair, limits[-1], report)


def golden_rows(pairs: Pairs, report: Report) -> tuple[Golden, ...]:
    """The golden texts with their rows as the encoder gives them, each alone in its batch.

    The check counts the texts that have terms: a golden row without any would prove nothing.
    Of a table half of the queries may have none, in writings that it does not know.
    """
    golden = []
    for text, kind in golden_texts():
        final = pairs.of(kind).final
        found = final.rows(final.ids([text], pairs.limit(kind)))
        row = pairs.sides[kind].pruning.apply(found).row(0)
        weights = tuple(round(float(value), 6) for value in row[1])
        golden.append(Golden(text, kind, tuple(row[0].tolist()), weights))
    filled = sum(1 for each in golden if each.indices)
    spared = sum(kind == "query" for _, kind in golden_texts()) // 2
    needed = len(golden) - (spared if isinstance(pairs.query.final, Table) else 0)
    report.at_least("golden", filled, needed, "golden texts whose row has terms")
    return tuple(golden)


def verify_fresh_process(folder: Path, report: Report) -> None:
    """The written folder, opened by the real encoder in a new process, gives the golden rows."""
    done = subprocess.run(
        [sys.executable, "-m", "spladed_export.replay", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise failed("fresh_process", f"the encoder refused the bundle: {lines[-1]}")
    moved = float(json.loads(done.stdout)["moved"])
    about = "largest difference of a golden weight in a fresh process"
    report.at_most("fresh_process", moved, INVARIANCE, about)


def _verify_tokens(pair: Pair, limits: Sequence[int], report: Report) -> None:
    texts = probe_texts() + [text for text, _ in golden_texts()]
    differing = sum(
        found.tolist() != pair.reference.token_ids(text, limit)
        for limit in limits
        for text, found in zip(texts, pair.final.ids(texts, limit), strict=True)
    )
    about = "texts whose token ids are not the source's"
    report.at_most(f"{pair.name}tokens", differing, 0, about)


def _verify_rows(pair: Pair, limit: int, report: Report) -> None:
    """The fp32 graft against the reference: texts alone, then in ragged, padded batches."""
    ids = pair.exact.ids(probe_texts(), limit)
    expected = [pair.reference.row(each.tolist()) for each in ids]
    for name, batch, pad in (("alone", 1, 0), ("padded", BATCH, 7)):
        rows = pair.exact.rows(ids, batch=batch, pad=pad)
        worst = max(
            float(np.abs(_dense(row, rows.dimension) - truth).max())
            for row, truth in zip(rows.rows(), expected, strict=True)
        )
        about = f"largest difference of a weight between the fp32 graft and the source, {name}"
        report.at_most(f"{pair.name}fp32_{name}", worst, FP32_TOLERANCE, about)


def _verify_evidence(passages: SparseBatch, report: Report) -> None:
    """A head that lights nothing, or everything, agrees with itself and means nothing."""
    mean = passages.nnz / len(passages)
    most = passages.dimension * LARGEST_SHARE
    report.at_least("terms_at_least", mean, FEWEST_TERMS, "mean terms of a labelled passage")
    report.at_most("terms_at_most", mean, most, "mean terms of a labelled passage")


def _verify_lowered(pairs: Pairs, passages: SparseBatch, report: Report) -> None:
    """Each side's rows beside those of its fp32 graft, and the ranking that both make."""
    truth = _rows(pairs.document.exact, _passages(), pairs.limit("document"))
    asked, lowered = (
        _rows(probe, _questions(), pairs.limit("query"))
        for probe in (pairs.query.exact, pairs.query.final)
    )
    _verify_close(pairs.document.name, truth, passages, "a passage", report)
    if pairs.query is not pairs.document:
        _verify_close(pairs.query.name, asked, lowered, "a question", report)
    before, after = ndcg_at_10(asked, truth), ndcg_at_10(lowered, passages)
    report.at_most(
        "ndcg", before - after, NDCG_TOLERANCE,
        f"nDCG@10 lost on the labelled pages ({before:.4f} by the fp32 graft)",
    )  # fmt: skip


def _verify_close(
    name: str, truth: SparseBatch, rows: SparseBatch, what: str, report: Report
) -> None:
    report.at_least(
        f"{name}overlap", mean_overlap(truth, rows, 64), OVERLAP,
        f"mean share of the fp32 graft's 64 heaviest terms of {what} that are kept",
    )  # fmt: skip
    report.at_most(
        f"{name}weights", _relative_error(truth, rows), WEIGHT_ERROR,
        f"distance of {what}'s row from the fp32 graft's, relative, mean",
    )  # fmt: skip


def _verify_invariance(pair: Pair, limit: int, report: Report) -> None:
    """A text's row must not depend on what else is in its batch."""
    final, pages = pair.final, labelled_pages()[:_TEXTS]
    texts = [page.query for page in pages] + [page.passage for page in pages]
    ids = final.ids([*probe_texts(), *texts], limit)
    alone = final.rows(ids, batch=1)
    order = np.random.default_rng(0).permutation(len(ids))
    shuffled = final.rows([ids[number] for number in order], batch=32).take(np.argsort(order))
    twice = final.rows([each for each in ids[:64] for _ in range(2)], batch=16)
    for name, rows, truth, about in (
        ("shuffled", shuffled, alone, "in shuffled batches of 32"),
        ("padding", final.rows(ids, batch=1, pad=64), alone, "with 64 more padded positions"),
        ("duplicates", twice, alone.take(np.repeat(np.arange(64), 2)), "twice in its batch"),
    ):
        about = f"largest change of a weight {about}"
        report.at_most(f"{pair.name}invariance_{name}", _worst(rows, truth), INVARIANCE, about)


def _passages() -> list[str]:
    return [page.passage for page in labelled_pages()]


def _questions() -> list[str]:
    return [page.query for page in labelled_pages()]


def _rows(probe: Probe, texts: Sequence[str], limit: int) -> SparseBatch:
    return probe.rows(probe.ids(texts, limit), batch=32)


def _worst(left: SparseBatch, right: SparseBatch) -> float:
    """The largest difference of a weight over all rows."""
    return max(
        float(np.abs(_dense(one, left.dimension) - _dense(other, left.dimension)).max())
        for one, other in zip(left.rows(), right.rows(), strict=True)
    )


def _relative_error(truth: SparseBatch, rows: SparseBatch) -> float:
    errors = []
    for one, other in zip(truth.rows(), rows.rows(), strict=True):
        exact = _dense(one, truth.dimension)
        away = float(np.linalg.norm(exact - _dense(other, truth.dimension)))
        errors.append(away / max(float(np.linalg.norm(exact)), 1e-9))
    return float(np.mean(errors))


def _dense(row: tuple[np.ndarray, np.ndarray], dimension: int) -> np.ndarray:
    dense = np.zeros(dimension, np.float32)
    dense[row[0]] = row[1]
    return dense
