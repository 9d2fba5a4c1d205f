"""The tables of an encode bench, and its plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLOURS = {"fp32": "#1b6ca8", "bf16": "#7a9e3b", "int8": "#d98324"}


def show(models: dict[str, Any]) -> None:
    print("\none thread; tokens a second of processor time, the least of all turns, padding not "
          "counted")  # fmt: skip
    for name, model in models.items():
        show_model(name, model)


def show_model(name: str, model: dict[str, Any]) -> None:
    peak, workloads = model["gemm_operations_per_second"], model["workloads"]
    print(f"\n{name}, passages of {model['passages']}, {model['passes']} passes on "
          f"{model['machine']['cpu']}, {', '.join(model['instructions']) or 'AVX2 at most'}; "
          f"load {model['machine']['load_average_at_start'][0]:.1f} at the start")  # fmt: skip
    print(f"{model['flops_per_token'] / 1e6:.0f} MFLOP a token of {model['compared']}; products at "
          f"{peak['fp32'] / 1e9:.0f} GFLOP/s and {peak['int8'] / 1e9:.0f} in int8")  # fmt: skip
    print(f"{'engine':<20}" + "".join(f"{each:>12}" for each in workloads), end="")
    print(f"{'of peak':>9}{'overlap':>9}{'terms':>7}{'peak MB':>9}{'cold s':>8}{'wall':>7}  needs")
    for engine, about in model["engines"].items():
        if "failed" in about:
            print(f"{engine:<20}{about['failed'].strip().splitlines()[0][:150]}")
            continue
        show_engine(engine, about, workloads, model["compared"])


def show_engine(engine: str, about: dict[str, Any], workloads: Any, compared: str) -> None:
    rows = about["workloads"]
    speeds = [f"{rows[each]['tokens_per_second']:>12,.0f}" if each in rows else f"{'':>12}"
              for each in workloads]  # fmt: skip
    share = rows.get(compared, {}).get("share_of_peak")
    cold = {kind: sum(step[f"{kind}_seconds"] for step in about["cold"].values())
            for kind in ("cpu", "wall")}  # fmt: skip
    print(f"{engine:<20}" + "".join(speeds), end="")
    print(f"{'' if share is None else f'{share:.0%}':>9}{about['overlap']:>9.3f}", end="")
    print(f"{about['terms']:>7.0f}{about['memory']['peak_bytes'] / 1e6:>9.0f}", end="")
    print(f"{cold['cpu']:>8.1f}{cold['wall']:>7.1f}  {', '.join(about['needs'])}")


def plot(models: dict[str, Any], path: Path) -> None:
    """A row a model, a panel a workload: tokens a second."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = len(next(iter(models.values()))["workloads"])
    figure, panels = plt.subplots(
        len(models), columns, figsize=(4 * columns, 2.9 * len(models)),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for (name, model), row in zip(models.items(), panels, strict=True):
        for workload, axes in zip(model["workloads"], row, strict=True):
            draw(axes, model["engines"], workload)
            axes.set_title(f"{name}: {workload}", fontsize=9)
            if axes is not row[0]:
                axes.set_yticklabels([])
    processors = dict.fromkeys(model["machine"]["cpu"] for model in models.values())
    figure.suptitle(f"tokens a second, one thread, {', '.join(processors)}")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw(axes: Any, engines: dict[str, Any], workload: str) -> None:
    # Looked-up queries are fifty times as fast: beside them the others would have no bars.
    names = [name for name, about in engines.items()
             if "workloads" in about and "table" not in name][::-1]  # fmt: skip
    rows = [engines[name]["workloads"].get(workload) for name in names]
    speeds = [0 if row is None else row["tokens_per_second"] for row in rows]
    bars = axes.barh(names, speeds, color=[COLOURS[engines[name]["precision"]] for name in names])
    labels = [f"{speed:,.0f}" if speed else "" for speed in speeds]
    axes.bar_label(bars, labels, padding=3, fontsize=7)
    axes.margins(x=0.3)
    axes.tick_params(labelsize=7)
