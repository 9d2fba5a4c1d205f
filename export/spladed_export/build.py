"""A checkpoint becomes the files of a bundle, and what the gate needs to judge them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from spladed.bundle import GRAPH_FILE, QUERY_GRAPH_FILE, QUERY_TOKENIZER_FILE, TOKENIZER_FILE
from spladed.encoder.table import QueryTable
from spladed.encoder.tokenize import LengthRule, Tokenizer
from spladed.manifest import Kind, Model, Precision, Side, SpecialTerms
from spladed.ort import Session
from spladed_export.describe import (
    Asked,
    Described,
    check_same_vocabulary,
    described,
    plain_tokenizer,
)
from spladed_export.draft import Draft, save_graph
from spladed_export.ending import split
from spladed_export.graft import Head, MaskedLM, graft
from spladed_export.lower import decoder_scale, lower_int8
from spladed_export.onnx_export import masked_lm
from spladed_export.probe import Graph, Table
from spladed_export.raw import RawGraph
from spladed_export.reference import Reference
from spladed_export.source import Checkpoint
from spladed_export.table import StaticTable
from spladed_export.texts import calibration_texts
from spladed_export.verify import Pair, Pairs

__all__ = ["Build"]

_CALIBRATED = 128  # tokens of a calibration text, at most
_QUERY = "query_"  # before the names of checks of a query side


@dataclass(frozen=True, slots=True)
class Build:
    """Where the files go, what stays open for the gate, and how graphs are lowered."""

    draft: Draft
    opened: ExitStack
    precision: Precision
    progress: Callable[[str], None]

    def sides(
        self, checkpoint: Checkpoint, special_terms: SpecialTerms, asked: Mapping[Kind, Asked]
    ) -> tuple[Described, Pairs, list[str]]:
        """Writes both sides' files; returns what they are, what is to be verified, and the
        vocabulary."""
        query = checkpoint.query
        texts: dict[Kind, str] = {"document": plain_tokenizer(checkpoint)}
        texts["query"] = texts["document"] if query is None else plain_tokenizer(query)
        about = described(checkpoint, texts, special_terms, asked)
        path = own = self.draft.write_tokenizer(texts["document"], TOKENIZER_FILE)
        if texts["query"] != texts["document"]:
            own = self.draft.write_tokenizer(texts["query"], QUERY_TOKENIZER_FILE)
        vocabulary = Tokenizer(path).vocabulary()
        if query is not None:
            check_same_vocabulary(checkpoint, vocabulary, query, Tokenizer(own).vocabulary())
        document = self._network("document", checkpoint, about.model, about, path)
        return (
            about,
            Pairs(document, self._query_side(document, about, own), about.sides),
            vocabulary,
        )

    def _query_side(self, document: Pair, about: Described, tokenizer: Path) -> Pair:
        query, prompt = about.checkpoint.query, about.sides["query"].prompt
        if isinstance(query, StaticTable):
            return self._table(query, tokenizer, prompt)
        if query is not None and about.query_model is not None:
            return self._network("query", query, about.query_model, about, tokenizer)
        if prompt == about.sides["document"].prompt:
            return document
        return document.with_prompt(prompt, _QUERY)

    def _network(
        self, kind: Kind, checkpoint: Checkpoint, model: Model, about: Described, splits: Path
    ) -> Pair:
        self.progress(f"exporting {checkpoint.architecture} to ONNX")
        lm = split(masked_lm(checkpoint), checkpoint.vocabulary_size)
        head, side = Head.of(model), about.sides[kind]
        tokenizer = Tokenizer(splits)
        exact = final = graft(lm, head)
        if self.precision != "fp32":
            final = self._lowered(lm, head, tokenizer, side)
        name, checks = (GRAPH_FILE, "") if kind == "document" else (QUERY_GRAPH_FILE, _QUERY)

        def opened(path: Path) -> Graph:
            session = Session(path, dimension=model.vocabulary_size)
            return Graph(session, tokenizer, model.max_length, side.prompt)

        aside = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        truth = opened(save_graph(exact, aside / name))
        ships = opened(self.draft.write_graph(final, name))
        return Pair(truth, ships, Reference.of(checkpoint, model, side.prompt), checks)

    def _table(self, table: StaticTable, tokenizer: Path, prompt: str) -> Pair:
        self.progress(f"reading the queries' weights of {table.name}")
        splits = Tokenizer(tokenizer, special=False)
        tokens = {token: number for number, token in enumerate(splits.vocabulary())}
        path = self.draft.write_table(table.weights(tokens))
        probe = Table(QueryTable.open(path, dimension=table.vocabulary_size), splits, prompt)
        return Pair(probe, probe, Reference.of_table(table, prompt), _QUERY)

    def _lowered(
        self, lm: MaskedLM, head: Head, tokenizer: Tokenizer, side: Side
    ) -> onnx.ModelProto:
        """The int8 graph, its decoder's scale measured on the calibration texts, one at a time."""
        self.progress("calibrating the int8 scale of the decoder's input")
        encoder = RawGraph(lm.encoder)
        maxima = []
        texts = [side.prompt + text for text in calibration_texts()]
        for text in tokenizer.tokenize(texts, LengthRule(min(side.max_length, _CALIBRATED))):
            states = encoder.run(text.ids[None], np.ones((1, len(text.ids)), np.int64))
            maxima.append(np.abs(states[0]).max(axis=1))
        return lower_int8(lm, head, decoder_scale(np.concatenate(maxima)))
