"""`python -m spladed_export.parity` measures how far each family's rows are from its source's.

Every family of masked-LMs in every precision, through the whole export, against the checkpoint
in torch (`reference`): texts alone, 32 of all lengths in one batch, one token, and as many as
the model takes. Writes docs/parity.md, and exits 1 where the gate's limits do not hold.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spladed.encoder.tokenize import Tokenizer
from spladed.manifest import Precision
from spladed.ort import Session
from spladed.sparse import SparseBatch
from spladed_export.describe import versions
from spladed_export.export import export
from spladed_export.probe import Graph
from spladed_export.reference import Reference
from spladed_export.source import read
from spladed_export.texts import labelled_pages
from spladed_export.tiny import FAMILIES, random_checkpoint
from spladed_export.verify import FP32_TOLERANCE, INVARIANCE, WEIGHT_ERROR

__all__ = ["CASES", "Line", "main", "measured", "page"]

_REPOSITORY = Path(__file__).parents[2]
_PAGE = "docs/parity.md"
_BUILTIN = "models/spladed-tiny-en"
_PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
_TEXTS = 32

CASES = ("alone", "batch of 32", "one token", "longest")
# Families that are measured a second time, with a head of another kind.
_OTHER_HEADS = ("roberta", "xlm-roberta", "modernbert")
_OTHER_HEAD = "sum, two logs, no special terms"
_LIMITS: Mapping[str, float] = {"fp32": FP32_TOLERANCE, "int8": WEIGHT_ERROR}


@dataclass(frozen=True, slots=True)
class Line:
    """One family in one precision.

    away:    for each of CASES, how far rows are from the source's: of fp32 the largest difference
             of a weight, of int8 their distance (L2) over the length of all
    changed: the largest difference of a weight between a text alone and in the batch of 32
    terms:   mean of a text's, alone
    """

    family: str
    precision: Precision
    positions: int
    away: tuple[float, ...]
    changed: float
    terms: float

    @property
    def ok(self) -> bool:
        """Whether the gate's limits hold; NaN holds none."""
        limit = _LIMITS[self.precision]
        return all(each <= limit for each in self.away) and self.changed <= INVARIANCE


def main() -> int:
    """Prints each line, and writes the page."""
    found = []
    for line in _all():
        print(_row(line), flush=True)
        found.append(line)
    (_REPOSITORY / _PAGE).write_text(page(found), "utf-8")
    return 0 if all(line.ok for line in found) else 1


def _all() -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as made:
        for family in FAMILIES:
            source = random_checkpoint(family, Path(made) / f"tiny-{family}")
            for precision in _PRECISIONS:
                out = Path(made) / f"{family}-{precision}"
                yield measured(source, family, precision, out)
                if family in _OTHER_HEADS:
                    name = f"{family}: {_OTHER_HEAD}"
                    yield measured(source, name, precision, Path(f"{out}-other"), other_head=True)
        for precision in _PRECISIONS:
            out = Path(made) / f"built-in-{precision}"
            yield measured(_REPOSITORY / _BUILTIN, "bert: spladed-tiny-en", precision, out)


def measured(
    source: Path, family: str, precision: Precision, out: Path, *, other_head: bool = False
) -> Line:
    """Exports a checkpoint to `out` and compares it; raises what `export` raises.

    other_head: pooled by the sum of log(1 + log(1 + relu(x))), special terms dropped
    """
    if other_head:
        bundle = export(
            source, out, precision=precision,
            pooling="sum", activation="log1p_log1p_relu", special_terms="drop",
        )  # fmt: skip
    else:
        bundle = export(source, out, precision=precision)
    model = bundle.manifest.model
    reference = Reference.of(read(source), model)
    session = Session(bundle.graph, dimension=model.vocabulary_size)
    graph = Graph(session, Tokenizer(bundle.tokenizer), model.max_length)
    texts = _ids(graph, model.max_length)
    rows, truth = {}, {}
    for case in CASES:
        batch = _TEXTS if case == "batch of 32" else 1
        rows[case] = _dense(graph.rows(texts[case], batch=batch))
        truth[case] = np.stack([reference.row(each.tolist()) for each in texts[case]])
    away = tuple(_away(truth[case], rows[case], precision) for case in CASES)
    changed = float(np.abs(rows["alone"] - rows["batch of 32"]).max())
    terms = np.count_nonzero(rows["alone"]) / _TEXTS
    return Line(family, precision, model.max_length, away, changed, terms)


def _away(truth: np.ndarray, rows: np.ndarray, precision: Precision) -> float:
    if precision == "fp32":
        return float(np.abs(truth - rows).max())
    return float(np.linalg.norm(truth - rows) / np.linalg.norm(truth))


def _dense(rows: SparseBatch) -> np.ndarray:
    dense = np.zeros((len(rows), rows.dimension), np.float32)
    dense[np.repeat(np.arange(len(rows)), np.diff(rows.indptr)), rows.indices] = rows.values
    return dense


def _ids(graph: Graph, positions: int) -> dict[str, list[np.ndarray]]:
    """Token ids of each case's texts."""
    pages = labelled_pages()[: _TEXTS // 2]
    both = [text for each in pages for text in (each.query, each.passage)]
    some = graph.ids(both, positions)
    long = graph.ids([" ".join([each.passage] * 100) for each in pages[:2]], positions)
    one = [np.array([ids[0], ids[1], ids[-1]]) for ids in some]
    return {"alone": some, "batch of 32": some, "one token": one, "longest": long}


def page(lines: list[Line]) -> str:
    """The page's text."""
    installed = ", ".join(f"{name} {version}" for name, version in versions().items())
    table = "\n".join(_row(line) for line in lines)
    heads = " | ".join(CASES)
    return f"""# Parity

How far rows are from those of the checkpoint in torch (fp32, eager attention, its own tokenizer,
one text at a time). Made by `make parity`; {installed}.

Checkpoints of random weights, whose bias is shifted so that rows are neither empty nor full, stand
for their families; the last one is trained. Under the cases stands, for fp32, the largest
difference of a weight (at most {FP32_TOLERANCE:g}), and for int8 the distance (L2) of all rows
over their length (at most {WEIGHT_ERROR:g}); *in a batch*: the largest difference of a weight
between a text alone and in the batch of 32 (at most {INVARIANCE:g}). No row has a weight that is
no number, or not above 0: that is checked with every batch.

| family | precision | tokens | {heads} | in a batch | terms a text | ok |
|---|---|---|{"---|" * len(CASES)}---|---|---|
{table}
"""


def _row(line: Line) -> str:
    away = " | ".join(f"{each:.2g}" for each in line.away)
    ok = "yes" if line.ok else "**no**"
    return (
        f"| {line.family} | {line.precision} | {line.positions} | {away} | {line.changed:.2g} "
        f"| {line.terms:.0f} | {ok} |"
    )


if __name__ == "__main__":
    sys.exit(main())
