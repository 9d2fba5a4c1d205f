"""How a request's mode and effort are understood."""

from __future__ import annotations

import math

import pytest

from spladed.client import calls
from spladed.client.options import encode_options
from spladed.errors import InvalidInput
from spladed.rpc.checks import check_search, effort_of
from spladed.v1 import index_pb2 as pb

VECTORS = pb.Projection(vectors=True)
EXACT, APPROXIMATE = pb.SEARCH_MODE_EXACT, pb.SEARCH_MODE_APPROXIMATE


@pytest.mark.parametrize(
    ("request_", "effort"),
    [
        (pb.SearchRequest(), 1),
        (pb.SearchRequest(mode=EXACT), 1),
        (pb.SearchRequest(mode=EXACT, effort=1), 1),
        (pb.SearchRequest(mode=APPROXIMATE), 0),  # what is not set is 0
        (pb.SearchRequest(mode=APPROXIMATE, effort=0.25), 0.25),
        (pb.SearchRequest(mode=APPROXIMATE, effort=1), 1),
    ],
)
def test_effort(request_: pb.SearchRequest, effort: float) -> None:
    check_search(request_)
    assert effort_of(request_) == effort


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (pb.SearchRequest(mode=APPROXIMATE, effort=1.5), "EFFORT", "effort"),
        (pb.SearchRequest(mode=APPROXIMATE, effort=-1), "EFFORT", "effort"),
        (pb.SearchRequest(mode=APPROXIMATE, effort=math.nan), "EFFORT", "effort"),
        (pb.SearchRequest(effort=math.nan), "EFFORT", "effort"),
        (pb.SearchRequest(effort=0.5), "EFFORT", "effort"),
        (pb.SearchRequest(mode=EXACT, effort=0.5), "EFFORT", "effort"),
        (pb.SearchRequest(mode=3), "ENUM", "mode"),  # type: ignore[arg-type]  # of a later contract
        (pb.SearchRequest(projection=VECTORS), "PROJECTION", "projection.vectors"),
    ],
)  # fmt: skip
def test_what_is_refused(request_: pb.SearchRequest, reason: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_search(request_)
    assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize("effort", [0.0, 0.5, 0.75, 1.0])
def test_a_clients_effort_arrives(effort: float) -> None:
    wanted, asked = calls.projection(False, False, False), encode_options()
    call = calls.search("c", ["x"], None, 3, None, effort, wanted, 0, asked)
    request = pb.SearchRequest.FromString(call.request.SerializeToString())
    check_search(request)
    assert effort_of(request) == effort
    assert (request.mode == pb.SEARCH_MODE_UNSPECIFIED) == (effort == 1)
