"""How search grows with the documents: a plot from the result files of a flavour.

python bench/search_growth.py FLAVOUR [--results DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from report import RESULTS
from search_figures import of, reaching
from search_verdicts import DEPTHS

RECALL = 0.99  # of the approximate lines
Line = list[tuple[int, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flavour")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    plot_growth(arguments.results, arguments.flavour)
    return 0


def plot_growth(results: Path, flavour: str) -> None:
    """Into search-growth-<flavour>.png: documents against the mean, a panel a k."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    files = sorted(results.glob(f"search-{flavour}-[0-9]*.json"))
    measured = [json.loads(file.read_text()) for file in files]
    figure, panels = plt.subplots(1, len(DEPTHS), figsize=(15, 5), layout="constrained")
    for axes, k in zip(panels, DEPTHS, strict=True):
        for name, line in lines(measured, k).items():
            style = "--" if "recall" in name else "-"
            axes.plot(*zip(*line, strict=True), style, marker="o", label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("documents")
        axes.set_title(f"k={k}: mean ms of the processor a query")
        axes.legend(fontsize=8)
    figure.savefig(results / f"search-growth-{flavour}.png", dpi=100)
    plt.close(figure)


def lines(measured: list[dict[str, Any]], k: int) -> dict[str, Line]:
    """By engine, its exact search, and the cheapest of its approximate ones with RECALL."""
    found: dict[str, Line] = {}
    for one in sorted(measured, key=lambda one: one["corpus"]["documents"]):
        documents = one["corpus"]["documents"]
        for row in of(one["rows"], k, "exact"):
            found.setdefault(row["engine"], []).append((documents, row["cpu_ms"]["mean"]))
        for engine in {row["engine"] for row in of(one["rows"], k, "approximate")}:
            row = reaching(of(one["rows"], k, "approximate", engine), RECALL)
            if row is not None:
                name = f"{engine}, recall {RECALL}"
                found.setdefault(name, []).append((documents, row["cpu_ms"]["mean"]))
    return found


if __name__ == "__main__":
    sys.exit(main())
