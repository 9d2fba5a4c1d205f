"""`spladed bench encode` and `spladed bench search`: a server under a rate of requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer

from spladed.cli import show, show_bench
from spladed.cli.lines import read_documents
from spladed.cli.options import AsJson, CollectionName, Kind, Target, Timeout
from spladed.cli.reach import DEFAULT_TARGET, connect_once, told_if_nobody_answers
from spladed.client.aio import AsyncClient
from spladed.errors import InvalidInput
from spladed.pressure.drive import closed_loop, open_loop
from spladed.pressure.questions import Encodes, Searches, made_texts
from spladed.pressure.samples import WRONG, Samples
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

    run = _Run(rate, in_flight, seconds, texts, words, target or DEFAULT_TARGET, timeout)
    run.report(
        lambda client, given: Encodes(client, given, kind, batch, checked=check),
        at_least=batch, plot=plot, as_json=as_json,
    )  # fmt: skip


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

    run = _Run(rate, in_flight, seconds, texts, words, target or DEFAULT_TARGET, timeout)
    run.report(
        lambda client, given: Searches(client, collection, given, k, checked=check),
        at_least=1, plot=plot, as_json=as_json,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """Whom to ask, with which texts, when, and for how long."""

    rate: float
    in_flight: int
    seconds: float
    texts: Path | None
    words: int
    target: str
    timeout: float

    def report(
        self,
        questions: Callable[[AsyncClient, list[str]], _Questions],
        *,
        at_least: int,
        plot: Path | None,
        as_json: bool,
    ) -> None:
        """Asks, and shows what was found. at_least: texts that a request takes."""
        if plot is not None:
            show_bench.check_plot(plot)  # before the run, which would be lost
        with told_if_nobody_answers(self.target):
            samples = asyncio.run(self._asked(questions, at_least))
        _report(samples, self.seconds, plot, as_json)

    async def _asked(
        self, questions: Callable[[AsyncClient, list[str]], _Questions], at_least: int
    ) -> Samples:
        async with connect_once(self.target, self.timeout) as client:
            asking = questions(client, await self._given(client, at_least))
            await asking.prepare()
            if not self.rate:
                with show.counting(None, "requests") as bar:
                    return await closed_loop(asking, self.in_flight, self.seconds, bar)
            due = arrivals(self.rate, self.seconds)
            with show.counting(len(due), "requests") as bar:
                return await open_loop(asking, due.tolist(), bar)

    async def _given(self, client: AsyncClient, at_least: int) -> list[str]:
        most = max(_TEXTS, at_least)
        if self.texts is None:
            return made_texts(await client.vocabulary(), most, self.words)
        found = [document.text for _, document in read_documents(str(self.texts), "auto")]
        if len(found) < at_least:
            raise InvalidInput(
                f"{self.texts} has {len(found)} texts; expected {at_least} at least, one request's",
                reason="USAGE",
                field="texts",
            )
        return found[:most]


def _report(samples: Samples, seconds: float, plot: Path | None, as_json: bool) -> None:
    summary = samples.summary(seconds)
    if plot is not None:
        show_bench.draw(samples, plot)
    if as_json:
        typer.echo(json.dumps(asdict(summary)))
    else:
        show_bench.print_summary(summary)
    if summary.endings.get(WRONG):
        raise typer.Exit(1)
