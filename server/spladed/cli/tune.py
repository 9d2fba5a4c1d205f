"""`spladed tune`: which setup is fastest here, and should that be kept?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from spladed.cli import show
from spladed.cli.lines import read_documents
from spladed.cli.options import ConfigFile
from spladed.config import load_config
from spladed.errors import InvalidInput

if TYPE_CHECKING:  # onnxruntime is loaded when the command runs
    from spladed.encoder.tune import Spun
    from spladed.encoder.tuning import Measured, Setup

__all__ = ["tune"]

_MOST_TEXTS = 5_000
_OUT = Console()


def tune(
    config: ConfigFile = None,
    bundle: Annotated[str | None, typer.Option(help='"builtin", or a bundle folder.')] = None,
    texts: Annotated[
        str | None, typer.Option(help="Documents to measure on, as for `index add`: 5,000 at most.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="For each measurement.", min=0.1)] = 3.0,
    tuning: Annotated[str | None, typer.Option(help="Folder that keeps what was found.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Keep the choice: servers and Encoder.load take it.")
    ] = False,
) -> None:
    """Measure threads, batches side by side and token budgets on this machine."""
    loaded = load_config(config, flags={"server.bundle": bundle, "encoder.tuning": tuning})
    from spladed.bundle import BUILTIN, Bundle
    from spladed.encoder.tune import Sample, measure_spinning
    from spladed.encoder.tune import tune as run
    from spladed.encoder.tuning import Machine, Tuning, store

    opened, machine = Bundle.open(loaded.server.bundle or BUILTIN), Machine.here()
    sample = Sample.of(opened, _read(texts) if texts else ())
    load = os.getloadavg()[0]
    if load > machine.cores / 2:
        show.progress_line(
            f"others use this machine (load {load:.1f} on {machine.cores} cores): what is found "
            "holds for that"
        )
    setup, measured = run(opened, sample, cores=machine.cores, seconds=seconds, tell=_tell)
    spun = measure_spinning(opened, sample, setup, seconds)
    print(f"{opened.manifest.name} {opened.manifest.precision}, {len(sample.documents)} documents;")
    print(f"{machine.cores} cores of {machine.cpu}, onnxruntime {machine.onnxruntime}")
    _print(measured, setup, spun)
    if apply:
        found = Tuning(machine, opened.manifest.bundle_id, setup, measured)
        print(f"kept as {store(opened, loaded.encoder.tuning, found)}")
    else:
        print("nothing is kept without --apply")


def _read(file: str) -> list[str]:
    texts = [document.text for _, document in islice(read_documents(file), _MOST_TEXTS)]
    if not texts:
        raise InvalidInput(f"{file} has no documents", reason="TEXTS_MISSING", field="texts")
    return texts


def _tell(measured: Measured) -> None:
    show.progress_line(f"{_said(measured.setup)}: {measured.documents_per_second:,.0f} documents/s")


def _said(setup: Setup) -> str:
    return (
        f"threads = {setup.threads}, parallel_batches = {setup.parallel_batches}, "
        f"max_batch_tokens = {setup.max_batch_tokens}"
    )


def _print(measured: Sequence[Measured], choice: Setup, spun: Sequence[Spun]) -> None:
    table = Table("threads", "batches at once", "tokens a batch", "documents/s", "query, ms", "")
    for each in measured:
        setup = each.setup
        table.add_row(
            str(setup.threads), str(setup.parallel_batches), str(setup.max_batch_tokens),
            f"{each.documents_per_second:,.0f}", f"{each.query_ms:.2f}" if each.query_ms else "-",
            "<- choice" if setup == choice else "",
        )  # fmt: skip
    _OUT.print(table)
    for each in spun:
        how = "spinning" if each.spinning else "sleeping"
        print(f"idle threads {how}: a query {each.query_ms:.2f} ms, {each.cpu_ms:.2f} ms of CPU")
    print(f"[encoder] {_said(choice)}")
