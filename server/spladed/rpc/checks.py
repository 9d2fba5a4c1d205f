"""What a request may ask of the index, checked before any work is done."""

from __future__ import annotations

from spladed.errors import InvalidInput, Mismatch
from spladed.index.check import check_effort
from spladed.v1 import index_pb2 as pb

__all__ = [
    "check_count",
    "check_dimension",
    "check_search",
    "effort_of",
]


def check_count(found: int, field: str, most: int) -> None:
    """Raises InvalidInput unless 1 <= found <= most."""
    if not 1 <= found <= most:
        raise InvalidInput(
            f"{field} has {found} entries; expected 1 to {most} in one request",
            reason="COUNT",
            field=field,
        )


def check_dimension(found: int, expected: int, bundle: str) -> None:
    """Raises Mismatch for a dimension that is set and not the bundle's."""
    if found not in (0, expected):
        raise Mismatch(
            f"settings.dimension is {found}; the bundle {bundle!r} has {expected} terms: leave "
            "it 0, or leave the bundle empty for a collection of bare vectors",
            reason="DIMENSION",
            field="settings.dimension",
        )


def check_search(request: pb.SearchRequest) -> None:
    """Raises InvalidInput ENUM, EFFORT, PROJECTION."""
    check_effort(request.effort)
    if request.mode not in pb.SearchMode.values():
        raise InvalidInput(
            f"mode is {request.mode}; expected a value of SearchMode", reason="ENUM", field="mode"
        )
    if request.mode != pb.SEARCH_MODE_APPROXIMATE and request.effort not in (0, 1):
        raise InvalidInput(
            f"effort is {request.effort:g}, and an exact search takes none; leave it out, or set "
            "mode to SEARCH_MODE_APPROXIMATE",
            reason="EFFORT",
            field="effort",
        )
    if request.projection.vectors:
        raise InvalidInput(
            "projection.vectors is set; vectors come only with Get",
            reason="PROJECTION",
            field="projection.vectors",
        )


def effort_of(request: pb.SearchRequest) -> float:
    """The effort of a search that was checked: 1 is an exact one's."""
    return request.effort if request.mode == pb.SEARCH_MODE_APPROXIMATE else 1.0
