"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "AsJson",
    "CollectionName",
    "ConfigFile",
    "Data",
    "KernelCache",
    "Kind",
    "Target",
    "Timeout",
]

Kind = Literal["query", "document"]

Target = Annotated[
    str,
    typer.Option("--target", envvar="SPLADED_TARGET", help="HOST:PORT [default: 127.0.0.1:50051]"),
]
Data = Annotated[str, typer.Option("--data", help="Work on this folder, with no server running.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines for scripts, no tables.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a call may take.")]
CollectionName = Annotated[str, typer.Argument(help="Name of the collection.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML configuration file.")]
KernelCache = Annotated[str | None, typer.Option(help="Folder that keeps compiled kernels.")]
