"""What a request may ask of the index, checked before any work is done."""

from __future__ import annotations

from spladed.errors import InvalidInput, Mismatch, Unimplemented
from spladed.v1 import index_pb2 as pb

__all__ = [
    "check_count",
    "check_dimension",
    "check_search_built",
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


def check_search_built(request: pb.SearchRequest) -> None:
    """Raises Unimplemented for what the contract has and this version has not."""
    if request.mode == pb.SEARCH_MODE_APPROXIMATE:
        raise Unimplemented(
            "mode SEARCH_MODE_APPROXIMATE is in the contract and not built in this version; use "
            "SEARCH_MODE_EXACT",
            reason="NOT_BUILT",
            field="mode",
        )
    if request.mode not in (pb.SEARCH_MODE_UNSPECIFIED, pb.SEARCH_MODE_EXACT):
        raise InvalidInput(
            f"mode is {request.mode}; expected a value of SearchMode", reason="ENUM", field="mode"
        )
    if request.projection.vectors:
        raise InvalidInput(
            "projection.vectors is set; vectors come only with Get",
            reason="PROJECTION",
            field="projection.vectors",
        )
