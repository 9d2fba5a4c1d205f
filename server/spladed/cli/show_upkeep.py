"""What `spladed index ...` says of collections: tables for a person, JSON for a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from spladed.index.describe import Described, Sized
    from spladed.index.verify import Report

__all__ = ["described_json", "print_described", "print_report", "report_json", "tell"]

_OUT = Console()


def tell(said: str, as_json: bool, **figures: object) -> None:
    """One line: words, or the figures as JSON."""
    typer.echo(json.dumps(figures) if as_json else said)


def report_json(name: str, report: Report) -> str:
    """One JSON line for what a check found."""
    return json.dumps({"collection": name, **asdict(report)})


def print_report(name: str, report: Report) -> None:
    """A line a problem, then how much was looked at."""
    for problem in report.problems:
        typer.echo(problem)
    for leftover in report.leftovers:
        typer.echo(f"{leftover}: nobody names it; a write goes on, or a crash left it")
    verdict = f"{len(report.problems)} problems" if report.problems else "sound"
    typer.echo(
        f"{name} at generation {report.generation}: {verdict}; read {report.documents} documents, "
        f"{report.weights} weights, {report.files} files, {report.sections} sections, "
        f"{_size(report.bytes)}"
    )


def described_json(name: str, described: Described) -> str:
    """One JSON line for everything."""
    return json.dumps({"collection": name, **asdict(described)})


def print_described(name: str, described: Described) -> None:
    """Facts, then a row a segment, a row a kind of section, a row a bundle."""
    _OUT.print(_facts(name, described))
    if described.segments:
        _OUT.print(_segments(described))
        _OUT.print(_sections(described))
    if described.bundles:
        _OUT.print(_bundles(described))
    for leftover in described.leftovers:
        _OUT.print(f"{leftover} is named by nobody", highlight=False, markup=False)


def _facts(name: str, described: Described) -> Table:
    settings, buffer = described.settings, described.buffer
    fields = ", ".join(
        f"{field.name}: {'list of ' if field.list else ''}{field.type}" for field in settings.fields
    )
    facts = {
        "collection": f"{name}, generation {described.generation}, layout {described.layout}",
        "documents": f"{described.documents}, and {described.dead} dead; {described.texts} texts",
        "vectors": f"{settings.dimension} terms, {settings.weight_format}, "
        f"{settings.scoring.formula}",
        "space": settings.space_id or "(vectors)",
        "fields": fields or "none",
        "buffer": f"{buffer.documents} documents, {buffer.dead} dead, in {buffer.batches} batches",
        "deletes": f"{described.deleted} documents in {described.deletes} sets",
        "on disk": f"{_size(described.bytes)}, {_size(described.catalog_bytes)} in the catalog",
    }
    lines = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        lines.add_row(key, value)
    return lines


def _segments(described: Described) -> Table:
    table = Table("segment", *(_right("documents", "dead", "weights", "size", "seqs")))
    for each in described.segments:
        table.add_row(
            each.name.partition(".")[0], str(each.documents), str(each.dead), str(each.weights),
            _size(each.bytes), f"{each.first_seq}-{each.last_seq}",
        )  # fmt: skip
    return table


def _sections(described: Described) -> Table:
    """Sections of all segments together, the largest first."""
    sizes: dict[str, int] = {}
    for segment in described.segments:
        for section in segment.sections:
            sizes[section.name] = sizes.get(section.name, 0) + section.bytes
    documents = _documents(described.segments)
    table = Table("section", *_right("size", "bytes a document"))
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        table.add_row(name, _size(size), f"{size / documents:.1f}")
    return table


def _documents(segments: Sequence[Sized]) -> int:
    return sum(segment.documents for segment in segments)


def _bundles(described: Described) -> Table:
    table = Table("bundle", *_right("seqs"))
    for each in described.bundles:
        table.add_row(each.bundle_id or "(vectors)", f"{each.first_seq}-{each.last_seq}")
    return table


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _size(count: int) -> str:
    """A number of bytes with three digits and a unit."""
    if count < 1000:
        return f"{count} B"
    size, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while size >= 1000 and (larger := next(units, "")):
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
