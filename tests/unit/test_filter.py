"""Combined filters keep what their parts say, and answer as the wire's do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput, Unimplemented
from spladed.index.filter import Filter
from spladed.rpc.filters import read_filter
from spladed.v1 import index_pb2 as pb

IDS = "abcd"
names = st.frozensets(st.sampled_from(IDS))
filters = st.builds(Filter, names, st.booleans())


@given(filters, filters, st.sampled_from([*IDS, "other"]))
def test_combinations(left: Filter, right: Filter, id: str) -> None:
    assert (left & right).keeps(id) == (left.keeps(id) and right.keeps(id))
    assert (left | right).keeps(id) == (left.keeps(id) or right.keeps(id))
    assert (~left).keeps(id) == (not left.keeps(id))


def leaf(ids: frozenset[str]) -> pb.Filter:
    return pb.Filter(ids=pb.Ids(ids=sorted(ids)))


wire = st.recursive(
    names.map(leaf),
    lambda inner: st.one_of(
        inner.map(lambda one: pb.Filter(negation=one)),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda some: pb.Filter(all_of=pb.Filters(filters=some))
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda some: pb.Filter(any_of=pb.Filters(filters=some))
        ),
    ),
    max_leaves=8,
)


def keeps(filter: pb.Filter, id: str) -> bool:
    """What the contract's comments say, read literally."""
    condition = filter.WhichOneof("condition")
    if condition == "ids":
        return id in filter.ids.ids
    if condition == "negation":
        return not keeps(filter.negation, id)
    if condition == "all_of":
        return all(keeps(each, id) for each in filter.all_of.filters)
    return any(keeps(each, id) for each in filter.any_of.filters)


@given(wire)
def test_the_wires_filters(filter: pb.Filter) -> None:
    read = read_filter(filter)
    assert [read.keeps(id) for id in [*IDS, "other"]] == [
        keeps(filter, id) for id in [*IDS, "other"]
    ]


def test_fields_and_emptiness_are_named() -> None:
    with pytest.raises(Unimplemented, match=r"filter\.negation\.range"):
        read_filter(pb.Filter(negation=pb.Filter(range=pb.Range(field="year"))))
    with pytest.raises(InvalidInput, match=r"filter\.any_of\.filters is empty"):
        read_filter(pb.Filter(any_of=pb.Filters()))
