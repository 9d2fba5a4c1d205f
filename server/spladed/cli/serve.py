"""`spladed serve`, `spladed config` and `spladed index compile`."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from spladed.cli.options import ConfigFile, KernelCache
from spladed.config import Config, load_config, set_kernel_cache
from spladed.errors import InvalidInput

__all__ = ["compile_kernels", "print_config", "serve"]


def serve(
    config: ConfigFile = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = None,
    bundle: Annotated[str | None, typer.Option(help='"builtin", or a bundle folder.')] = None,
    bundles: Annotated[str | None, typer.Option(help="Folder of bundles to be loaded.")] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the collections.")] = None,
    no_index: Annotated[bool, typer.Option("--no-index", help="Encode alone.")] = False,
    http_listen: Annotated[
        str | None, typer.Option(help="HOST:PORT of /metrics, /healthz, /readyz, /version.")
    ] = None,
    backups: Annotated[str | None, typer.Option(help="Folder below which backups go.")] = None,
    port_file: Annotated[str | None, typer.Option(help="Written with the port once ready.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of onnxruntime; 0: as tuned, else all cores.")
    ] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="For calls in hand.")] = None,
    tls_certificate: Annotated[str | None, typer.Option(help="PEM chain; speaks TLS.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM key of the certificate.")] = None,
    tls_client_ca: Annotated[
        str | None, typer.Option(help="PEM authorities that clients' certificates must be from.")
    ] = None,
    api_keys: Annotated[
        str | None, typer.Option(help="File of API keys, see `spladed key new`.")
    ] = None,
    kernel_cache: KernelCache = None,
) -> None:
    """Serve encoding, and search over --data, until SIGTERM.

    --no-index leaves out what a file or the environment says of the index.
    """
    if no_index and data:
        raise InvalidInput(
            "--data and --no-index are both given; give one of them", reason="USAGE", field="data"
        )
    flags = {
        "server.listen": listen,
        "server.bundle": bundle,
        "server.bundles": bundles,
        "server.data": "" if no_index else data,
        "server.http_listen": http_listen,
        "server.backups": backups,
        "server.port_file": port_file,
        "server.drain_seconds": drain_seconds,
        "security.certificate": tls_certificate,
        "security.key": tls_key,
        "security.client_ca": tls_client_ca,
        "security.api_keys": api_keys,
        "encoder.threads": threads,
        "index.kernel_cache": kernel_cache,
    }
    loaded = load_config(config, flags=flags)
    _log(loaded)
    set_kernel_cache(loaded.index.kernel_cache)
    from spladed.app import serve as run  # after the checks: it loads every room

    run(loaded)
    # All is closed. After memory was short, onnxruntime 1.32 may hang in its own exit handlers,
    # and a server that has drained would then wait to be killed.
    logging.shutdown()
    os._exit(0)


def print_config(config: ConfigFile = None) -> None:
    """Print the configuration as the server would take it: defaults, file, environment."""
    typer.echo(load_config(config).to_toml(), nl=False)


def compile_kernels(config: ConfigFile = None, kernel_cache: KernelCache = None) -> None:
    """Compile the index's kernels for this machine and keep them, so that no start has to.

    A step of an image's build. Exit code 1 if they could not be kept.
    """
    loaded = load_config(config, flags={"index.kernel_cache": kernel_cache})
    _log(loaded)
    folder = set_kernel_cache(loaded.index.kernel_cache)
    from spladed.index.kernels.compiled import kept  # the import compiles and keeps them

    if any(each.folder != folder or not each.path.is_file() for each in kept()):
        raise typer.Exit(1)
    typer.echo(folder)


def _log(config: Config) -> None:
    logging.basicConfig(
        level=config.server.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
