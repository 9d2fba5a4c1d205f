"""`spladed serve` and `spladed config`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from spladed.config import Config, load_config

__all__ = ["print_config", "serve"]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML configuration file.")]


def serve(
    config: ConfigFile = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = None,
    bundle: Annotated[str | None, typer.Option(help='"builtin", or a bundle folder.')] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the collections.")] = None,
    backups: Annotated[str | None, typer.Option(help="Folder below which backups go.")] = None,
    port_file: Annotated[str | None, typer.Option(help="Written with the port once ready.")] = None,
    threads: Annotated[int | None, typer.Option(help="Of onnxruntime; 0 takes all cores.")] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="For calls in hand.")] = None,
) -> None:
    """Serve encoding, and search over --data, until SIGTERM."""
    flags = {
        "server.listen": listen,
        "server.bundle": bundle,
        "server.data": data,
        "server.backups": backups,
        "server.port_file": port_file,
        "server.drain_seconds": drain_seconds,
        "encoder.threads": threads,
    }
    loaded = load_config(config, flags=flags)
    _log(loaded)
    from spladed.app import serve as run  # after the checks: it loads every room

    run(loaded)


def print_config(config: ConfigFile = None) -> None:
    """Print the configuration as the server would take it: defaults, file, environment."""
    typer.echo(load_config(config).to_toml(), nl=False)


def _log(config: Config) -> None:
    logging.basicConfig(
        level=config.server.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
