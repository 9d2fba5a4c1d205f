"""`spladed index load`: vectors from a file straight into a collection's segments."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spladed.cli import show
from spladed.cli.options import AsJson, CollectionName
from spladed.errors import Mismatch, NotFound, SpladedError

if TYPE_CHECKING:  # numba compiles for seconds; the other commands need no index
    from spladed.index import Collection, Collections
    from spladed.index.loader import Load
    from spladed.jobs.vectors import Chunk, Options, VectorFile

__all__ = ["load"]

Format = Literal["auto", "parquet", "npz", "jsonl", "anserini", "csr", "ciff"]
WeightFormat = Literal["fixed16", "float32"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say of a collection; None and 0 are unset."""

    name: str
    create: bool
    dimension: int
    weight_format: WeightFormat | None


@dataclass(frozen=True, slots=True)
class _Report:
    """What was loaded, and how fast."""

    collection: str
    loaded: int
    replaced: int
    documents: int
    skipped_weights: int
    skipped_tokens: list[str]
    seconds: float
    megabytes: float

    def to_mapping(self) -> dict[str, object]:
        """As a script reads it."""
        return {
            "collection": self.collection,
            "loaded": self.loaded,
            "replaced": self.replaced,
            "documents": self.documents,
            "skipped_weights": self.skipped_weights,
            "skipped_tokens": self.skipped_tokens,
            "seconds": round(self.seconds, 3),
            "documents_per_second": round(self.loaded / self.seconds, 1),
            "megabytes_per_second": round(self.megabytes / self.seconds, 1),
        }


def load(
    collection: CollectionName,
    file: Annotated[Path, typer.Argument(help="Vectors; .jsonl and .ciff may be packed.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder; no server holds it.")],
    format: Annotated[Format, typer.Option(help="Of the file; auto goes by its name.")] = "auto",
    dimension: Annotated[
        int, typer.Option(help="Terms of the vectors; 0 asks collection and file.", min=0)
    ] = 0,
    vocabulary: Annotated[
        str, typer.Option(help="Of tokens: vocab.txt, tokenizer.json, a bundle.")
    ] = "",
    scale: Annotated[
        float, typer.Option(help="Divides weights; 100 for Anserini's SPLADE collections.")
    ] = 1.0,
    ids: Annotated[Path | None, typer.Option(help="One id a line, for .npz and .csr.")] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave tokens outside the vocabulary out.")
    ] = False,
    create: Annotated[bool, typer.Option(help="Make the collection if it is not there.")] = True,
    weight_format: Annotated[
        WeightFormat | None, typer.Option(help="Of a new collection.", show_default="fixed16")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load vectors from a file: Parquet, .npz, JSON lines, Anserini's JSON, .csr or CIFF.

    Works on the data folder itself, much faster than through a server. What was loaded
    before an error stays; loading again replaces documents of the same id.
    """
    from spladed.index import Collections
    from spladed.jobs.vectors import Options

    if not create and not data.is_dir():
        raise NotFound(f"there is no data folder {data}", reason="FOLDER", field="data")
    asked = _Asked(collection, create, dimension, weight_format)
    with Collections.open(data) as collections:
        there = _find(collections, asked)
        options = Options(
            dimension=there.settings.dimension if there else dimension,
            vocabulary=vocabulary,
            scale=scale,
            ids=ids,
            fields=there.settings.fields if there else (),
            skip_unknown=skip_unknown,
            scratch=data,
        )
        report = _load(collections, asked, there, _opened(file, options, format))
    _tell(report, as_json)


def _opened(file: Path, options: Options, format: Format) -> VectorFile:
    """The file, opened; raises Mismatch EXTRA_MISSING for a reader that is not installed."""
    from spladed.jobs.vectors import open_vectors

    return open_vectors(file, options, format)


def _find(collections: Collections, asked: _Asked) -> Collection | None:
    """The collection, if it is there and is what was asked for; else None, if it may be made.

    Raises NotFound COLLECTION, Mismatch DIMENSION or WEIGHT_FORMAT.
    """
    try:
        there = collections.get(asked.name)
    except NotFound:
        if asked.create:
            return None
        raise
    settings = there.settings
    for option, wanted, found in (
        ("dimension", asked.dimension, settings.dimension),
        ("weight_format", asked.weight_format, settings.weight_format),
    ):
        if wanted and wanted != found:
            raise Mismatch(
                f"--{option.replace('_', '-')} is {wanted}, and the collection {asked.name} has "
                f"{found}; leave the option out, or load into another collection",
                reason=option.upper(),
                field=option,
            )
    return there


def _load(
    collections: Collections, asked: _Asked, there: Collection | None, file: VectorFile
) -> _Report:
    started = time.monotonic()
    collection = there or _made(collections, asked, file)
    _check_space(collection, file)
    try:
        load = _fill(collection, file)
    except BaseException:
        # An empty collection that nobody asked for would be in the way of the next attempt.
        if there is None and not collection.stats().documents:
            collections.delete(asked.name)
        raise
    return _Report(
        asked.name, load.loaded, load.replaced, collection.stats().documents,
        file.skipped.weights, file.skipped.tokens,
        max(time.monotonic() - started, 1e-9), file.path.stat().st_size / 1e6,
    )  # fmt: skip


def _made(collections: Collections, asked: _Asked, file: VectorFile) -> Collection:
    from spladed.index import CollectionSettings

    settings = CollectionSettings(
        file.dimension, space_id=file.space_id, weight_format=asked.weight_format or "fixed16"
    )
    return collections.create(asked.name, settings)


def _check_space(collection: Collection, file: VectorFile) -> None:
    expected = collection.settings.space_id
    if file.space_id and expected and file.space_id != expected:
        raise Mismatch(
            f"{file.path} has vectors of the space {file.space_id}, and the collection "
            f"{collection.name} those of {expected}: their scores would mean nothing; encode "
            "with the model that the collection was made for",
            reason="SPACE",
            field="space_id",
        )


def _fill(collection: Collection, file: VectorFile) -> Load:
    load = collection.load(bundle_id=file.bundle_id)
    try:
        with load, show.counting(file.total) as bar:
            for chunk in file.chunks:
                _add(load, chunk, file)
                bar(load.loaded)
    except BaseException:
        typer.echo(f"{load.durable} documents were loaded before the error", err=True)
        raise
    return load


def _add(load: Load, chunk: Chunk, file: VectorFile) -> None:
    """Adds the chunk; its errors, which count rows from the chunk's first, say which that is."""
    try:
        load.add(chunk.ids, chunk.vectors, chunk.documents)
    except SpladedError as error:
        raise type(error)(
            f"{file.path}, counted from record {chunk.first}: {error.message}",
            reason=error.reason,
            field=error.field,
        ) from error


def _tell(report: _Report, as_json: bool) -> None:
    said = report.to_mapping()
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    replaced = f", {report.replaced} of them replaced another" if report.replaced else ""
    typer.echo(
        f"{report.loaded} documents loaded{replaced}; {report.collection} holds {report.documents}"
    )
    if report.skipped_weights:
        some = ", ".join(map(repr, report.skipped_tokens))
        typer.echo(f"{report.skipped_weights} weights of unknown tokens were left out: {some}, ...")
    typer.echo(
        f"{report.seconds:.1f} s, {said['documents_per_second']:,.0f} documents/s, "
        f"{said['megabytes_per_second']:,.1f} MB/s of the file"
    )
