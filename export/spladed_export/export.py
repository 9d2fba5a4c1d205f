"""`export`: a checkpoint in, a verified bundle out, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

from spladed.bundle import Bundle
from spladed.errors import InvalidInput, Unimplemented
from spladed.manifest import Activation, Kind, Pooling, Precision, SpecialTerms, Target
from spladed.pruning import Pruning
from spladed_export.build import Build
from spladed_export.describe import Asked, manifest_of, versions
from spladed_export.draft import Draft
from spladed_export.licence import warning
from spladed_export.report import Report
from spladed_export.source import Checkpoint, read, read_query_side
from spladed_export.verify import golden_rows, verify_fresh_process, verify_pairs

__all__ = ["export"]

_BUILT: dict[str, tuple[str, ...]] = {"precision": ("fp32", "int8"), "target": ("cpu",)}


def export(
    source: str | Path,
    out: str | Path,
    *,
    precision: Precision = "fp32",
    target: Target = "cpu",
    revision: str | None = None,
    allow_pickle: bool = False,
    force: bool = False,
    pooling: Pooling | None = None,
    activation: Activation | None = None,
    special_terms: SpecialTerms = "keep",
    query_source: str | Path | None = None,
    query_revision: str | None = None,
    query_max_length: int | None = None,
    document_max_length: int | None = None,
    query_pruning: Pruning | None = None,
    document_pruning: Pruning | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Exports `source` into the new folder `out` and returns the bundle.

    source:   a hub id, or the folder of a transformers model, of a sentence-transformers
              SparseEncoder, or of an ONNX masked-LM that optimum exported
    revision: branch, tag or commit, for a hub id
    allow_pickle: whether weights may be read from pickles, where there are no safetensors;
              torch then takes tensors from them and refuses everything else
    force:    whether an existing bundle at `out` is replaced
    pooling, activation: of a source that does not state them; by default the maximum of
              log(1 + relu(x))
    special_terms: whether the columns of special tokens are kept, as sentence-transformers
              keeps them, or are always 0
    query_source: what encodes queries if not what encodes documents: a checkpoint, or a JSON
              file with a weight for each token
    *_max_length: tokens of a text, special tokens included; by default the source's own
    *_pruning: of every row of a kind
    progress: is told, line by line, what is being done, and to mind the licence where it
              forbids commercial use or is not stated

    Raises NotFound, AlreadyExists or Forbidden for `out` before anything is read, what
    `source.read` raises, and Mismatch (VERIFY_...) where the gate refuses the result. Whatever
    it raises, nothing is left behind.
    """
    _check_built(precision, target)
    _check_word("pooling", pooling, (None, *get_args(Pooling)))
    _check_word("activation", activation, (None, *get_args(Activation)))
    _check_word("special_terms", special_terms, get_args(SpecialTerms))
    asked: dict[Kind, Asked] = {
        "query": Asked(query_max_length, query_pruning or Pruning()),
        "document": Asked(document_max_length, document_pruning or Pruning()),
    }
    with Draft(Path(out), force=force) as draft, ExitStack() as opened:
        progress(f"reading {source}")
        checkpoint = read(
            source, revision, pooling=pooling, activation=activation, allow_pickle=allow_pickle
        )
        if query_source is not None:
            query = read_query_side(
                checkpoint, query_source, query_revision,
                pooling=pooling, activation=activation, allow_pickle=allow_pickle,
            )  # fmt: skip
            checkpoint = replace(checkpoint, query=query)
        _warn(checkpoint, progress)
        build = Build(draft, opened, precision, progress)
        about, pairs, vocabulary = build.sides(checkpoint, special_terms, asked)
        progress("verifying against the source")
        report = Report(pairs.document.reference.description, versions(), progress)
        verify_pairs(pairs, precision, report)
        golden = golden_rows(pairs, report)
        manifest = manifest_of(
            about, precision=precision, target=target,
            vocabulary=vocabulary, files=draft.hashes(), golden=golden,
        )  # fmt: skip
        draft.write_manifest(manifest)
        verify_fresh_process(draft.folder, report)
        draft.write_manifest(replace(manifest, verification=report.to_mapping()))
        draft.publish()
    return Bundle.open(out)


def _warn(checkpoint: Checkpoint, progress: Callable[[str], None]) -> None:
    sides = [checkpoint] if checkpoint.query is None else [checkpoint, checkpoint.query]
    for name, licence in dict.fromkeys((side.name, side.licence) for side in sides):
        line = warning(name, licence)
        if line is not None:
            progress(line)


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
