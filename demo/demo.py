"""`make demo`: a real server on the built-in model, a real corpus, real questions.

Starts `spladed serve` on a free port of the loopback, indexes at least 4,000 docstrings of
this Python installation, asks questions whose answers share few words with them, shows the
tutorial's case term by term, and stops the server. Exits 0 only if each question found what
a person would expect among its first five hits.
"""

from __future__ import annotations

import sys
import tempfile
import time

from corpus import docstrings
from rich.console import Console

from spladed.cli import show
from spladed.cli.lines import batches
from spladed.cli.reach import local_server
from spladed.client.client import Client
from spladed.client.values import Document

DOCUMENTS = 6_000
LEAST_DOCUMENTS = 4_000
SHOWN = 3

# A question in everyday words, and the end of a name of which one must be in the first five.
QUESTIONS = {
    "how many processors are there": ("cpu_count",),
    "wait until all workers are finished": ("futures._base.wait",),
    "delete a directory with all its contents": ("shutil.rmtree",),
    "name of this computer in the network": ("platform.node",),
    "unite several paths": ("path.join", "join_parsed_parts"),
    "how long is a month": ("days_in_month", "monthrange"),
    "is it a weekend": ("weekday",),
}

FOX = [
    Document("quick", "The quick brown fox jumps over the lazy dog."),
    Document("agile", "A fast, agile fox leaps across a sleeping canine."),
    Document("train", "How to train your dog for agility."),
    Document("history", "The history of the fox as a wild animal."),
]
FOX_QUERY = "fox and dog agility"

console = Console()


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        local_server(f"{folder}/data") as target,
        Client(target, timeout_seconds=120) as client,
    ):
        index_docstrings(client)
        missed = [
            question for question, names in QUESTIONS.items() if not ask(client, question, names)
        ]
        explain_fox(client)
    for question in missed:
        console.print(f"not found as expected: {question}", style="red")
    return 1 if missed else 0


def index_docstrings(client: Client) -> None:
    documents = list(docstrings(DOCUMENTS))
    if len(documents) < LEAST_DOCUMENTS:
        sys.exit(f"only {len(documents)} docstrings here; expected at least {LEAST_DOCUMENTS}")
    client.create_collection("docstrings")
    started, tokens = time.monotonic(), 0
    for part in show.track(batches(documents, 128), len(documents)):
        tokens += sum(client.upsert("docstrings", part).token_counts)
    seconds = time.monotonic() - started
    console.print(
        f"indexed {len(documents)} docstrings, {tokens} tokens, in {seconds:.1f} s "
        f"({tokens / seconds:.0f} tokens/s, durable)\n",
        highlight=False,
    )


def ask(client: Client, question: str, names: tuple[str, ...]) -> bool:
    """Shows the hits; true if an expected name is among the first five."""
    hits = client.search("docstrings", texts=[question], k=5, text=True).hits[0]
    shown = hits[:SHOWN]
    explanations = client.explain("docstrings", question, [hit.id for hit in shown])
    show.print_hits(question, shown, explanations)
    return any(hit.id.endswith(names) for hit in hits)


def explain_fox(client: Client) -> None:
    client.create_collection("fox")
    client.upsert("fox", FOX)
    show.print_rows(FOX, client.encode([each.text for each in FOX]).vectors, client.vocabulary())
    console.print()
    hits = client.search("fox", texts=[FOX_QUERY], text=True).hits[0]
    explanations = client.explain("fox", FOX_QUERY, [hit.id for hit in hits])
    show.print_hits(FOX_QUERY, hits, explanations)
    for explanation in explanations:
        show.print_explanation(FOX_QUERY, explanation)


if __name__ == "__main__":
    sys.exit(main())
