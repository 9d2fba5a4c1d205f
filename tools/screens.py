"""The README's screens, made by the commands that they show.

    tools/screens.py write     run the commands and put what they print into README.md
    tools/screens.py check     exit 1 if the words differ, or a number by more than 5 %

A screen is a code block below a line `<!-- screen -->`; its lines that begin with "$ " are
the commands. They run on a server over a folder of its own, with the tutorial's documents in
the collection "fox" and a small judged set (the exporter's own, of tldr pages) in "./tldr".
Lines with a speed in them are not compared.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from spladed.cli.reach import local_server
from spladed.client.client import Client
from spladed.client.values import Document

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = ROOT / "export" / "spladed_export" / "data" / "tldr.jsonl"
SCREEN = re.compile(r"(?<=<!-- screen -->\n```\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TOLERANCE = 0.05  # absolute, or of the number: int8 rounds to the other side on another CPU
SPEED = re.compile(r"/s\b|\bs of\b|│ (?:documents|queries) +│")

FOX = [
    Document("quick", "The quick brown fox jumps over the lazy dog."),
    Document("agile", "A fast, agile fox leaps across a sleeping canine."),
    Document("train", "How to train your dog for agility."),
    Document("history", "The history of the fox as a wild animal."),
]


def main(verb: str) -> int:
    readme = README.read_text("utf-8")
    shown = SCREEN.findall(readme)
    made = make([commands_of(screen) for screen in shown])
    if verb == "write":
        texts = iter(made)
        README.write_text(SCREEN.sub(lambda _: next(texts), readme), "utf-8")
        return 0
    wrong = [ours for ours, theirs in zip(made, shown, strict=True) if not same(ours, theirs)]
    for screen in wrong:
        print(f"README.md shows something else than:\n{screen}")
    return 1 if wrong else 0


def commands_of(screen: str) -> list[str]:
    return [line.removeprefix("$ ") for line in screen.splitlines() if line.startswith("$ ")]


def make(screens: list[list[str]]) -> list[str]:
    """What each screen's commands print, each below its command."""
    with tempfile.TemporaryDirectory() as scratch, local_server(f"{scratch}/data") as target:
        write_judged_set(Path(scratch, "tldr"))
        with Client(target) as client:
            client.create_collection("fox")
            client.upsert("fox", FOX)
        return ["\n".join(run(each, target, scratch) for each in screen) for screen in screens]


def run(command: str, target: str, folder: str) -> str:
    program, *words = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    environment = {**os.environ, "COLUMNS": "80", "SPLADED_TARGET": target}
    done = subprocess.run(
        [path, *words], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    return "\n".join([f"$ {command}", *lines, ""])


def write_judged_set(folder: Path) -> None:
    """The exporter's labelled pages as corpus.jsonl, queries.jsonl and qrels.tsv."""
    folder.mkdir()
    pages = [json.loads(line) for line in PAGES.read_text("utf-8").splitlines()]
    numbered = list(enumerate(pages))
    for name, key in (("corpus", "passage"), ("queries", "query")):
        lines = [json.dumps({"id": str(number), "text": page[key]}) for number, page in numbered]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    qrels = "".join(f"{number}\t{number}\t1\n" for number, _ in numbered)
    (folder / "qrels.tsv").write_text(qrels, "utf-8")


def same(ours: str, theirs: str) -> bool:
    """Whether two screens have the same words, and numbers within the tolerance."""
    left, right = ours.splitlines(), theirs.splitlines()
    return len(left) == len(right) and all(map(same_line, left, right))


def same_line(ours: str, theirs: str) -> bool:
    if SPEED.search(theirs):
        return True
    words = [re.sub(r"[█─━ ]+", " ", NUMBER.sub("#", line)) for line in (ours, theirs)]
    numbers = [list(map(float, NUMBER.findall(line))) for line in (ours, theirs)]
    return words[0] == words[1] and all(
        abs(one - other) <= TOLERANCE * max(1, other) for one, other in zip(*numbers, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if sys.argv[1:] in (["write"], ["check"]) else __doc__)
