"""The encoder room's face: a bundle, loaded and proven, that turns texts into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import accumulate
from pathlib import Path
from typing import Self, get_args

import numpy as np
import numpy.typing as npt

from spladed.bundle import Bundle
from spladed.encoder.ahead import WINDOW, ahead, in_windows
from spladed.encoder.batch import BatchPolicy
from spladed.encoder.golden import replay
from spladed.encoder.network import Network, open_networks
from spladed.encoder.progress import Progress, telling
from spladed.encoder.run import run_all
from spladed.encoder.table import QueryTable
from spladed.encoder.tokenize import (
    NAME,
    LengthRule,
    LongText,
    TokenizedText,
    Tokenizer,
    windows,
)
from spladed.encoder.tuning import Setup, find_setup
from spladed.errors import InvalidInput
from spladed.manifest import Kind
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

__all__ = ["Encoder"]


class Encoder:
    """Texts -> sparse rows, on one device.

    >>> encoder = Encoder.load("builtin")
    >>> rows = encoder.encode(["how do I train a dog?"], kind="query")
    >>> len(rows), rows.dimension
    (1, 30522)
    """

    def __init__(
        self,
        bundle: Bundle,
        documents: Network,
        queries: Network | QueryTable,
        setup: Setup,
    ) -> None:
        self.bundle = bundle
        self.setup = setup
        self.tokenizer = Tokenizer(bundle.tokenizer)
        self.table = queries if isinstance(queries, QueryTable) else None
        self._query_tokenizer = Tokenizer(bundle.query_tokenizer, special=self.table is None)
        self._networks = {"document": documents}
        if isinstance(queries, Network):
            self._networks["query"] = queries
        longest = min(each.longest for each in self._networks.values())
        self.policy = BatchPolicy(max_batch_tokens=setup.max_batch_tokens, longest=longest)

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle,
        *,
        device: str = "cpu",
        threads: int = 0,
        parallel_batches: int = 0,
        max_batch_tokens: int = 0,
        spinning: bool = False,
        tuning: str = "",
    ) -> Self:
        """Opens a bundle ("builtin", or a folder) and replays its golden texts.

        threads, parallel_batches, max_batch_tokens: see `Setup`; 0 is what `spladed tune` stored
        for this machine, else the cores this process may use, 1 and 4,096
        spinning: whether idle threads burn their core instead of sleeping
        tuning:   folder in which `spladed tune` was told to keep its files

        Raises what `Bundle.open` and `Session` raise, and Corrupt if a golden text's row
        on this machine is not the exported one.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        setup = find_setup(opened, tuning, Setup(threads, parallel_batches, max_batch_tokens))
        documents, queries = open_networks(opened, setup, device=device, spinning=spinning)
        encoder = cls(opened, documents, queries, setup)
        replay(opened, lambda golden: encoder.encode([golden.text], kind=golden.kind))
        return encoder

    @property
    def dimension(self) -> int:
        """Terms of a row, V."""
        return self.bundle.manifest.model.vocabulary_size

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        max_length: int = 0,
        long_text: LongText = "truncate",
        chunk_overlap: int | None = None,
        name: Callable[[int], str] = NAME,
    ) -> list[TokenizedText]:
        """Token ids of each text; `max_length` 0 means the bundle's own for this kind.

        long_text, chunk_overlap: of a text with more tokens, see `LengthRule`
        name: what errors call the text at a position

        Raises InvalidInput for a text that is empty or only white space, and for a length
        that the model cannot take.
        """
        _check_kind(kind)
        _check_visible(texts, name)
        rule = LengthRule(self._limit(kind, max_length), long_text, chunk_overlap)
        if prompt := self.bundle.manifest.side(kind).prompt:
            texts = [prompt + text for text in texts]
        tokenizer = self._query_tokenizer if kind == "query" else self.tokenizer
        return tokenizer.tokenize(texts, rule, name=name)

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        max_length: int = 0,
        long_text: LongText = "truncate",
        chunk_overlap: int | None = None,
        pruning: Pruning | None = None,
        progress: Progress = False,
    ) -> SparseBatch:
        """One row a text, in order; raises as `tokenize` does, and Exhausted OUT_OF_MEMORY.

        pruning:  drops light terms, after the bundle's own
        progress: True for a bar on stderr (needs rich), or what is called with the number of
                  texts so far
        """
        _check_visible(texts, NAME)  # of all, before the first is computed
        rows = self.encode_many(
            texts, kind=kind, max_length=max_length, long_text=long_text,
            chunk_overlap=chunk_overlap, pruning=pruning, progress=progress,
        )  # fmt: skip
        return SparseBatch.concatenate(self.dimension, list(rows))

    def encode_many(
        self,
        texts: Iterable[str],
        *,
        kind: Kind,
        max_length: int = 0,
        long_text: LongText = "truncate",
        chunk_overlap: int | None = None,
        pruning: Pruning | None = None,
        progress: Progress = False,
    ) -> Iterator[SparseBatch]:
        """Rows of any number of texts, in order, in batches of 4,096; as `encode` otherwise.

        Texts are read one such batch ahead of what is yielded, and tokenized in a thread
        while the batch before them is computed. Within a batch, texts run sorted by length.
        """
        _check_kind(kind)

        def tokenize(window: tuple[int, list[str]]) -> list[TokenizedText]:
            first, part = window
            return self.tokenize(
                part, kind=kind, max_length=max_length, long_text=long_text,
                chunk_overlap=chunk_overlap, name=lambda number: NAME(first + number),
            )  # fmt: skip

        with telling(progress, len(texts) if isinstance(texts, Sized) else None) as tell:
            for number, tokenized in enumerate(ahead(tokenize, in_windows(texts))):
                count = _counting(tell, number * WINDOW, tokenized)
                rows = self._rows(tokenized, kind, count)
                yield self.finish(rows, tokenized, kind, pruning)

    def run(
        self, kind: Kind, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]
    ) -> SparseBatch:
        """Rows of one padded batch [B, S] of this kind, which has a network."""
        return self._networks[kind].session.run(ids, mask)

    def finish(
        self,
        rows: SparseBatch,
        texts: Sequence[TokenizedText],
        kind: Kind,
        pruning: Pruning | None = None,
    ) -> SparseBatch:
        """One row a text of one row a window: merged, and pruned by the bundle and as asked."""
        merged = rows.merged([len(text.windows) for text in texts])
        kept = self.bundle.manifest.side(kind).pruning.apply(merged)
        return pruning.apply(kept) if pruning else kept

    def _rows(
        self, texts: Sequence[TokenizedText], kind: Kind, tell: Callable[[Sequence[int]], object]
    ) -> SparseBatch:
        """A row of each window of the texts, as the graph or the table gives it.

        tell: called with the numbers of the windows that are computed, in any order
        """
        ids = windows(texts)
        if kind == "query" and self.table is not None:
            tell(range(len(ids)))
            return self.table.rows(ids)
        order: list[int] = []
        parts: list[SparseBatch] = []
        for numbers, made in run_all(
            self.run, kind, ids, self.policy, parallel_batches=self.setup.parallel_batches
        ):
            order += numbers
            parts.append(made)
            tell(numbers)
        rows = SparseBatch.concatenate(self.dimension, parts)
        return rows.take(np.argsort(np.array(order, np.int64)))

    def _longest(self, kind: Kind) -> int:
        """Tokens that a text of this kind may have."""
        return self._networks.get(kind, self._networks["document"]).longest

    def _limit(self, kind: Kind, max_length: int) -> int:
        if not max_length:
            return self.bundle.manifest.side(kind).max_length
        longest = self._longest(kind)
        if not 3 <= max_length <= longest:
            raise InvalidInput(
                f"max_length is {max_length}; this model takes 3 to {longest} tokens, special "
                "tokens included; 0 means its default",
                reason="MAX_LENGTH",
                field="max_length",
            )
        return max_length


def _counting(
    tell: Callable[[int], object], before: int, texts: Sequence[TokenizedText]
) -> Callable[[Sequence[int]], object]:
    """Turns numbers of windows into the count of texts: of those whose first window is done."""
    firsts = set(accumulate((len(text.windows) for text in texts[:-1]), initial=0))
    so_far = before

    def count(numbers: Sequence[int]) -> None:
        nonlocal so_far
        so_far += sum(number in firsts for number in numbers)
        tell(so_far)

    return count


def _check_visible(texts: Sequence[str], name: Callable[[int], str]) -> None:
    for number, text in enumerate(texts):
        if not text or text.isspace():
            raise InvalidInput(
                f"{name(number)} is {'blank' if text else 'empty'}; send at least one "
                "visible character",
                reason="TEXT_EMPTY",
                field=name(number),
            )


def _check_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        raise InvalidInput(
            f"kind is {kind!r}; expected 'query' or 'document'", reason="KIND", field="kind"
        )
