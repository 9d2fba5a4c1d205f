"""`spladed key new`."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from spladed.errors import InvalidInput
from spladed.rpc.key_file import Key, Scope, digest, new_key, to_toml

__all__ = ["make_key"]


def make_key(
    name: Annotated[str, typer.Argument(help="Of the key, as it stands in the file.")],
    scope: Annotated[list[str], typer.Option(help="read, write or admin; may be given again.")],
    max_in_flight: Annotated[int, typer.Option(help="Calls at once; 0 is no limit.", min=0)] = 0,
    texts_per_second: Annotated[
        float, typer.Option(help="To be encoded; 0 is no limit.", min=0)
    ] = 0.0,
) -> None:
    """Make an API key: the key itself on stderr, this once; its lines for the file on stdout.

    spladed key new search-frontend --scope read >> keys.toml
    """
    key = new_key()
    scopes = cast(frozenset[Scope], frozenset(scope))  # which `to_toml` checks
    try:
        lines = to_toml(Key(name, digest(key), scopes, max_in_flight, texts_per_second))
    except ValueError as error:
        raise InvalidInput(str(error), reason="USAGE", field="name") from error
    typer.echo(f"the key, not to be seen again: {key}", err=True)
    typer.echo(lines)
