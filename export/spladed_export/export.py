"""`export`: a checkpoint in, a verified bundle out, or nothing at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx

from spladed.bundle import (
    GRAPH_FILE,
    Activation,
    Bundle,
    Golden,
    Kind,
    Model,
    Pooling,
    Precision,
    SpecialTerms,
    Target,
)
from spladed.encoder.tokenize import Tokenizer
from spladed.errors import InvalidInput, Unimplemented
from spladed.ort import Session
from spladed_export.describe import lengths_of, manifest_of, model_of, plain_tokenizer, versions
from spladed_export.draft import Draft, save_graph
from spladed_export.graft import Head, MaskedLM, graft, split
from spladed_export.lower import decoder_scale, lower_int8
from spladed_export.onnx_export import masked_lm
from spladed_export.raw import RawGraph
from spladed_export.reference import Reference
from spladed_export.report import Report
from spladed_export.source import read
from spladed_export.texts import calibration_texts
from spladed_export.verify import Graph, golden_rows, verify_fresh_process, verify_graphs

__all__ = ["export"]

_CALIBRATED = 128  # tokens of a calibration text, at most
_BUILT: dict[str, tuple[str, ...]] = {"precision": ("fp32", "int8"), "target": ("cpu",)}


def export(
    source: str | Path,
    out: str | Path,
    *,
    precision: Precision = "fp32",
    target: Target = "cpu",
    revision: str | None = None,
    force: bool = False,
    pooling: Pooling | None = None,
    activation: Activation | None = None,
    special_terms: SpecialTerms = "keep",
    query_max_length: int | None = None,
    document_max_length: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Exports `source` into the new folder `out` and returns the bundle.

    source:   a hub id, or the folder of a transformers model, of a sentence-transformers
              SparseEncoder, or of an ONNX masked-LM that optimum exported
    revision: branch, tag or commit, for a hub id
    force:    whether an existing bundle at `out` is replaced
    pooling, activation: of a source that does not state them; by default the maximum of
              log(1 + relu(x))
    special_terms: whether the columns of special tokens are kept, as sentence-transformers
              keeps them, or are always 0
    *_max_length: tokens of a text, special tokens included; by default the source's own
    progress: is told, line by line, what is being done

    Raises what `source.read` raises, Mismatch (VERIFY_...) where the gate refuses the
    result, AlreadyExists for `out`. Whatever it raises, nothing is left behind.
    """
    _check_built(precision, target)
    _check_word("pooling", pooling, (None, *get_args(Pooling)))
    _check_word("activation", activation, (None, *get_args(Activation)))
    _check_word("special_terms", special_terms, get_args(SpecialTerms))
    with Draft(Path(out), force=force) as draft:
        progress(f"reading {source}")
        checkpoint = read(source, revision, pooling=pooling, activation=activation)
        lengths = lengths_of(checkpoint, query_max_length, document_max_length)
        tokenizer_json = plain_tokenizer(checkpoint)
        model = model_of(checkpoint, tokenizer_json, special_terms)
        progress(f"exporting {checkpoint.architecture} to ONNX")
        lm, head = split(masked_lm(checkpoint)), Head.of(model)
        tokenizer = Tokenizer(draft.write_tokenizer(tokenizer_json))
        exact = graft(lm, head)
        final = exact
        if precision != "fp32":
            final = _lower(lm, head, tokenizer, lengths["document"], progress)
        draft.write_graph(final)
        progress("verifying against the source")
        report = Report(Reference.of(checkpoint, model), versions(), progress)
        golden = _verify(draft, exact, tokenizer, model, precision, lengths, report)
        manifest = manifest_of(
            checkpoint, model, lengths=lengths, precision=precision, target=target,
            vocabulary=tokenizer.vocabulary(), files=draft.hashes(), golden=golden,
        )  # fmt: skip
        draft.write_manifest(manifest)
        verify_fresh_process(draft.folder, report)
        draft.write_manifest(replace(manifest, verification=report.to_mapping()))
        draft.publish()
    return Bundle.open(out)


def _lower(
    lm: MaskedLM,
    head: Head,
    tokenizer: Tokenizer,
    length: int,
    progress: Callable[[str], None],
) -> onnx.ModelProto:
    """The int8 graph, its decoder's scale measured on the calibration texts, one at a time."""
    progress("calibrating the int8 scale of the decoder's input")
    encoder = RawGraph(lm.encoder)
    maxima = []
    for text in tokenizer.tokenize(calibration_texts(), max_length=min(length, _CALIBRATED)):
        states = encoder.run(text.ids[None], np.ones((1, len(text.ids)), np.int64))
        maxima.append(np.abs(states[0]).max(axis=1))
    return lower_int8(lm, head, decoder_scale(np.concatenate(maxima)))


def _verify(
    draft: Draft,
    exact: onnx.ModelProto,
    tokenizer: Tokenizer,
    model: Model,
    precision: Precision,
    lengths: dict[Kind, int],
    report: Report,
) -> tuple[Golden, ...]:
    with _opened(exact, tokenizer, model) as truth:
        session = Session(draft.folder / GRAPH_FILE, dimension=model.vocabulary_size)
        final = Graph(session, tokenizer, model.max_length)
        verify_graphs(truth, final, precision, lengths, report)
        return golden_rows(final, lengths, report)


@contextmanager
def _opened(graph: onnx.ModelProto, tokenizer: Tokenizer, model: Model) -> Iterator[Graph]:
    """The graph as a session; it needs a file for as long as it lives."""
    with tempfile.TemporaryDirectory() as folder:
        path = save_graph(graph, Path(folder))
        session = Session(path, dimension=model.vocabulary_size)
        yield Graph(session, tokenizer, model.max_length)


def _check_word(field: str, found: str | None, allowed: tuple[str | None, ...]) -> None:
    if found not in allowed:
        raise InvalidInput(
            f"{field} is {found!r}; expected one of {', '.join(map(repr, allowed))}",
            reason="EXPORT_WORD",
            field=field,
        )


def _check_built(precision: str, target: str) -> None:
    for field, value in (("precision", precision), ("target", target)):
        if value not in _BUILT[field]:
            raise Unimplemented(
                f"{field} {value!r} is not built in this version; it has "
                f"{', '.join(_BUILT[field])}",
                reason=f"EXPORT_{field.upper()}",
                field=field,
            )
