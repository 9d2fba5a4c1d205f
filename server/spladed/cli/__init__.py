"""How does a person at a terminal use it?

One typer application; each command is a few lines that read input, call the client (or the
server, or the exporter) and show values with `show`. Every error ends as one line with what
to do, and an exit code: 2 the request must change, 3 try again later, 1 the server's fault.
"""

from __future__ import annotations

import sys

from spladed.errors import CallerError, CapacityError, SpladedError

__all__ = ["main"]


def main() -> None:
    """The `spladed` command."""
    try:
        from spladed.cli.commands import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("spladed: the command line needs 'spladed[server]': pip install 'spladed[server]'")
    try:
        app()
    except SpladedError as error:
        print(f"spladed: {error.message} [{error.reason}]", file=sys.stderr)
        sys.exit(_exit_code(error))


def _exit_code(error: SpladedError) -> int:
    if isinstance(error, CallerError):
        return 2
    return 3 if isinstance(error, CapacityError) else 1
