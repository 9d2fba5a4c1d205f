"""`spladed search`, `explain`, `info` and `index add`: what is done with a server."""

from __future__ import annotations

from typing import Annotated

import typer

from spladed.cli import show
from spladed.cli.lines import BadLines, Format, count_lines, read_documents
from spladed.cli.options import AsJson, CollectionName, Data, Target, Timeout
from spladed.cli.reach import reach
from spladed.client.values import UpsertedMany
from spladed.errors import SpladedError, Unimplemented

__all__ = ["add", "explain", "info", "search"]


def search(
    collection: CollectionName,
    query: Annotated[list[str], typer.Argument(help="One query, or several.")],
    k: Annotated[int, typer.Option("-k", help="Hits for each query.", min=1)] = 10,
    effort: Annotated[
        float, typer.Option(help="From 0, fastest, to 1, exact.", min=0, max=1)
    ] = 1.0,
    target: Target = "",
    data: Data = "",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Search a collection."""
    with reach(target, data, timeout) as client:
        result = client.search(
            collection, texts=query, k=k, effort=effort, text=True, metadata=True
        )
        for text, hits in zip(query, result.hits, strict=True):
            if as_json:
                typer.echo(show.hits_json(text, hits))
                continue
            ids = [hit.id for hit in hits]
            show.print_hits(text, hits, client.explain(collection, text, ids) if ids else [])


def explain(
    collection: CollectionName,
    query: Annotated[str, typer.Argument(help="The query.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of documents.")],
    target: Target = "",
    data: Data = "",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Show what each term contributed to a document's score."""
    with reach(target, data, timeout) as client:
        for explanation in client.explain(collection, query, ids):
            if as_json:
                typer.echo(show.explanation_json(explanation))
            else:
                show.print_explanation(query, explanation)


def info(
    target: Target = "", data: Data = "", timeout: Timeout = 30.0, as_json: AsJson = False
) -> None:
    """Show the server's bundles, limits and collections."""
    with reach(target, data, timeout) as client:
        description = client.info()
        try:
            collections = client.collections()
        except Unimplemented:  # a server of encoders alone
            collections = []
    if as_json:
        typer.echo(show.info_json(description, collections))
    else:
        show.print_info(description, collections)


def add(
    collection: CollectionName,
    file: Annotated[str, typer.Argument(help="Documents; - is stdin.")],
    target: Target = "",
    data: Data = "",
    format: Annotated[Format, typer.Option(help="Of the file.")] = "auto",
    create: Annotated[bool, typer.Option(help="Make the collection if it is not there.")] = True,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on after bad lines.")] = False,
    timeout: Timeout = 120.0,
    as_json: AsJson = False,
) -> None:
    """Add the documents of a file: JSON lines or id<TAB>text, plain, .gz or .zst.

    A line that is no document ends the work, or with --skip-bad is named and counted. What
    was added before an error stays.
    """
    bad = BadLines(skip=skip_bad)
    added = 0

    def count(so_far: int) -> None:
        nonlocal added
        added = so_far
        bar(so_far)

    with reach(target, data, timeout) as client, show.counting(count_lines(file)) as bar:
        if create and collection not in {each.name for each in client.collections()}:
            client.create_collection(collection)
        try:
            documents = bad.places(read_documents(file, format, bad))
            done = client.upsert_many(collection, documents, progress=count)
        except SpladedError:
            typer.echo(f"{added} documents were added before the error", err=True)
            raise
        total = client.collection(collection).documents
    _report(done, bad, collection, total, as_json)


def _report(done: UpsertedMany, bad: BadLines, collection: str, total: int, as_json: bool) -> None:
    """What was added and what was not; exit code 2 when anything was left out."""
    for failure in done.failures:
        typer.echo(f"{bad.place(failure.position)}: {failure.error.message}", err=True)
    refused = len(done.failures) + bad.count
    if as_json:
        typer.echo(show.added_json(collection, done.upserted, refused, total))
    else:
        left_out = f", {refused} refused" if refused else ""
        typer.echo(f"{done.upserted} documents added{left_out}; {collection} holds {total}")
    if refused:
        raise typer.Exit(2)
