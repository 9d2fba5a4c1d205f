"""What a run of `spladed bench` found, as a table and as a plot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from spladed.errors import Mismatch, NotFound
from spladed.pressure.samples import Samples, Summary

__all__ = ["check_plot", "draw", "print_summary"]

_OUT = Console()
_BEHIND_MS = 10.0  # more, and the figures are the generator's as much as the server's


def print_summary(summary: Summary) -> None:
    """Rates, waits and endings."""
    table = Table(show_header=False)
    table.add_row("requests", f"{summary.requests:,}, due {summary.offered:,.1f} a second")
    table.add_row("answered", f"{summary.answered:,.1f} a second")
    for name, value in summary.milliseconds.items():
        table.add_row(name, f"{value:,.2f} ms")
    for ending, count in sorted(summary.endings.items()):
        table.add_row(ending, f"{count:,}")
    _OUT.print(table)
    if summary.late_ms > _BEHIND_MS:
        _OUT.print(
            f"the generator was {summary.late_ms:.1f} ms behind (p99): it needs a core of its own, "
            "or a lower rate"
        )


def check_plot(path: Path) -> None:
    """Raises Mismatch without matplotlib, NotFound where the folder is none."""
    try:
        import matplotlib  # noqa: F401  # only whether it is there
    except ModuleNotFoundError as error:
        raise Mismatch(
            "a plot needs matplotlib: pip install 'spladed[bench]'", reason="EXTRA_MISSING",
            field="plot",
        ) from error  # fmt: skip
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent} is no folder; make it first", reason="USAGE", field="plot")


def draw(samples: Samples, path: Path) -> None:
    """Writes a plot: each request's wait over the time it was due, and the distribution."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (over_time, sorted_waits) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    endings = np.array(samples.endings)
    due, waited = np.array(samples.due), (np.array(samples.ended) - np.array(samples.due)) * 1e3
    for ending in sorted(set(samples.endings)):
        mine = endings == ending
        over_time.plot(due[mine], waited[mine], ".", ms=2, label=ending)
    over_time.set(xlabel="seconds", ylabel="ms", yscale="log", title="what each request waited")
    over_time.legend(fontsize=8)
    good = np.sort(samples.waited_ms())
    beyond = 1 - np.arange(len(good)) / max(len(good), 1)
    sorted_waits.plot(good, beyond)
    sorted_waits.set(
        xlabel="ms", ylabel="share that waited longer", yscale="log", title="good answers"
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)
