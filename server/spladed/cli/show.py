"""Values as a person reads them (tables, bars) and as a script does (JSON lines)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TypeVar

import numpy as np
from google.protobuf import json_format
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from spladed.client.values import CollectionDescription, Document, Explanation, Hit
from spladed.encoder.words import readable
from spladed.manifest import Manifest
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2

__all__ = [
    "added_json",
    "counting",
    "explanation_json",
    "hits_json",
    "info_json",
    "print_bundle",
    "print_explanation",
    "print_hits",
    "print_info",
    "print_rows",
    "print_terms",
    "progress_line",
    "rows_json",
    "terms_json",
    "track",
]

_OUT = Console()
_ERR = Console(stderr=True)
_SHOWN_TERMS = 12
_BAR = 20  # characters of the longest bar: what an 80-column table of terms leaves
_SHOWN_WORDS = 6

T = TypeVar("T")


def track(batches: Iterable[Sequence[T]], total: int | None) -> Iterator[Sequence[T]]:
    """The batches, with a progress bar of their items on stderr if that is a terminal."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_ERR, disable=not _ERR.is_terminal) as progress:
        task = progress.add_task("", total=total)
        for batch in batches:
            yield batch
            progress.advance(task, len(batch))


def progress_line(message: str) -> None:
    """One line on stderr."""
    _ERR.print(message, highlight=False)


@contextmanager
def counting(total: int | None, what: str = "documents") -> Iterator[Callable[[int], None]]:
    """A bar of what is counted on stderr, if that is a terminal; call it with the count so far."""
    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_ERR, disable=not _ERR.is_terminal) as progress:
        task = progress.add_task("", total=total, rate="")
        started = time.monotonic()

        def show(so_far: int) -> None:
            rate = so_far / max(time.monotonic() - started, 1e-9)
            progress.update(task, completed=so_far, rate=f"{rate:.0f} {what}/s")

        yield show


def print_terms(
    text: str, ranked: Sequence[tuple[str, float]], own: Collection[str], total: int
) -> None:
    """A bar for each term, heaviest first; the text's own tokens carry a star."""
    _OUT.print(Text(text, "bold"), f"({total} terms)")
    widest = max((len(token) for token, _ in ranked), default=0)
    most = max((weight for _, weight in ranked), default=1.0)
    for token, weight in ranked:
        star = "*" if token in own else " "
        bar = "█" * max(1, round(_BAR * weight / most))
        _line(Text(f"{star} {token:<{widest}}  {weight:6.3f}  ").append(bar, "green"))


def terms_json(text: str, ranked: Sequence[tuple[str, float]], own: Collection[str]) -> str:
    """One JSON line: the text and its terms, heaviest first."""
    terms = [{"token": token, "weight": weight, "own": token in own} for token, weight in ranked]
    return json.dumps({"text": text, "terms": terms}, ensure_ascii=False)


def added_json(collection: str, added: int, refused: int, total: int) -> str:
    """One JSON line: what was added to a collection."""
    return json.dumps(
        {"collection": collection, "added": added, "refused": refused, "documents": total}
    )


def print_rows(documents: Sequence[Document], rows: SparseBatch, vocabulary: Sequence[str]) -> None:
    """Each text with its heaviest terms."""
    for document, (indices, values) in zip(documents, rows.rows(), strict=True):
        heaviest = np.argsort(-values, kind="stable")[:_SHOWN_TERMS]
        terms = "  ".join(
            f"{readable(vocabulary[int(indices[each])])} {values[each]:.2f}" for each in heaviest
        )
        _OUT.print(f"[bold]{_short(document.text)}[/]  ({len(indices)} terms)", highlight=False)
        _OUT.print(f"  {terms}", highlight=False, markup=False)


def rows_json(documents: Sequence[Document], rows: SparseBatch) -> Iterator[str]:
    """A JSON line a text: id, indices, values."""
    for document, (indices, values) in zip(documents, rows.rows(), strict=True):
        row = {"id": document.id, "indices": indices.tolist(), "values": values.tolist()}
        yield json.dumps(row)


def print_hits(query: str, hits: Sequence[Hit], explanations: Sequence[Explanation]) -> None:
    """Three lines a hit: score and id, the text, the words that matched most."""
    _OUT.print(Text(query, "bold"))
    for hit, explanation in zip(hits, explanations, strict=False):
        words = [f"{word} {part:.1f}" for word, part in explanation.words()[:_SHOWN_WORDS]]
        _line(Text(f"{hit.score:7.2f}  ").append(hit.id, "cyan"))
        _line(Text(" " * 9 + " ".join(hit.text.split())))
        _line(Text(" " * 9 + " · ".join(words), "green"))
    if not hits:
        _OUT.print("no document shares a term with this query")
    _OUT.print()


def hits_json(query: str, hits: Sequence[Hit]) -> str:
    """One JSON line for a query and its hits."""
    return json.dumps({"query": query, "hits": [asdict(hit) for hit in hits]}, ensure_ascii=False)


def print_explanation(query: str, explanation: Explanation) -> None:
    """A table of terms, and a bar for what each contributed."""
    title = f"{query!r} -> {explanation.id}: {explanation.score:.4f}"
    table = Table(title=_plain(title), title_justify="left", title_style="bold")
    for column in ("word", "token", "query", "document", "contribution"):
        table.add_column(column, justify="left" if column in ("word", "token") else "right")
    table.add_column("")
    most = max((term.contribution for term in explanation.terms), default=1.0)
    for term in explanation.terms:
        table.add_row(
            _plain(term.word or str(term.term)),
            _plain(term.token),
            f"{term.query_weight:.3f}",
            f"{term.document_weight:.3f}",
            f"{term.contribution:.3f}",
            "█" * round(_BAR * term.contribution / most),
        )
    _OUT.print(table)


def explanation_json(explanation: Explanation) -> str:
    """One JSON line for an explanation."""
    return json.dumps(asdict(explanation), ensure_ascii=False)


def print_info(
    info: encoder_pb2.GetInfoResponse,
    collections: Sequence[CollectionDescription],
) -> None:
    """The server's bundles and collections."""
    _OUT.print(f"spladed {info.version}", highlight=False)
    for each in info.bundles:
        _OUT.print(_bundle_lines(each))
    table = Table("collection", "documents", "generation", "bundle", "weights")
    for collection in collections:
        table.add_row(
            collection.name, str(collection.documents), str(collection.generation),
            collection.bundle or "(vectors)", collection.weight_format,
        )  # fmt: skip
    _OUT.print(table if collections else "no collections")


def _bundle_lines(bundle: encoder_pb2.BundleInfo) -> Table:
    lines = Table.grid(padding=(0, 2))
    names = [bundle.name, *(f"alias {alias}" for alias in bundle.aliases)]
    licence = bundle.licence or "none stated"
    for key, value in (
        ("bundle", ", ".join(names)),
        ("source", f"{bundle.source} {bundle.commit}".strip() + f", licence: {licence}"),
        ("model", f"{bundle.architecture}, {bundle.dimension} terms, {bundle.pooling} of tokens"),
        ("made for", f"{bundle.target}, {bundle.precision}"),
        ("queries", _query_side(bundle)),
        ("tokens", f"{bundle.query_max_length} a query, {bundle.document_max_length} a document"),
        ("space", bundle.space_id),
        ("id", bundle.bundle_id),
    ):
        lines.add_row(key, Text(value, "cyan"))
    return lines


def _query_side(bundle: encoder_pb2.BundleInfo) -> str:
    sides = {
        "encoder": f"by an encoder of their own, {bundle.query_source}",
        "table": f"a weight for each of their tokens, {bundle.query_source}",
    }
    return sides.get(bundle.query_side, "encoded as documents are")


def info_json(
    info: encoder_pb2.GetInfoResponse, collections: Sequence[CollectionDescription]
) -> str:
    """One JSON line for everything."""
    server = json_format.MessageToDict(info, preserving_proto_field_name=True)
    return json.dumps(server | {"collections": [asdict(each) for each in collections]})


def print_bundle(manifest: Manifest, path: str) -> None:
    """What was exported, and what verification measured."""
    _OUT.print(f"{path}: {manifest.name}, {manifest.precision} for {manifest.target}")
    _OUT.print(f"space  {manifest.space_id}\nbundle {manifest.bundle_id}", highlight=False)
    _OUT.print_json(json.dumps(dict(manifest.verification)))


def _short(text: str, most: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _line(text: Text) -> None:
    """One line, cut at the terminal's edge."""
    _OUT.print(text, no_wrap=True, overflow="ellipsis")


def _plain(text: str) -> str:
    """Text with rich's markup characters kept as they are."""
    return text.replace("[", r"\[")
