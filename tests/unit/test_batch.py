"""The batch policy, as properties: whatever waits, whatever the limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.encoder.batch import BatchPolicy, WaitingRow, WaitingRows
from spladed.errors import InvalidInput

kinds = st.sampled_from(["query", "document"])
arrivals = st.lists(st.tuples(st.integers(1, 600), kinds), max_size=60)
policies = st.builds(
    BatchPolicy,
    max_batch_tokens=st.integers(1, 4096),
    length_step=st.sampled_from([1, 8, 16]),
    max_padding_share=st.floats(0, 0.5),
    max_query_batches=st.integers(1, 4),
    longest=st.integers(600, 650),
)


def taken(policy: BatchPolicy, rows: list[tuple[int, str]]) -> list[list[WaitingRow[int]]]:
    waiting: WaitingRows[int] = WaitingRows(policy)
    for number, (length, kind) in enumerate(rows):
        waiting.add(length, kind, number)  # type: ignore[arg-type]
    batches = []
    while batch := waiting.take():
        batches.append(batch)
    assert len(waiting) == 0
    assert waiting.tokens == 0
    return batches


@given(policies, arrivals)
def test_every_row_is_taken_exactly_once(policy: BatchPolicy, rows: list[tuple[int, str]]) -> None:
    owners = [row.owner for batch in taken(policy, rows) for row in batch]
    assert sorted(owners) == list(range(len(rows)))


@given(policies, arrivals)
def test_a_batch_keeps_to_the_limits(policy: BatchPolicy, rows: list[tuple[int, str]]) -> None:
    for batch in taken(policy, rows):
        longest = max(policy.padded(row.length) for row in batch)
        cost = longest * len(batch)
        lanes = sum(policy.padded(row.length) for row in batch)
        assert len({row.kind for row in batch}) == 1
        assert cost <= policy.max_batch_tokens or len(batch) == 1
        assert cost - lanes <= policy.max_padding_share * cost + 1e-6


@given(policies, arrivals)
def test_a_batch_holds_the_oldest_row_of_its_kind(
    policy: BatchPolicy, rows: list[tuple[int, str]]
) -> None:
    left = list(range(len(rows)))
    for batch in taken(policy, rows):
        oldest = min(number for number in left if rows[number][1] == batch[0].kind)
        assert oldest in {row.owner for row in batch}
        left = [number for number in left if number not in {row.owner for row in batch}]


@given(policies, st.integers(1, 30))
def test_a_document_waits_for_a_bounded_number_of_query_batches(
    policy: BatchPolicy, queries: int
) -> None:
    waiting: WaitingRows[int] = WaitingRows(policy)
    waiting.add(100, "document", -1)
    for number in range(queries * 50):
        waiting.add(10, "query", number)
    before = 0
    while waiting.take()[0].kind == "query":
        before += 1
    assert before <= policy.max_query_batches


@given(policies, st.integers(1, 600))
def test_padding_recurs_and_ends_with_the_model(policy: BatchPolicy, length: int) -> None:
    padded = policy.padded(length)
    assert length <= padded <= policy.longest
    assert padded % policy.length_step == 0 or padded == policy.longest


@given(policies, arrivals, st.integers(1, 2048))
def test_a_tighter_budget_holds_for_documents_alone(
    policy: BatchPolicy, rows: list[tuple[int, str]], tokens: int
) -> None:
    waiting: WaitingRows[int] = WaitingRows(policy)
    for number, (length, kind) in enumerate(rows):
        waiting.add(length, kind, number)  # type: ignore[arg-type]
    batches = list(iter(lambda: waiting.take(document_tokens=tokens), []))
    assert sorted(row.owner for batch in batches for row in batch) == list(range(len(rows)))
    for batch in batches:
        cost = len(batch) * max(policy.padded(row.length) for row in batch)
        document = batch[0].kind == "document"
        budget = min(tokens, policy.max_batch_tokens) if document else policy.max_batch_tokens
        assert cost <= budget or len(batch) == 1
    free = taken(policy, rows)
    queries = [[row.owner for row in batch] for batch in batches if batch[0].kind == "query"]
    assert queries == [[r.owner for r in batch] for batch in free if batch[0].kind == "query"]


@given(policies, arrivals, st.integers(1, 2048))
def test_a_lane_is_left_in_the_order_it_was_entered(
    policy: BatchPolicy, rows: list[tuple[int, str]], tokens: int
) -> None:
    waiting: WaitingRows[int] = WaitingRows(policy)
    for number, (length, kind) in enumerate(rows):
        waiting.add(length, kind, number)  # type: ignore[arg-type]
    left: dict[tuple[str, int], list[int]] = {}
    for batch in iter(lambda: waiting.take(document_tokens=tokens), []):
        for row in batch:
            left.setdefault((row.kind, policy.padded(row.length)), []).append(row.owner)
    assert all(owners == sorted(owners) for owners in left.values())


@given(policies, arrivals, st.sets(st.integers(0, 60)), st.booleans())
def test_what_nobody_wants_is_dropped_and_takes_no_room(
    policy: BatchPolicy, rows: list[tuple[int, str]], unwanted: set[int], first: bool
) -> None:
    def wanted(number: int) -> bool:
        return number not in unwanted

    waiting: WaitingRows[int] = WaitingRows(policy)
    for number, (length, kind) in enumerate(rows):
        waiting.add(length, kind, number)  # type: ignore[arg-type]
    if first:
        waiting.drop(wanted)
        kept = [number for number in range(len(rows)) if wanted(number)]
        assert waiting.tokens == sum(rows[number][0] for number in kept)
        assert len(waiting) == len(kept)
    batches = list(iter(lambda: waiting.take(wanted=wanted), []))
    numbers = [row.owner for batch in batches for row in batch]
    assert sorted(numbers) == [number for number in range(len(rows)) if wanted(number)]
    assert (len(waiting), waiting.tokens) == (0, 0)


def test_queries_that_nobody_wants_do_not_count_as_a_batch_before_documents() -> None:
    waiting: WaitingRows[int] = WaitingRows(BatchPolicy(max_query_batches=1))
    for owner in range(3):
        waiting.add(10, "query" if owner < 2 else "document", owner)
    (document,) = waiting.take(wanted=lambda owner: owner == 2)
    assert document.owner == 2
    waiting.add(10, "document", 3)
    waiting.add(10, "query", 4)
    assert waiting.take()[0].kind == "query"


def test_queries_go_first() -> None:
    batches = taken(BatchPolicy(), [(100, "document"), (5, "query")])
    assert [batch[0].kind for batch in batches] == ["query", "document"]


def test_short_rows_do_not_pay_for_a_long_one() -> None:
    batches = taken(BatchPolicy(), [(512, "document"), *[(16, "document")] * 20])
    assert [len(batch) for batch in batches] == [1, 20]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"max_batch_tokens": 0}, "encoder.max_batch_tokens"),
        ({"length_step": 0}, "encoder.length_step"),
        ({"max_padding_share": 1.0}, "encoder.max_padding_share"),
        ({"max_query_batches": 0}, "encoder.max_query_batches"),
    ],
)
def test_a_wrong_limit_is_named(values: dict[str, int], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        BatchPolicy(**values)  # type: ignore[arg-type]
    assert caught.value.field == field
