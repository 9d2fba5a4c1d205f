"""What is under test: one side's graph or table, with the bundle's tokenizer, text to rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from spladed.encoder.table import QueryTable
from spladed.encoder.tokenize import LengthRule, Tokenizer, windows
from spladed.errors import SpladedError
from spladed.ort import Session
from spladed.sparse import SparseBatch
from spladed_export.report import failed

__all__ = ["BATCH", "Graph", "Probe", "Table"]

BATCH = 8


class Probe(Protocol):
    """One side, from texts to rows."""

    def ids(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Token ids of each text with its prompt, int64, cut to `limit`."""
        ...

    def rows(self, ids: Sequence[np.ndarray], *, batch: int = BATCH, pad: int = 0) -> SparseBatch:
        """Rows in the order given, `batch` texts at a time, padded by `pad` more positions."""
        ...

    def with_prompt(self, prompt: str) -> Probe:
        """The same behind another prompt."""
        ...


@dataclass(frozen=True, slots=True)
class Graph:
    """A fused graph; it takes `positions` tokens."""

    session: Session
    tokenizer: Tokenizer
    positions: int
    prompt: str = ""

    def ids(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Token ids of each text with its prompt, int64, cut to `limit`."""
        return _ids(self.tokenizer, self.prompt, texts, limit)

    def rows(self, ids: Sequence[np.ndarray], *, batch: int = BATCH, pad: int = 0) -> SparseBatch:
        """Rows in the order given, `batch` texts at a time.

        Each batch has `pad` more positions than its longest text, as far as there are any.
        Raises Mismatch (VERIFY_RUN, VERIFY_CSR) for a batch that gives no proper rows.
        """
        parts = [
            self._run(*self._padded(ids[start : start + batch], pad))
            for start in range(0, len(ids), batch)
        ]
        return SparseBatch.concatenate(self.session.dimension, parts)

    def with_prompt(self, prompt: str) -> Graph:
        """The same graph behind another prompt."""
        return replace(self, prompt=prompt)

    def _run(self, tokens: np.ndarray, mask: np.ndarray) -> SparseBatch:
        """One batch, its offsets, order and weights checked: NaN and infinity are refused."""
        try:
            rows = self.session.run(tokens, mask)
        except Exception as error:  # onnxruntime raises a dozen unrelated classes here
            raise failed("run", f"the graph cannot run {tokens.shape} tokens ({error})") from error
        try:
            rows.checked("graph")
        except SpladedError as error:
            raise failed("csr", error.message) from error
        if len(rows) != len(tokens):
            raise failed("csr", f"{len(rows)} rows for {len(tokens)} texts")
        return rows

    def _padded(self, ids: Sequence[np.ndarray], pad: int) -> tuple[np.ndarray, np.ndarray]:
        longest = max(len(each) for each in ids)
        tokens = np.zeros((len(ids), min(longest + pad, self.positions)), np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        return tokens, mask


@dataclass(frozen=True, slots=True)
class Table:
    """A table of weights for queries."""

    table: QueryTable
    tokenizer: Tokenizer
    prompt: str = ""

    def ids(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Token ids of each text with its prompt, int64, cut to `limit`."""
        return _ids(self.tokenizer, self.prompt, texts, limit)

    def rows(self, ids: Sequence[np.ndarray], *, batch: int = BATCH, pad: int = 0) -> SparseBatch:
        """Rows in the order given; a table knows no padding."""
        del pad
        parts = [
            self.table.rows(ids[start : start + batch]).checked("table")
            for start in range(0, len(ids), batch)
        ]
        return SparseBatch.concatenate(parts[0].dimension, parts)

    def with_prompt(self, prompt: str) -> Table:
        """The same table behind another prompt."""
        return replace(self, prompt=prompt)


def _ids(tokenizer: Tokenizer, prompt: str, texts: Sequence[str], limit: int) -> list[np.ndarray]:
    given = [prompt + text for text in texts]
    return windows(tokenizer.tokenize(given, LengthRule(limit)))
