"""`spladed index check`, `inspect`, `flush`, `compact`, `backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spladed.cli import show_upkeep as show
from spladed.cli.options import AsJson, CollectionName, Data, Target, Timeout
from spladed.cli.reach import reach

if TYPE_CHECKING:  # the room's kernels take a second to load; most commands need none
    from spladed.index.verify import Report

__all__ = ["backup", "check", "compact", "flush", "inspect", "restore"]

DataFolder = Annotated[str, typer.Option("--data", help="Folder of the collections.")]
# What a server does to a whole collection takes as long as its bytes.
_LONG = 3600.0


def check(collection: CollectionName, data: DataFolder, as_json: AsJson = False) -> None:
    """Read every byte of a collection and say what is not as it should be; exit code 1 if so.

    Also beside a server that writes it.
    """
    from spladed.index import offline, verify

    path = offline.locate(data, collection)
    _report(path.name, verify.check(path), as_json)


def inspect(collection: CollectionName, data: DataFolder, as_json: AsJson = False) -> None:
    """Show what a collection's folder holds, and where its bytes go; also beside a server."""
    from spladed.index import describe, offline

    path = offline.locate(data, collection)
    described = describe.inspect(path)
    if as_json:
        typer.echo(show.described_json(path.name, described))
    else:
        show.print_described(path.name, described)


def flush(
    collection: CollectionName,
    target: Target = "",
    data: Data = "",
    timeout: Timeout = _LONG,
    as_json: AsJson = False,
) -> None:
    """Write a collection's buffer to a segment file."""
    with reach(target, data, timeout) as client:
        generation = client.flush(collection)
    said = f"{collection} is flushed at generation {generation}"
    show.tell(said, as_json, collection=collection, generation=generation)


def compact(
    collection: CollectionName,
    target: Target = "",
    data: Data = "",
    timeout: Timeout = _LONG,
    as_json: AsJson = False,
) -> None:
    """Merge a collection's segments into one and give the room of the dead back."""
    with reach(target, data, timeout) as client:
        done = client.compact(collection)
    said = f"{collection} takes {done.bytes_after} bytes; before it took {done.bytes_before}"
    show.tell(
        said, as_json, collection=collection, generation=done.generation,
        bytes_before=done.bytes_before, bytes_after=done.bytes_after,
    )  # fmt: skip


def backup(
    collection: CollectionName,
    destination: Annotated[
        str, typer.Argument(help="New folder: below the server's --backups; with --data, here.")
    ],
    target: Target = "",
    data: Data = "",
    timeout: Timeout = _LONG,
    as_json: AsJson = False,
) -> None:
    """Copy a collection, as of one write, to a new folder; reads and writes go on."""
    below, options = destination, list[str]()
    if data:
        path = Path(destination).absolute()
        below, options = path.name, [f"--backups={path.parent}"]
    with reach(target, data, timeout, *options) as client:
        done = client.backup(collection, below)
    said = f"{collection} at generation {done.generation} is in {destination}, {done.bytes} bytes"
    show.tell(
        said, as_json, collection=collection, destination=destination,
        generation=done.generation, bytes=done.bytes,
    )  # fmt: skip


def restore(
    source: Annotated[str, typer.Argument(help="Folder of a backup.")],
    collection: CollectionName,
    data: DataFolder,
    as_json: AsJson = False,
) -> None:
    """Make a collection of a backup, in a data folder that no server holds."""
    from spladed.index import offline

    _report(collection, offline.restore(source, data, collection), as_json)


def _report(name: str, report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(show.report_json(name, report))
    else:
        show.print_report(name, report)
    if report.problems:
        raise typer.Exit(1)
