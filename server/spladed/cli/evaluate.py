"""`spladed eval`: what a bundle is worth on a folder of judged questions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

import spladed
from spladed.cli import show
from spladed.errors import Mismatch, NotFound

if TYPE_CHECKING:  # the room needs the jobs extra; the other commands do not
    from spladed.jobs.dataset import Dataset
    from spladed.jobs.evaluate import Evaluation
    from spladed.jobs.paired import Comparison
    from spladed.jobs.read import Text
    from spladed.jobs.splade import Side

__all__ = ["evaluate"]

_OUT = Console()
_SHOWN = {"RR@10": "MRR@10"}  # ir_measures names one query's; the mean is known by the other


def evaluate(
    folder: Annotated[Path, typer.Argument(help="corpus.jsonl, queries.jsonl, qrels.tsv.")],
    bundle: Annotated[str, typer.Option(help='"builtin", or a bundle folder.')] = "builtin",
    queries: Annotated[int, typer.Option(help="Only the first N; 0 is all.", min=0)] = 0,
    documents: Annotated[
        int, typer.Option(help="The judged ones, filled up to N; 0 is all.", min=0)
    ] = 0,
    bm25: Annotated[bool, typer.Option(help="BM25 with a stemmer beside it.")] = True,
    per_query: Annotated[Path | None, typer.Option(help="Write a JSON line a query.")] = None,
    run: Annotated[Path | None, typer.Option(help="Write the hits as a TREC run.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="A TREC run to compare with, by a paired test.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Of onnxruntime; 0: as tuned, else all.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, no tables.")] = False,
) -> None:
    """Measure a bundle on judged questions: nDCG@10, MRR@10, R@100, terms, speed."""
    try:
        from spladed.jobs import dataset as datasets
        from spladed.jobs import evaluate as job
        from spladed.jobs import trec
    except ModuleNotFoundError as error:
        raise Mismatch(
            f"eval needs {error.name}: pip install 'spladed[server,jobs]'", reason="EXTRA_MISSING"
        ) from error
    for path in (per_query, run):
        _check_writable(path)
    dataset = datasets.Dataset.open(folder).part(queries=queries, documents=documents)
    if run:
        trec.check_ids(dataset)
    against = {str(compare): trec.read_run(compare)} if compare else {}
    encoder = spladed.Encoder.load(bundle, threads=threads)
    result = job.evaluate(dataset, encoder, bm25=bm25, against=against, track=_track)
    if run:
        trec.write_run(run, result.systems[job.SPLADE].run, result.bundle)
    if per_query:
        _write_lines(per_query, job.per_query_lines(dataset, result))
    if as_json:
        typer.echo(json.dumps(result.to_mapping(), ensure_ascii=False))
    else:
        _print(result, dataset)


def _track(what: str, batches: Iterable[Sequence[Text]], total: int) -> Iterator[Sequence[Text]]:
    """A line and a progress bar on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        show.progress_line(what)
    return show.track(batches, total)


def _check_writable(path: Path | None) -> None:
    """Finds out now, and not after an hour of encoding."""
    if path is None:
        return
    there = path.exists()
    try:
        path.open("a").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise NotFound(
            f"cannot write {path}: {error.strerror}", reason="FILE", field=str(path)
        ) from error


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def _print(result: Evaluation, dataset: Dataset) -> None:
    _line(
        f"{result.dataset}: {len(dataset.documents)} documents, {len(dataset.queries)} queries; "
        f"{result.bundle} {result.precision}"
    )
    _OUT.print(_measures(result))
    for name, by_measure in result.comparisons.items():
        for measure, comparison in by_measure.items():
            _line(_verdict(name, measure, comparison))
    _OUT.print(_sides(result))
    for remark in _remarks(result):
        _line(remark)


def _measures(result: Evaluation) -> Table:
    """A row a system."""
    names = list(next(iter(result.systems.values())).means)
    table = Table("")
    for name in names:
        table.add_column(_SHOWN.get(name, name), justify="right")
    for system, measured in result.systems.items():
        table.add_row(Line(system), *(f"{measured.means[name]:.4f}" for name in names))
    return table


def _verdict(name: str, measure: str, found: Comparison) -> str:
    """One line a comparison: the difference, its interval, p, and who won how often."""
    return (
        f"splade - {name}, {_SHOWN.get(measure, measure)}: {found.difference:+.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}]  p = {found.p:.4f}  "
        f"better on {found.wins}, worse on {found.losses} of {found.queries}"
    )


def _sides(result: Evaluation) -> Table:
    table = Table("")
    for column in ("texts", "terms each", "tokens", "tokens/s", "wall s", "CPU s"):
        table.add_column(column, justify="right")
    for name, side in (("documents", result.documents), ("queries", result.queries)):
        table.add_row(
            name, str(side.texts), f"{side.terms:.1f}", str(side.tokens),
            f"{side.tokens_per_second:,.0f}", f"{side.wall_seconds:.2f}", f"{side.cpu_seconds:.2f}",
        )  # fmt: skip
    return table


def _remarks(result: Evaluation) -> Iterator[str]:
    """What a reader must know to trust the figures."""
    yield f"{result.search_seconds:.3f} s of exact search, weights in steps of 1/4096"
    for name, side in (("documents", result.documents), ("queries", result.queries)):
        yield from _side_remarks(name, side)
    for name, system in result.systems.items():
        if system.unanswered:
            yield f"{system.unanswered} queries have no hit from {name}: they count 0"
    unknown = result.unknown
    if unknown.documents:
        yield f"{unknown.documents} judgements name unknown documents: counted as not found"
    if unknown.queries:
        yield f"{unknown.queries} judged queries are not in queries.jsonl: left out"
    if unknown.unjudged:
        yield f"{unknown.unjudged} queries have no judgement: left out"


def _side_remarks(name: str, side: Side) -> Iterator[str]:
    if side.truncated:
        yield f"{side.truncated} {name} were cut at the bundle's length"
    if side.blank:
        yield f"{side.blank} {name} are blank and match nothing"


def _line(text: str) -> None:
    _OUT.print(Line(text), soft_wrap=True)
