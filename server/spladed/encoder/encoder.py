"""The encoder room's face: a bundle, loaded and proven, that turns texts into rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, get_args

import numpy as np

from spladed.bundle import Bundle, Kind
from spladed.encoder.batch import BatchPolicy, WaitingRows
from spladed.encoder.engine import run_rows
from spladed.encoder.tokenize import NAME, LongText, TokenizedText, Tokenizer
from spladed.errors import Corrupt, InvalidInput
from spladed.ort import Session
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

__all__ = ["Encoder"]

# How far a golden weight may move between the exporting machine and this one. fp32 moves
# by the order of its sums; int8 also by a rounding that falls to the other side: 2 of 800
# texts, by up to 0.06, where onnxruntime only fused its nodes otherwise.
_GOLDEN_TOLERANCE = {"fp32": 1e-3, "int8": 0.15, "fp16": 0.05, "bf16": 0.1}


class Encoder:
    """Texts -> sparse rows, on one device.

    >>> encoder = Encoder.load("builtin")
    >>> rows = encoder.encode(["how do I train a dog?"], kind="query")
    >>> len(rows), rows.dimension
    (1, 30522)
    """

    def __init__(
        self, bundle: Bundle, tokenizer: Tokenizer, session: Session, policy: BatchPolicy
    ) -> None:
        self.bundle = bundle
        self.tokenizer = tokenizer
        self.session = session
        self.policy = replace(policy, longest=bundle.manifest.model.max_length)

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
        dimension = opened.manifest.model.vocabulary_size
        session = Session(opened.graph, dimension=dimension, device=device, threads=threads)
        encoder = cls(opened, Tokenizer(opened.tokenizer), session, policy or BatchPolicy())
        encoder.replay_golden()
        return encoder

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        max_length: int = 0,
        long_text: LongText = "truncate",
        name: Callable[[int], str] = NAME,
    ) -> list[TokenizedText]:
        """Token ids of each text; `max_length` 0 means the bundle's own for this kind.

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
        limit = self._limit(kind, max_length)
        return self.tokenizer.tokenize(texts, max_length=limit, long_text=long_text, name=name)

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        max_length: int = 0,
        long_text: LongText = "truncate",
        pruning: Pruning | None = None,
    ) -> SparseBatch:
        """One row a text, in order, computed in this thread; raises as `tokenize` does.

        pruning: drops light terms
        """
        tokenized = self.tokenize(texts, kind=kind, max_length=max_length, long_text=long_text)
        waiting: WaitingRows[int] = WaitingRows(self.policy)
        for number, text in enumerate(tokenized):
            waiting.add(len(text.ids), kind, number)
        order: list[int] = []
        parts: list[SparseBatch] = []
        while batch := waiting.take():
            order += [row.owner for row in batch]
            parts.append(
                run_rows(self.session.run, [tokenized[row.owner] for row in batch], self.policy)
            )
        rows = SparseBatch.concatenate(self.session.dimension, parts)
        rows = rows.take(np.argsort(np.array(order, np.int64)))
        return pruning.apply(rows) if pruning else rows

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
        longest = self.bundle.manifest.model.max_length
        if not max_length:
            return self.bundle.max_length(kind)
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
