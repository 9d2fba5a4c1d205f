"""The application: every command by its name."""

from __future__ import annotations

import typer

from spladed.cli.bench import bench_encode, bench_search
from spladed.cli.encoding import encode, terms
from spladed.cli.evaluate import evaluate
from spladed.cli.exporting import export
from spladed.cli.keys import make_key
from spladed.cli.loading import load
from spladed.cli.searching import add, explain, info, search
from spladed.cli.serve import compile_kernels, print_config, serve
from spladed.cli.tune import tune
from spladed.cli.upkeep import backup, check, compact, flush, inspect, restore

__all__ = ["app"]

app = typer.Typer(
    help="SPLADE in production: export a checkpoint, serve it, encode, index, search, explain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (serve, search, explain, encode, terms, info, export, tune):
    app.command()(command)
app.command("eval")(evaluate)
app.command("config")(print_config)

index_app = typer.Typer(help="Work on a collection.", no_args_is_help=True, rich_markup_mode=None)
index_app.command("add")(add)
index_app.command("load")(load)
index_app.command("compile")(compile_kernels)
for command in (check, inspect, flush, compact, backup, restore):
    index_app.command()(command)
app.add_typer(index_app, name="index")

bench_app = typer.Typer(
    help="Put a server under a rate of requests.", no_args_is_help=True, rich_markup_mode=None
)
bench_app.command("encode")(bench_encode)
bench_app.command("search")(bench_search)
app.add_typer(bench_app, name="bench")

key_app = typer.Typer(help="Work on API keys.", no_args_is_help=True, rich_markup_mode=None)
key_app.command("new")(make_key)


@key_app.callback()
def _keys() -> None:
    """Without a callback typer would make the one command the group itself."""


app.add_typer(key_app, name="key")
