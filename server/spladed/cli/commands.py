"""The commands, and the options that several of them share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

import spladed
from spladed.cli import show
from spladed.cli.lines import batches, count_lines, read_documents, texts_as_documents
from spladed.client.client import Client
from spladed.errors import InvalidInput, Mismatch, SpladedError, Unimplemented
from spladed.sparse import SparseBatch

__all__ = ["app"]

app = typer.Typer(
    help="SPLADE in production: export a checkpoint, serve it, encode, index, search, explain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
index_app = typer.Typer(help="Work on a collection.", no_args_is_help=True)
app.add_typer(index_app, name="index")

Target = Annotated[
    str, typer.Option("--target", envvar="SPLADED_TARGET", help="HOST:PORT of the server.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines for scripts, no tables.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a call may take.")]
CollectionName = Annotated[str, typer.Argument(help="Name of the collection.")]

_TARGET = "127.0.0.1:50051"
_BATCH = 128  # documents in a request: some 16,000 tokens, a few batches of the engine

Kind = Literal["query", "document"]
RowsOf = Callable[[Sequence[str], Kind], SparseBatch]


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="TOML configuration file.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = None,
    bundle: Annotated[str | None, typer.Option(help='"builtin", or a bundle folder.')] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the collections.")] = None,
    port_file: Annotated[str | None, typer.Option(help="Written with the port once ready.")] = None,
    threads: Annotated[int | None, typer.Option(help="Of onnxruntime; 0 takes all cores.")] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="For calls in hand.")] = None,
) -> None:
    """Serve encoding, and search over --data, until SIGTERM."""
    from spladed.app import serve as run
    from spladed.config import load_config

    flags = {
        "server.listen": listen,
        "server.bundle": bundle,
        "server.data": data,
        "server.port_file": port_file,
        "server.drain_seconds": drain_seconds,
        "encoder.threads": threads,
    }
    loaded = load_config(config, flags=flags)
    logging.basicConfig(
        level=loaded.server.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    run(loaded)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="Hub id, checkpoint folder, or ONNX folder.")],
    out: Annotated[Path, typer.Argument(help="Bundle folder to make.")],
    precision: Annotated[Literal["fp32", "int8"], typer.Option(help="Of the weights.")] = "fp32",
    target: Annotated[Literal["cpu"], typer.Option(help="What the graph is made for.")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Turn a SPLADE checkpoint into a verified bundle (needs 'spladed[export]')."""
    try:
        from spladed_export.export import export as run
    except ModuleNotFoundError as error:
        raise Mismatch(
            f"export needs {error.name}: pip install 'spladed[export]' in an environment of "
            "its own",
            reason="EXTRA_MISSING",
        ) from error
    bundle = run(
        source,
        out,
        precision=precision,
        target=target,
        revision=revision,
        force=force,
        progress=show.progress_line,
    )
    show.print_bundle(bundle.manifest, str(bundle.path))


@app.command()
def encode(
    file: Annotated[str, typer.Argument(help="JSONL with id and text, or - for stdin.")] = "",
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given again.")] = None,
    kind: Annotated[Kind, typer.Option(help="Side.")] = "document",
    target: Annotated[str, typer.Option(help="Encode on this server.")] = "",
    bundle: Annotated[str, typer.Option(help="Or in this process, with this bundle.")] = "builtin",
    as_json: AsJson = False,
) -> None:
    """Encode texts: their heaviest terms, or JSON lines with whole rows."""
    if bool(file) == bool(text):
        raise InvalidInput("give a FILE or --text, one of them", reason="USAGE", field="file")
    documents = texts_as_documents(text) if text else read_documents(file)
    rows_of, vocabulary = _encoding(target, bundle)
    for part in batches(documents, _BATCH):
        rows = rows_of([each.text for each in part], kind)
        if as_json:
            for line in show.rows_json(part, rows):
                typer.echo(line)
        else:
            show.print_rows(part, rows, vocabulary)


@index_app.command("add")
def index_add(
    collection: CollectionName,
    file: Annotated[str, typer.Argument(help="JSONL with id and text, or - for stdin.")],
    target: Target = _TARGET,
    create: Annotated[bool, typer.Option(help="Make the collection if it is not there.")] = True,
    batch: Annotated[int, typer.Option(help="Documents in a request.", min=1)] = _BATCH,
    timeout: Timeout = 120.0,
) -> None:
    """Add the documents of a file to a collection."""
    added = 0
    with Client(target, timeout_seconds=timeout) as client:
        if create and collection not in {each.name for each in client.collections()}:
            client.create_collection(collection)
        try:
            for part in show.track(batches(read_documents(file), batch), count_lines(file)):
                client.upsert(collection, part)
                added += len(part)
        except SpladedError:
            typer.echo(f"{added} documents were added before the error", err=True)
            raise
        total = client.collection(collection).documents
    typer.echo(f"{added} documents added; {collection} holds {total}")


@app.command()
def search(
    collection: CollectionName,
    query: Annotated[list[str], typer.Argument(help="One query, or several.")],
    k: Annotated[int, typer.Option("-k", help="Hits for each query.", min=1)] = 10,
    target: Target = _TARGET,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Search a collection."""
    with Client(target, timeout_seconds=timeout) as client:
        result = client.search(collection, texts=query, k=k, text=True, metadata=True)
        for text, hits in zip(query, result.hits, strict=True):
            ids = [hit.id for hit in hits]
            explained = client.explain(collection, text, ids) if ids and not as_json else []
            if as_json:
                typer.echo(show.hits_json(text, hits))
            else:
                show.print_hits(text, hits, explained)


@app.command()
def explain(
    collection: CollectionName,
    query: Annotated[str, typer.Argument(help="The query.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of documents.")],
    target: Target = _TARGET,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Show what each term contributed to a document's score."""
    with Client(target, timeout_seconds=timeout) as client:
        for explanation in client.explain(collection, query, ids):
            if as_json:
                typer.echo(show.explanation_json(explanation))
            else:
                show.print_explanation(query, explanation)


@app.command()
def info(target: Target = _TARGET, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Show the server's bundles, limits and collections."""
    with Client(target, timeout_seconds=timeout) as client:
        description = client.info()
        try:
            collections = client.collections()
        except Unimplemented:  # a server of encoders alone
            collections = []
    if as_json:
        typer.echo(show.info_json(description, collections))
    else:
        show.print_info(target, description, collections)


def _encoding(target: str, bundle: str) -> tuple[RowsOf, Sequence[str]]:
    """What encodes texts, on a server or in this process, and its vocabulary."""
    if target:
        client = Client(target)
        return lambda texts, kind: client.encode(texts, kind=kind).vectors, client.vocabulary()
    encoder = spladed.Encoder.load(bundle)
    return lambda texts, kind: encoder.encode(texts, kind=kind), encoder.tokenizer.vocabulary()
