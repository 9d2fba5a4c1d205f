"""The texts of the encode bench: of exact lengths in tokens, and passages as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import tokenizers

SPECIAL = 2  # tokens around a text
QUERY, PASSAGE, LONG = 8, 128, 512  # tokens of a text, special ones included
BATCH = 32


@dataclass(frozen=True)
class Workload:
    """calls: the texts of each call of an encoder. tokens: of all texts, as the model takes
    them; length: of a text, the mean."""

    name: str
    kind: Literal["query", "document"]
    calls: tuple[tuple[str, ...], ...]
    tokens: int

    @property
    def texts(self) -> int:
        return sum(map(len, self.calls))

    @property
    def length(self) -> float:
        return self.tokens / self.texts


def workloads(passages: Sequence[str], tokenizer: Path, mixed: int) -> list[Workload]:
    """mixed: how many passages are encoded as they come, in one call."""
    splits = tokenizers.Tokenizer.from_file(str(tokenizer))
    splits.no_padding()
    splits.no_truncation()
    queries = first(cut(splits, passages, QUERY), BATCH)
    longer = [" ".join(passages[start : start + 16]) for start in range(0, len(passages), 16)]
    real = tuple(passages[:mixed])
    tokens = sum(min(len(splits.encode(text)), LONG) for text in real)
    return [
        Workload("a query", "query", tuple((text,) for text in queries), BATCH * QUERY),
        Workload("32 queries", "query", (queries,), BATCH * QUERY),
        Workload("8 x 128", "document", (first(cut(splits, longer, PASSAGE), 8),), 8 * PASSAGE),
        Workload("2 x 512", "document", (first(cut(splits, longer, LONG), 2),), 2 * LONG),
        Workload("passages", "document", (real,), tokens),
    ]


def cut(splits: tokenizers.Tokenizer, texts: Sequence[str], length: int) -> Iterator[str]:
    """The start of each text that has just so many tokens; texts without one are left out."""
    for text in texts:
        found = splits.encode(text, add_special_tokens=False)
        if len(found) < length - SPECIAL:
            continue
        start = text[: found.offsets[length - SPECIAL - 1][1]]
        if len(splits.encode(start)) == length:
            yield start


def first(texts: Iterator[str], count: int) -> tuple[str, ...]:
    found = tuple(islice(texts, count))
    if len(found) < count:
        raise SystemExit(f"{len(found)} texts are long enough; expected {count}: more --texts")
    return found


def real_passages(folder: Path | None) -> tuple[str, list[str]]:
    """A name and the passages: of a judged set in a folder, or of the exporter's tldr pages."""
    if folder is None:
        from spladed_export.texts import labelled_pages

        return "tldr-pages", [page.passage for page in labelled_pages()]
    from spladed.jobs.dataset import Dataset

    dataset = Dataset.open(folder)
    return dataset.name, [each.text for each in dataset.documents[:2_000]]
