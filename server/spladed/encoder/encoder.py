"""The encoder room's face: a bundle, loaded and proven, that turns texts into rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, get_args

import numpy as np
import numpy.typing as npt

from spladed.bundle import Bundle
from spladed.encoder.batch import BatchPolicy, WaitingRows
from spladed.encoder.engine import run_rows
from spladed.encoder.table import QueryTable
from spladed.encoder.tokenize import (
    NAME,
    LengthRule,
    LongText,
    TokenizedText,
    Tokenizer,
    windows,
)
from spladed.errors import Corrupt, InvalidInput
from spladed.manifest import Kind
from spladed.ort import Session
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

__all__ = ["Encoder", "Network"]

# How far a golden weight may move between the exporting machine and this one. fp32 moves
# by the order of its sums; int8 also by a rounding that falls to the other side: 2 of 800
# texts, by up to 0.06, where onnxruntime only fused its nodes otherwise.
_GOLDEN_TOLERANCE = {"fp32": 1e-3, "int8": 0.15, "fp16": 0.05, "bf16": 0.1}


@dataclass(frozen=True, slots=True)
class Network:
    """A graph that makes rows of token ids. longest: tokens that it takes."""

    session: Session
    longest: int


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
        policy: BatchPolicy,
    ) -> None:
        self.bundle = bundle
        self.tokenizer = Tokenizer(bundle.tokenizer)
        self.table = queries if isinstance(queries, QueryTable) else None
        self._query_tokenizer = Tokenizer(bundle.query_tokenizer, special=self.table is None)
        self._networks = {"document": documents}
        if isinstance(queries, Network):
            self._networks["query"] = queries
        self.policy = replace(policy, longest=min(each.longest for each in self._networks.values()))

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle,
        *,
        device: str = "cpu",
        threads: int = 0,
        policy: BatchPolicy | None = None,
    ) -> Self:
        """Opens a bundle ("builtin", or a folder) and replays its golden texts.

        threads: of onnxruntime within one batch; 0 takes the cores this process may use

        Raises what `Bundle.open` and `Session` raise, and Corrupt if a golden text's row
        on this machine is not the exported one.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        manifest = opened.manifest
        dimension = manifest.model.vocabulary_size

        def network(graph: Path, longest: int) -> Network:
            session = Session(graph, dimension=dimension, device=device, threads=threads)
            return Network(session, longest)

        documents = queries = network(opened.graph, manifest.model.max_length)
        if manifest.query_model is not None:
            queries = network(opened.query_graph, manifest.query_model.max_length)
        elif manifest.model.query_side == "table":
            queries = QueryTable.open(opened.query_table, dimension=dimension)
        encoder = cls(opened, documents, queries, policy or BatchPolicy())
        encoder.replay_golden()
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
        for number, text in enumerate(texts):
            if not text or text.isspace():
                raise InvalidInput(
                    f"{name(number)} is {'blank' if text else 'empty'}; send at least one "
                    "visible character",
                    reason="TEXT_EMPTY",
                    field=name(number),
                )
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
    ) -> SparseBatch:
        """One row a text, in order, computed in this thread; raises as `tokenize` does.

        pruning: drops light terms, after the bundle's own
        """
        tokenized = self.tokenize(
            texts, kind=kind, max_length=max_length, long_text=long_text,
            chunk_overlap=chunk_overlap,
        )  # fmt: skip
        return self.finish(self._rows(windows(tokenized), kind), tokenized, kind, pruning)

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

    def _rows(self, texts: Sequence[npt.NDArray[np.int64]], kind: Kind) -> SparseBatch:
        if kind == "query" and self.table is not None:
            return self.table.rows(texts)
        waiting: WaitingRows[int] = WaitingRows(self.policy)
        for number, ids in enumerate(texts):
            waiting.add(len(ids), kind, number)
        order: list[int] = []
        parts: list[SparseBatch] = []
        while batch := waiting.take():
            order += [row.owner for row in batch]
            given = [texts[row.owner] for row in batch]
            parts.append(run_rows(self.run, kind, given, self.policy))
        rows = SparseBatch.concatenate(self.dimension, parts)
        return rows.take(np.argsort(np.array(order, np.int64)))

    def replay_golden(self) -> None:
        """Encodes the bundle's golden texts; raises Corrupt where a row has moved too far."""
        manifest = self.bundle.manifest
        tolerance = _GOLDEN_TOLERANCE[manifest.precision]
        for golden, (indices, values) in zip(
            manifest.golden, manifest.golden_rows().rows(), strict=True
        ):
            row = self.encode([golden.text], kind=golden.kind).row(0)
            moved = _distance((indices, values), row, manifest.model.vocabulary_size)
            if moved > tolerance:
                raise Corrupt(
                    f"{self.bundle.path}: the golden text {golden.text[:40]!r} moved by "
                    f"{moved:.4g} on this machine, expected at most {tolerance:g}; this CPU "
                    "or onnxruntime computes something else than the exporting one: export here",
                    reason="BUNDLE_GOLDEN",
                    field="golden",
                )

    def _limit(self, kind: Kind, max_length: int) -> int:
        if not max_length:
            return self.bundle.manifest.side(kind).max_length
        longest = self._networks.get(kind, self._networks["document"]).longest
        if not 3 <= max_length <= longest:
            raise InvalidInput(
                f"max_length is {max_length}; this model takes 3 to {longest} tokens, special "
                "tokens included; 0 means its default",
                reason="MAX_LENGTH",
                field="max_length",
            )
        return max_length


def _check_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        raise InvalidInput(
            f"kind is {kind!r}; expected 'query' or 'document'", reason="KIND", field="kind"
        )


def _distance(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], dimension: int
) -> float:
    """The largest difference of a weight between two rows."""
    difference = np.zeros(dimension, np.float32)
    difference[left[0]] = left[1]
    difference[right[0]] -= right[1]
    return float(np.abs(difference).max())
