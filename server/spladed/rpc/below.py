"""A folder that a caller names below one of the server's, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from spladed.errors import InvalidInput

__all__ = ["folder_below"]

# File systems take 255 bytes; a folder is built under a longer name than it then gets.
_MAX_NAME_BYTES = 200


def folder_below(root: str, named: str, *, field: str, reason: str) -> Path:
    """The folder `named` below `root`.

    Raises InvalidInput for a path that leaves it, by its words or by a link.
    """
    found = _below(Path(root).resolve(), named)
    if found is None:
        raise InvalidInput(
            f"{field} is {named!r}; expected a path below the server's folder for it, as "
            "notes/2026-11-24, without .. and without links that lead elsewhere",
            reason=reason,
            field=field,
        )
    return found


def _below(root: Path, named: str) -> Path | None:
    path = Path(named)
    too_long = any(len(part.encode()) > _MAX_NAME_BYTES for part in path.parts)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in named or too_long:
        return None
    try:
        found = (root / path).resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None
    return found if found != root and found.is_relative_to(root) else None
