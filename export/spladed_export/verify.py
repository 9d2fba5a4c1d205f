"""The gate: no bundle without a report of what was compared with what, and how it fell out.

Token ids first, then rows: a wrong id would show as a wrong weight, far from its cause.
Every function here adds named checks to a `Report`, which raises at the first that fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spladed.bundle import Golden, Kind, Precision
from spladed.encoder.tokenize import Tokenizer
from spladed.errors import SpladedError
from spladed.ort import Session
from spladed.sparse import SparseBatch
from spladed_export.labelled import mean_overlap, ndcg_at_10
from spladed_export.report import Report, failed
from spladed_export.texts import golden_texts, labelled_pages, probe_texts

__all__ = [
    "FP32_TOLERANCE", "INVARIANCE", "WEIGHT_ERROR", "Graph", "Lengths", "golden_rows",
    "verify_fresh_process", "verify_graphs",
]  # fmt: skip

FP32_TOLERANCE = 1e-4  # sums in another order; 2e-6 is usual
INVARIANCE = 1e-5
OVERLAP = 0.95  # of the 64 heaviest terms; 0.975 is what int8 usually keeps
NDCG_TOLERANCE = 0.02  # 400 queries: one that falls from rank 1 to 2 moves it by 0.001
WEIGHT_ERROR = 0.15  # of a lowered row, relative (L2); 0.06 is what int8 usually has
FEWEST_TERMS = 20  # a passage; less, and the head is dead or the weights are not SPLADE's
LARGEST_SHARE = 1 / 20  # of the vocabulary; more, and nothing was sparsified

_BATCH = 8
_TEXTS = 100  # of the labelled pages, for invariance

Lengths = Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Graph:
    """A fused graph under test, with the bundle's tokenizer; it takes `positions` tokens."""

    session: Session
    tokenizer: Tokenizer
    positions: int

    def ids(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Token ids of each text, int64, cut to `limit`."""
        return [text.ids for text in self.tokenizer.tokenize(texts, max_length=limit)]

    def rows(self, ids: Sequence[np.ndarray], *, batch: int = _BATCH, pad: int = 0) -> SparseBatch:
        """Rows in the order given, `batch` texts at a time.

        Each batch has `pad` more positions than its longest text, as far as there are any.
        Raises Mismatch (VERIFY_RUN, VERIFY_CSR) for a batch that gives no proper rows.
        """
        parts = [
            self._run(*self._padded(ids[start : start + batch], pad))
            for start in range(0, len(ids), batch)
        ]
        return SparseBatch.concatenate(self.session.dimension, parts)

    def _run(self, tokens: np.ndarray, mask: np.ndarray) -> SparseBatch:
        """One batch, its offsets, order and weights checked: NaN and infinity are refused."""
        try:
            rows = self.session.run(tokens, mask)
        except Exception as error:  # onnxruntime raises a dozen unrelated classes here
            raise failed("run", f"the graph cannot run {tokens.shape} tokens ({error})") from error
        try:
            rows.checked("graph")
        except SpladedError as error:
            raise failed("csr", error.message) from error
        if len(rows) != len(tokens):
            raise failed("csr", f"{len(rows)} rows for {len(tokens)} texts")
        return rows

    def _padded(self, ids: Sequence[np.ndarray], pad: int) -> tuple[np.ndarray, np.ndarray]:
        longest = max(len(each) for each in ids)
        tokens = np.zeros((len(ids), min(longest + pad, self.positions)), np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        return tokens, mask


def verify_graphs(
    exact: Graph,
    final: Graph,
    precision: Precision,
    lengths: Lengths,
    report: Report,
) -> None:
    """All checks that need no written bundle. exact: the fp32 graft; final: what ships."""
    _verify_tokens(final.tokenizer, lengths, report)
    _verify_rows(exact, lengths, report)
    documents = final.ids([page.passage for page in labelled_pages()], lengths["document"])
    passages = final.rows(documents, batch=32)
    _verify_evidence(passages, report)
    if precision != "fp32":
        _verify_lowered(exact, final, lengths, passages, report)
    _verify_invariance(final, lengths, report)


def golden_rows(final: Graph, lengths: Lengths, report: Report) -> tuple[Golden, ...]:
    """The golden texts with their rows, each alone in its batch.

    The check counts the texts that have terms: a golden row without any would prove nothing.
    """
    golden = []
    for text, kind in golden_texts():
        row = final.rows(final.ids([text], lengths[kind])).row(0)
        weights = tuple(round(float(value), 6) for value in row[1])
        golden.append(Golden(text, kind, tuple(row[0].tolist()), weights))
    filled = sum(1 for each in golden if each.indices)
    report.at_least("golden", filled, len(golden_texts()), "golden texts whose row has terms")
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


def _verify_tokens(tokenizer: Tokenizer, lengths: Lengths, report: Report) -> None:
    texts = probe_texts() + [text for text, _ in golden_texts()]
    differing = sum(
        found.ids.tolist() != report.reference.token_ids(text, limit)
        for limit in sorted(set(lengths.values()))
        for text, found in zip(texts, tokenizer.tokenize(texts, max_length=limit), strict=True)
    )
    report.at_most("tokens", differing, 0, "texts whose token ids are not the source's")


def _verify_rows(exact: Graph, lengths: Lengths, report: Report) -> None:
    """The fp32 graft against the reference: texts alone, then in ragged, padded batches."""
    ids = exact.ids(probe_texts(), max(lengths.values()))
    expected = [report.reference.row(each.tolist()) for each in ids]
    for name, batch, pad in (("alone", 1, 0), ("padded", _BATCH, 7)):
        rows = exact.rows(ids, batch=batch, pad=pad)
        worst = max(
            float(np.abs(_dense(row, rows.dimension) - truth).max())
            for row, truth in zip(rows.rows(), expected, strict=True)
        )
        about = f"largest difference of a weight between the fp32 graft and the source, {name}"
        report.at_most(f"fp32_{name}", worst, FP32_TOLERANCE, about)


def _verify_evidence(passages: SparseBatch, report: Report) -> None:
    """A head that lights nothing, or everything, agrees with itself and means nothing."""
    mean = passages.nnz / len(passages)
    most = passages.dimension * LARGEST_SHARE
    report.at_least("terms_at_least", mean, FEWEST_TERMS, "mean terms of a labelled passage")
    report.at_most("terms_at_most", mean, most, "mean terms of a labelled passage")


def _verify_lowered(
    exact: Graph, final: Graph, lengths: Lengths, passages: SparseBatch, report: Report
) -> None:
    pages = labelled_pages()
    documents = exact.ids([page.passage for page in pages], lengths["document"])
    queries = exact.ids([page.query for page in pages], lengths["query"])
    truth, asked = exact.rows(documents, batch=32), exact.rows(queries, batch=32)
    report.at_least(
        "overlap", mean_overlap(truth, passages, 64), OVERLAP,
        "mean share of the fp32 graft's 64 heaviest terms of a passage that are kept",
    )  # fmt: skip
    report.at_most(
        "weights", _relative_error(truth, passages), WEIGHT_ERROR,
        "distance of a passage's row from the fp32 graft's, relative, mean",
    )  # fmt: skip
    lowered = final.rows(queries, batch=32)
    before, after = ndcg_at_10(asked, truth), ndcg_at_10(lowered, passages)
    report.at_most(
        "ndcg", before - after, NDCG_TOLERANCE,
        f"nDCG@10 lost on the labelled pages ({before:.4f} by the fp32 graft)",
    )  # fmt: skip


def _verify_invariance(final: Graph, lengths: Lengths, report: Report) -> None:
    """A text's row must not depend on what else is in its batch."""
    pages = labelled_pages()[:_TEXTS]
    texts = [page.query for page in pages] + [page.passage for page in pages]
    ids = final.ids([*probe_texts(), *texts], lengths["document"])
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
        report.at_most(f"invariance_{name}", _worst(rows, truth), INVARIANCE, about)


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
