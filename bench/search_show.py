"""The tables of a search bench, and its plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search_figures import RECALLS, of, reaching
from search_verdicts import DEPTHS

COLOURS = {"exact": "#1b6ca8", "approximate": "#d98324", "reference": "#999999"}


def show(found: dict[str, Any]) -> None:
    corpus, limits = found["corpus"], found["limits"]
    print(f"\n{found['flavour']}, {corpus['documents']:,} documents, {corpus['source']}")
    print(
        f"{found['queries']} queries of {limits['terms_per_query']:.1f} terms, "
        f"{limits['postings_per_query']:,.0f} postings a query: "
        f"{limits['posting_bytes_per_query'] / 1e6:.1f} MB, {limits['posting_bytes_ms']:.2f} ms "
        f"at the {limits['read_bytes_per_second'] / 1e9:.0f} GB/s that one core reads; "
        f"bounds at most {limits['bound_bytes_per_query'] / 1e6:.2f} MB"
    )
    for k in DEPTHS:
        show_rows([row for row in found["rows"] if row["k"] == k], k)
        show_reached(found["rows"], k)
    show_engines(found["engines"])
    show_itemised(found["engines"]["spladed"])


def show_rows(rows: list[dict[str, Any]], k: int) -> None:
    print(f"\nk={k:<5}{'ms of the processor':>52}{'wall':>24}")
    print(f"{'engine':<14}{'setting':<22}{'recall':>8}", end="")
    print(f"{'mean':>8}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}{'mean':>8}{'p99':>8}{'all p99':>9}")
    for row in sorted(rows, key=lambda row: row["cpu_ms"]["mean"]):
        print(f"{row['engine']:<14}{row['setting']:<22}{row['recall']:>8.4f}", end="")
        cpu, wall = row["cpu_ms"], row["wall_ms"]
        figures = [*(cpu[name] for name in cpu), wall["mean"], wall["p99"]]
        print("".join(f"{each:>8.3f}" for each in figures), end="")
        print(f"{row['wall_p99_of_all_passes_ms']:>9.3f}")


def show_reached(rows: list[dict[str, Any]], k: int) -> None:
    """The cheapest measured setting of each engine that reaches a recall; nothing between."""
    engines = sorted({row["engine"] for row in of(rows, k, "approximate")})
    for recall in RECALLS:
        for engine in engines:
            mine = [*of(rows, k, "approximate", engine), *of(rows, k, "exact", engine)]
            found = reaching(mine, recall)
            what = "none" if found is None else f"{found['cpu_ms']['mean']:.3f} ms"
            how = "" if found is None else f" ({found['setting']}, {found['recall']:.4f})"
            print(f"  recall {recall:<6}{engine:<14}{what}{how}")


def show_engines(engines: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'engine':<14}{'version':<22}{'build s':>9}{'CPU s':>8}{'MB':>8}", end="")
    print(f"{'anon MB':>9}{'mapped':>8}   from nothing to hits, CPU s (wall)")
    for name, about in engines.items():
        if "failed" in about:
            print(f"{name:<14}{about['failed']}")
            continue
        build, memory = about["build"], about["memory"]
        cold = ", ".join(
            f"{step} {took['cpu_seconds']:.2f} ({took['wall_seconds']:.2f})"
            for step, took in about["cold"].items()
        )
        print(f"{name:<14}{build['version']:<22}{build['wall_seconds']:>9.1f}", end="")
        print(f"{build['cpu_seconds']:>8.1f}{build['bytes'] / 1e6:>8.0f}", end="")
        print(
            f"{memory['anonymous_bytes'] / 1e6:>9.0f}{memory['mapped_bytes'] / 1e6:>8.0f}", end=""
        )
        print(f"   {cold}")


def show_itemised(about: dict[str, Any]) -> None:
    items = sorted(about.get("itemised", {}).items(), key=lambda item: -item[1])
    large = [f"{name} {size / 1e6:.1f}" for name, size in items if size >= 50_000]
    print(f"\nspladed's MB on disk: {', '.join(large) or 'unknown'}")


def plot(found: dict[str, Any], path: Path) -> None:
    """A panel a k: mean of the processor's time as a bar, p99 as a mark."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(DEPTHS), figsize=(16, 6), layout="constrained")
    for axes, k in zip(panels, DEPTHS, strict=True):
        rows = [row for row in found["rows"] if row["k"] == k]
        rows.sort(key=lambda row: -row["cpu_ms"]["mean"])
        names = [f"{row['engine']}, {row['setting']} ({row['recall']:.3f})" for row in rows]
        means = [row["cpu_ms"]["mean"] for row in rows]
        axes.barh(names, means, color=[COLOURS[row["kind"]] for row in rows])
        axes.plot([row["cpu_ms"]["p99"] for row in rows], names, "k|", markersize=12)
        axes.set_xscale("log")
        axes.set_xlim(left=min(means) / 3)
        axes.set_title(f"k={k}")
        axes.tick_params(labelsize=8)
    size = f"{found['corpus']['documents']:,} documents"
    what = "milliseconds of one core a query, mean (mark: p99); with recall"
    figure.suptitle(f"{found['flavour']}, {size}: {what}")
    figure.savefig(path, dpi=100)
    plt.close(figure)
