"""The texts that prove an export: awkward ones for the gate, plain ones as golden rows."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources

from spladed.manifest import Kind

__all__ = [
    "LabelledPage",
    "calibration_texts",
    "golden_texts",
    "labelled_pages",
    "long_text",
    "probe_texts",
]

_TUTORIAL = (
    "The quick brown fox jumps over the lazy dog.",
    "A fast, agile fox leaps across a sleeping canine.",
    "How to train your dog for agility.",
    "The history of the fox as a wild animal.",
)

_AWKWARD = (
    "a",  # one token
    "fox",
    "?",
    ".",
    "\u4f60\u597d\uff0c\u4e16\u754c",  # CJK: every character is a word
    "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
    "\u0437\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439, \u043c\u0438\u0440",
    "\u0645\u0631\u062d\u0628\u0627",
    unicodedata.normalize("NFC", "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m"),
    unicodedata.normalize("NFD", "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m"),
    "\U0001f98a jumps over \U0001f436\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "[SEP] and [CLS] and [MASK] in clear [SEP]",
    "tab\tnewline\nnull-width\u200bspace non\u00a0breaking",
    "  leading and trailing  ",
    "ALL CAPS, and Mixed CaSe",
    "x = y ** 2 + f(z)[0]; // comment",
    "https://example.org/a/path?with=query&and=more#fragment",
    "3.14159 1,000,000 1e-9 0x7fff",
    "Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "the " * 40,
)


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A question and the one passage that answers it."""

    query: str
    passage: str


@cache
def labelled_pages() -> tuple[LabelledPage, ...]:
    """The labelled set that ships with the exporter: 400 pages of tldr-pages (CC BY 4.0)."""
    path = resources.files("spladed_export") / "data" / "tldr.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return tuple(LabelledPage(row["query"], row["passage"]) for row in rows)


def long_text() -> str:
    """A text of more than 512 tokens in any vocabulary: the cut decides its row."""
    return " ".join(page.passage for page in labelled_pages()[:12])


def probe_texts() -> list[str]:
    """What the gate compares with the reference, text by text: ragged, awkward, too long."""
    pages = labelled_pages()[20:380:18]
    plain = [page.query for page in pages[:10]] + [page.passage for page in pages[10:]]
    return [*_AWKWARD, long_text(), *_TUTORIAL, *plain]


def calibration_texts() -> list[str]:
    """Texts whose hidden states set static scales: every fourth page, passage and question."""
    return [text for page in labelled_pages()[::4] for text in (page.passage, page.query)]


def golden_texts() -> list[tuple[str, Kind]]:
    """32 texts whose rows are kept in the bundle, short and long, of both kinds."""
    pages = labelled_pages()[5:395:28]
    documents = [*_TUTORIAL, *(page.passage for page in pages[:8]), long_text()]
    queries = ["fox and dog agility", "a", "caf\u00e9", "\u4f60\u597d"]
    queries += [page.query for page in labelled_pages()[7:375:23]][: 32 - 13 - len(queries)]
    golden: list[tuple[str, Kind]] = [(text, "document") for text in documents]
    return golden + [(text, "query") for text in queries]
