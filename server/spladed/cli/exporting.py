"""`spladed export`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from spladed.cli import show
from spladed.errors import InvalidInput, Mismatch
from spladed.pruning import Pruning

__all__ = ["export", "parse_pruning"]

_RULES = "Of every row, as top_terms=64,max_ratio=0.1."


def parse_pruning(rules: str) -> Pruning:
    """Rules by name, with commas between them; raises InvalidInput PRUNING."""
    found: dict[str, float] = {}
    for rule in rules.split(","):
        name, _, value = rule.partition("=")
        try:
            known = {each.name: each.type for each in fields(Pruning)}[name.strip()]
            found[name.strip()] = int(value) if known == "int" else float(value)
        except (KeyError, ValueError):
            names = ", ".join(f"{each.name}=..." for each in fields(Pruning))
            raise InvalidInput(
                f"pruning rule {rule!r}; expected some of {names}, with commas between them",
                reason="PRUNING",
                field="pruning",
            ) from None
    return Pruning(**found)  # type: ignore[arg-type]  # top_terms is whole, as made above


def export(
    source: Annotated[str, typer.Argument(help="Hub id, checkpoint folder, or ONNX folder.")],
    out: Annotated[Path, typer.Argument(help="Bundle folder to make.")],
    precision: Annotated[Literal["fp32", "int8"], typer.Option(help="Of the weights.")] = "fp32",
    target: Annotated[Literal["cpu"], typer.Option(help="What the graph is made for.")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="For want of safetensors, pickles.")
    ] = False,
    pooling: Annotated[
        Literal["max", "sum"] | None, typer.Option(help="If the source does not say: max.")
    ] = None,
    activation: Annotated[
        Literal["log1p_relu", "log1p_log1p_relu"] | None,
        typer.Option(help="If the source does not say: log1p_relu."),
    ] = None,
    special_terms: Annotated[
        Literal["keep", "drop"], typer.Option(help="Terms of special tokens.")
    ] = "keep",
    query_source: Annotated[
        str | None, typer.Option(help="What encodes queries, if not SOURCE; or JSON weights.")
    ] = None,
    query_revision: Annotated[str | None, typer.Option(help="Of a query source's hub id.")] = None,
    query_max_length: Annotated[int | None, typer.Option(help="Tokens of a query.")] = None,
    document_max_length: Annotated[int | None, typer.Option(help="Tokens of a document.")] = None,
    prune_queries: Annotated[
        Pruning | None, typer.Option(parser=parse_pruning, metavar="RULES", help=_RULES)
    ] = None,
    prune_documents: Annotated[
        Pruning | None, typer.Option(parser=parse_pruning, metavar="RULES", help="Likewise.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Turn a SPLADE checkpoint into a verified bundle (needs 'spladed[export]').

    Of the hub, HF_TOKEN opens gated and private models; HF_HUB_OFFLINE=1 takes what was
    loaded before. From pickles torch takes tensors alone.
    """
    try:
        from spladed_export.export import export as run
    except ModuleNotFoundError as error:
        raise Mismatch(
            f"export needs {error.name}: pip install 'spladed[export]' in an environment of "
            "its own",
            reason="EXTRA_MISSING",
        ) from error
    bundle = run(
        source,
        out,
        precision=precision,
        target=target,
        revision=revision,
        allow_pickle=allow_pickle,
        force=force,
        pooling=pooling,
        activation=activation,
        special_terms=special_terms,
        query_source=query_source,
        query_revision=query_revision,
        query_max_length=query_max_length,
        document_max_length=document_max_length,
        query_pruning=prune_queries,
        document_pruning=prune_documents,
        progress=show.progress_line,
    )
    show.print_bundle(bundle.manifest, str(bundle.path))
