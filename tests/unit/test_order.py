"""Writes that share an id take effect in the order of admission."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from spladed.rpc.order import AdmissionOrder


async def write(
    order: AdmissionOrder, number: int, ids: Sequence[str], encoding: int, done: list[int]
) -> None:
    """A write that encodes for `encoding` turns of the loop, then commits."""
    async with order.turn("c", ids) as turn:
        for _ in range(encoding):
            await asyncio.sleep(0)
        await turn.come()
        work = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: (done.append(number), work.set_result(None)))
        await turn.commit(work)


writes = st.lists(
    st.tuples(st.sets(st.sampled_from("abc"), min_size=1), st.integers(0, 6)), max_size=8
)


@given(writes, st.data())
def test_of_two_writes_of_one_id_the_earlier_admitted_commits_first(
    plan: list[tuple[set[str], int]], data: st.DataObject
) -> None:
    cancelled = data.draw(st.sets(st.integers(0, max(0, len(plan) - 1))))

    async def run() -> list[int]:
        order, done = AdmissionOrder(), []
        tasks = []
        for number, (ids, encoding) in enumerate(plan):
            tasks.append(asyncio.create_task(write(order, number, sorted(ids), encoding, done)))
            await asyncio.sleep(0)  # admitted, in this order
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(4 * len(tasks)):  # the turns of cancelled writes end a little later
            await asyncio.sleep(0)
        assert order._last == {}
        return done

    done = asyncio.run(run())
    assert set(range(len(plan))) - cancelled <= set(done)
    for later in range(len(plan)):
        for earlier in range(later):
            if plan[earlier][0] & plan[later][0] and {earlier, later} <= set(done):
                assert done.index(earlier) < done.index(later)


def test_writes_of_other_ids_do_not_wait() -> None:
    async def run() -> list[int]:
        order, done = AdmissionOrder(), []
        slow = asyncio.create_task(write(order, 0, ["a"], 50, done))
        await asyncio.sleep(0)
        await write(order, 1, ["b"], 0, done)
        await slow
        return done

    assert asyncio.run(run()) == [1, 0]
