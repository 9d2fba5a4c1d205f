"""`spladed bench encode` and `spladed bench search`: a server under a rate of requests."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Protocol

import typer

from spladed.cli import show, show_bench
from spladed.cli.lines import read_documents
from spladed.cli.options import AsJson, CollectionName, Kind, Target, Timeout
from spladed.cli.reach import DEFAULT_TARGET
from spladed.client.aio import AsyncClient
from spladed.client.retry import Retry
from spladed.errors import InvalidInput
from spladed.pressure.drive import closed_loop, open_loop
from spladed.pressure.questions import Encodes, Searches, made_texts
from spladed.pressure.samples import Samples
from spladed.pressure.schedule import arrivals

__all__ = ["bench_encode", "bench_search"]

Rate = Annotated[float, typer.Option(help="Requests a second; 0 keeps --in-flight going.")]
InFlight = Annotated[int, typer.Option(help="Requests at any time, without --rate.", min=1)]
Seconds = Annotated[float, typer.Option(help="For which requests are due.", min=0.1)]
Texts = Annotated[Path | None, typer.Option(help="Documents or queries to ask with.")]
Words = Annotated[int, typer.Option(help="Of a made text, without --texts.", min=1)]
Checked = Annotated[bool, typer.Option(help="Compare answers with the idle server's.")]
Plot = Annotated[Path | None, typer.Option(help="Draw what requests waited (a .png).")]

_TEXTS = 256  # distinct ones; more would only lengthen the comparison's preparation


class _Questions(Protocol):
    async def prepare(self) -> None:
        """Takes down the right answers."""
        ...

    async def __call__(self, number: int) -> bool:
        """Asks one request; whether the answer was right."""
        ...


def bench_encode(
    rate: Rate = 0.0,
    in_flight: InFlight = 64,
    seconds: Seconds = 10.0,
    kind: Annotated[Kind, typer.Option(help="Side of the texts.")] = "query",
    batch: Annotated[int, typer.Option(help="Texts in a request.", min=1)] = 1,
    texts: Texts = None,
    words: Words = 8,
    check: Checked = True,
    plot: Plot = None,
    target: Target = "",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Encode at a rate, and report what requests waited and how they ended.

    Without --rate: as many as the server answers. Exit code 1 if an answer was wrong.
    """

    async def run() -> Samples:
        async with AsyncClient(target or DEFAULT_TARGET, timeout_seconds=timeout,
                               retry=Retry(attempts=1)) as client:  # fmt: skip
            given = await _texts(client, texts, words, at_least=batch)
            asking = Encodes(client, given, kind, batch, checked=check)
            return await _asked(asking, rate, in_flight, seconds)

    _report(asyncio.run(run()), seconds, plot, as_json)


def bench_search(
    collection: CollectionName,
    rate: Rate = 0.0,
    in_flight: InFlight = 64,
    seconds: Seconds = 10.0,
    k: Annotated[int, typer.Option("-k", help="Hits for each query.", min=1)] = 10,
    texts: Texts = None,
    words: Words = 4,
    check: Checked = True,
    plot: Plot = None,
    target: Target = "",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Search at a rate, and report what requests waited and how they ended.

    Without --rate: as many as the server answers. Exit code 1 if an answer was wrong.
    """

    async def run() -> Samples:
        async with AsyncClient(target or DEFAULT_TARGET, timeout_seconds=timeout,
                               retry=Retry(attempts=1)) as client:  # fmt: skip
            given = await _texts(client, texts, words, at_least=1)
            asking = Searches(client, collection, given, k, checked=check)
            return await _asked(asking, rate, in_flight, seconds)

    _report(asyncio.run(run()), seconds, plot, as_json)


async def _texts(client: AsyncClient, file: Path | None, words: int, *, at_least: int) -> list[str]:
    if file is None:
        vocabulary = await client.vocabulary()
        return made_texts(vocabulary, max(_TEXTS, at_least), words)
    found = [document.text for _, document in read_documents(str(file), "auto")]
    if len(found) < at_least:
        raise InvalidInput(
            f"{file} has {len(found)} texts; expected {at_least} at least, one request's",
            reason="USAGE",
            field="texts",
        )
    return found[: max(_TEXTS, at_least)]


async def _asked(asking: _Questions, rate: float, in_flight: int, seconds: float) -> Samples:
    await asking.prepare()
    if not rate:
        with show.counting(None, "requests") as bar:
            return await closed_loop(asking, in_flight, seconds, bar)
    due = arrivals(rate, seconds)
    with show.counting(len(due), "requests") as bar:
        return await open_loop(asking, due.tolist(), bar)


def _report(samples: Samples, seconds: float, plot: Path | None, as_json: bool) -> None:
    summary = samples.summary(seconds)
    if plot is not None:
        show_bench.draw(samples, plot)
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    else:
        show_bench.print_summary(summary)
    if summary.endings.get("WRONG_ANSWER"):
        raise typer.Exit(1)
