"""The card's table and plot, from the results alone: no figure here is anybody's memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CARD = ROOT / "models" / "spladed-tiny-en" / "README.md"
BEGIN, END = "<!-- quality:begin -->", "<!-- quality:end -->"

SMALL = ("cranfield", "squad-dev", "vaswani", "scifact", "fever-small")
LARGE = ("debian-desc", "boolq-wiki")  # 5 and 25 minutes on two cores, int8 only
CHECKPOINTS = ("spladed-tiny-en", "splade-tiny")
PRECISIONS = ("int8", "fp32")
BUILTIN = ("spladed-tiny-en", "int8")


def draw(results: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for row in results["rows"]:
        if not row.get("pruned"):
            continue
        whole = {"terms": row["documents"]["terms"], "nDCG@10": row["measures"]["nDCG@10"]}
        points = sorted((each["terms"], each["nDCG@10"]) for each in [*row["pruned"], whole])
        axes.plot(*zip(*points, strict=True), marker="o", label=row["dataset"])
    axes.set_xlabel("terms a document (mean), heaviest kept")
    axes.set_ylabel("nDCG@10")
    axes.set_title("spladed-tiny-en int8: quality against terms per document")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def write_card(results: dict[str, Any], card: Path) -> None:
    """The card's section between the markers, which are added at its end if they are not there."""
    text = card.read_text()
    section = f"{BEGIN}\n{section_of(results)}\n{END}"
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        text = before + section + rest.partition(END)[2]
    else:
        text = text.rstrip("\n") + "\n\n" + section + "\n"
    card.write_text(text)


def section_of(results: dict[str, Any]) -> str:
    by_key = {(row["dataset"], row["bundle"], row["precision"]): row for row in results["rows"]}
    sets = [name for name in SMALL + LARGE if (name, *BUILTIN) in by_key]
    made, version = results["machine"], results["versions"]
    return "\n".join(
        [
            "## Measured quality",
            "",
            f"Made by `make model-card` on {made['date'][:10]} ({made['cpu']}, {made['cores']} "
            f"cores, onnxruntime {version['onnxruntime']}, commit {made['commit']}); every "
            "figure is in [model_card.json](../../bench/results/model_card.json). BM25: bm25s "
            "(lucene, k1 = 1.2, b = 0.75, English stemmer, no stop words). Search is exact, "
            "weights in steps of 1/4096.",
            "",
            "The built-in int8 bundle beside BM25 (BM25 / bundle):",
            "",
            "| set | documents | queries | nDCG@10 | MRR@10 | R@100 | nDCG@10 - BM25, 95 % | p "
            "| terms d / q |",
            "|---|---|---|---|---|---|---|---|---|",
            *[main_line(by_key, name) for name in sets],
            "",
            "p: two-sided randomisation test over queries, not corrected for the number of sets; "
            "the interval: paired bootstrap. scifact, cranfield and vaswani took no part in the "
            "fine-tuning; of the other sets the training parts may have, no test query did.",
            *bundle_lines(by_key, sets),
            "",
            "![nDCG@10 against terms per document](../../bench/results/model_card.png)",
        ]
    )


def main_line(by_key: dict[tuple[str, str, str], dict[str, Any]], name: str) -> str:
    ours, bar = by_key[(name, *BUILTIN)], by_key[name, "BM25", ""]
    pairs = [
        f"{short(bar['measures'][each])} / {short(ours['measures'][each])}"
        for each in ("nDCG@10", "RR@10", "R@100")
    ]
    found = ours["against_bm25"]
    change, low, high = (signed(found[each]) for each in ("difference", "low", "high"))
    terms = f"{ours['documents']['terms']:.0f} / {ours['queries']['terms']:.0f}"
    counts = [f"{ours['counts'][each]:,}" for each in ("documents", "queries")]
    p = "< .001" if found["p"] < 0.001 else short(found["p"])
    return f"| {' | '.join([name, *counts, *pairs, f'{change} [{low}, {high}]', p, terms])} |"


def bundle_lines(
    by_key: dict[tuple[str, str, str], dict[str, Any]], sets: list[str]
) -> Iterator[str]:
    """nDCG@10 and terms of every bundle that was measured, where there are others."""
    keys = [(name, precision) for name in CHECKPOINTS for precision in PRECISIONS]
    keys = [key for key in keys if any((name, *key) in by_key for name in sets)]
    if len(keys) < 2:
        return
    yield from ("", "nDCG@10, and terms a document / a query:", "")
    yield "| set | " + " | ".join(" ".join(key) for key in keys) + " |"
    yield "|---" * (len(keys) + 1) + "|"
    for name in sets:
        cells = [bundle_cell(by_key.get((name, *key))) for key in keys]
        yield f"| {' | '.join([name, *cells])} |"


def bundle_cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    terms = f"{row['documents']['terms']:.0f} / {row['queries']['terms']:.0f}"
    return f"{short(row['measures']['nDCG@10'])} ({terms})"


def signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # + 0.0 takes the sign from -0.000


def short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
