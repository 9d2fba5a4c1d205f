"""`min_generation`: a read waits for the write that its caller knows of."""

from __future__ import annotations

import asyncio

from spladed.errors import Unavailable
from spladed.index.collection import Collection

__all__ = ["MAX_WAIT_SECONDS", "wait_for_generation"]

# Acknowledged writes are visible, so what is waited for is a write in flight: an encoding
# and an fsync. A generation that no such write makes may never come (a restored backup, a
# number made up), and its caller should hear of it soon; a shorter deadline ends the call
# before.
MAX_WAIT_SECONDS = 1.0


async def wait_for_generation(collection: Collection, wanted: int) -> None:
    """Returns once reads see this generation; raises Unavailable GENERATION_NOT_REACHED."""
    if collection.generation >= wanted:
        return
    reached = asyncio.wrap_future(collection.reached(wanted))
    try:
        await asyncio.wait_for(reached, MAX_WAIT_SECONDS)
    except TimeoutError as error:
        raise Unavailable(
            f"min_generation is {wanted}; this server is at {collection.generation}",
            reason="GENERATION_NOT_REACHED",
            field="min_generation",
            retry_after_seconds=0.1,
        ) from error
