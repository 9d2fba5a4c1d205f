"""Asks when requests are due, and takes down what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from spladed.errors import SpladedError
from spladed.pressure.samples import GOOD, WRONG, Samples

__all__ = ["Ask", "closed_loop", "open_loop"]

# Asks the request of this number; whether the answer was the right one.
Ask = Callable[[int], Awaitable[bool]]

Told = Callable[[int], None]

_TOLD_EVERY = 64  # requests: a progress bar costs as much as one of them


async def open_loop(ask: Ask, due: Sequence[float], told: Told = lambda _: None) -> Samples:
    """Each request when it is due, however many are unanswered.

    due:  seconds from the start, rising
    told: the number of requests that are over, now and then
    """
    samples, began = Samples(), time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, when in enumerate(due):
            wait = began + when - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.create_task(_one(ask, number, when, began, samples, told))
    return samples


async def closed_loop(
    ask: Ask, in_flight: int, seconds: float, told: Told = lambda _: None
) -> Samples:
    """`in_flight` requests at any time, each sent when another has ended: what a server can do
    at most. A request is due when it is sent."""
    samples, began, asked = Samples(), time.perf_counter(), 0

    async def caller() -> None:
        nonlocal asked
        while (now := time.perf_counter() - began) < seconds:
            number, asked = asked, asked + 1
            await _one(ask, number, now, began, samples, told)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(caller())
    return samples


async def _one(
    ask: Ask, number: int, due: float, began: float, samples: Samples, told: Told
) -> None:
    sent = time.perf_counter() - began
    try:
        ending = GOOD if await ask(number) else WRONG
    except SpladedError as error:
        ending = error.reason
    samples.add(due, sent, time.perf_counter() - began, ending)
    if len(samples.due) % _TOLD_EVERY == 0:
        told(len(samples.due))
