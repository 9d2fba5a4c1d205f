"""`spladed encode` and `spladed terms`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Protocol

import typer

import spladed
from spladed.cli import show
from spladed.cli.lines import Format, batches, count_lines, read_documents, texts_as_documents
from spladed.cli.options import AsJson, Kind
from spladed.cli.reach import connect
from spladed.client.client import Client
from spladed.errors import InvalidInput
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

__all__ = ["encode", "terms"]

EncoderTarget = Annotated[str, typer.Option("--target", help="Encode on this server.")]
BundleName = Annotated[str, typer.Option("--bundle", help="Or here, with this bundle.")]
Side = Annotated[Kind, typer.Option("--kind", help="Side of the search.")]

_BATCH = 128  # some 16,000 tokens, a few batches of the engine


class _Encoding(Protocol):
    """What encodes texts, on a server or in this process."""

    vocabulary: list[str]

    def encode(self, texts: Sequence[str], kind: Kind, pruning: Pruning) -> SparseBatch:
        """One row a text."""
        ...

    def own_tokens(self, text: str, kind: Kind) -> set[str]:
        """The tokens that the text itself consists of."""
        ...


class _There:
    """Encodes on a server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.vocabulary = client.vocabulary()

    def encode(self, texts: Sequence[str], kind: Kind, pruning: Pruning) -> SparseBatch:
        return self._client.encode(texts, kind=kind, pruning=pruning).vectors

    def own_tokens(self, text: str, kind: Kind) -> set[str]:
        return set(self._client.tokenize([text], kind=kind)[0].tokens)


class _Here:
    """Encodes in this process."""

    def __init__(self, bundle: str) -> None:
        self._encoder = spladed.Encoder.load(bundle)
        self.vocabulary = self._encoder.tokenizer.vocabulary()

    def encode(self, texts: Sequence[str], kind: Kind, pruning: Pruning) -> SparseBatch:
        return self._encoder.encode(texts, kind=kind, pruning=pruning)

    def own_tokens(self, text: str, kind: Kind) -> set[str]:
        (tokenized,) = self._encoder.tokenize([text], kind=kind)
        return {self.vocabulary[token] for token in tokenized.ids.tolist()}


@contextmanager
def _encoding(target: str, bundle: str) -> Iterator[_Encoding]:
    if not target:
        yield _Here(bundle)
        return
    with connect(target) as client:
        yield _There(client)


def encode(
    file: Annotated[str, typer.Argument(help="Documents or queries; - is stdin.")] = "",
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given again.")] = None,
    kind: Side = "document",
    target: EncoderTarget = "",
    bundle: BundleName = "builtin",
    format: Annotated[Format, typer.Option(help="Of the file.")] = "auto",
    top_terms: Annotated[int, typer.Option(help="Keep this many heaviest terms.")] = 0,
    threshold: Annotated[float, typer.Option(help="Keep weights of at least this.")] = 0.0,
    max_ratio: Annotated[float, typer.Option(help="Or of this share of the heaviest.")] = 0.0,
    alpha_mass: Annotated[float, typer.Option(help="Keep this share of a row's sum.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Encode texts: their heaviest terms, or JSON lines with whole rows."""
    pruning = Pruning(top_terms, threshold, max_ratio, alpha_mass)
    if bool(file) == bool(text):
        raise InvalidInput("give a FILE or --text, one of them", reason="USAGE", field="file")
    documents = (
        texts_as_documents(text) if text else (each for _, each in read_documents(file, format))
    )
    total = len(text) if text else count_lines(file)
    done = 0
    with _encoding(target, bundle) as encoding, show.counting(total) as bar:
        for part in batches(documents, _BATCH):
            bar(done := done + len(part))
            rows = encoding.encode([each.text for each in part], kind, pruning)
            if as_json:
                for line in show.rows_json(part, rows):
                    typer.echo(line)
            else:
                show.print_rows(part, rows, encoding.vocabulary)


def terms(
    text: Annotated[str, typer.Argument(help="A text.")],
    kind: Side = "query",
    most: Annotated[int, typer.Option(help="Terms to show.", min=1)] = 30,
    target: EncoderTarget = "",
    bundle: BundleName = "builtin",
    as_json: AsJson = False,
) -> None:
    """Show what a text expands to, as a bar for each term; * marks the text's own."""
    with _encoding(target, bundle) as encoding:
        indices, values = encoding.encode([text], kind, Pruning()).row(0)
        tokens = [encoding.vocabulary[int(index)] for index in indices]
        own = encoding.own_tokens(text, kind)
    ranked = sorted(zip(tokens, values.tolist(), strict=True), key=lambda term: -term[1])[:most]
    if as_json:
        typer.echo(show.terms_json(text, ranked, own))
    else:
        show.print_terms(text, ranked, own, len(tokens))
