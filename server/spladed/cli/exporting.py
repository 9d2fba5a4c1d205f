"""`spladed export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from spladed.cli import show
from spladed.errors import Mismatch

__all__ = ["export"]


def export(
    source: Annotated[str, typer.Argument(help="Hub id, checkpoint folder, or ONNX folder.")],
    out: Annotated[Path, typer.Argument(help="Bundle folder to make.")],
    precision: Annotated[Literal["fp32", "int8"], typer.Option(help="Of the weights.")] = "fp32",
    target: Annotated[Literal["cpu"], typer.Option(help="What the graph is made for.")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
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
    query_max_length: Annotated[int | None, typer.Option(help="Tokens of a query.")] = None,
    document_max_length: Annotated[int | None, typer.Option(help="Tokens of a document.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Turn a SPLADE checkpoint into a verified bundle (needs 'spladed[export]')."""
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
        force=force,
        pooling=pooling,
        activation=activation,
        special_terms=special_terms,
        query_max_length=query_max_length,
        document_max_length=document_max_length,
        progress=show.progress_line,
    )
    show.print_bundle(bundle.manifest, str(bundle.path))
