"""Ends a server whose onnxruntime does not come back: nobody must wait for it for ever.

A batch that raises is answered and the engine goes on. One that hangs in native code holds its
thread for good, and no exception reaches it: callers are answered UNAVAILABLE, health says
NOT_SERVING, and after a moment for those answers the process ends with EXIT_CODE, for whoever
supervises it to start another. Acknowledged writes are durable, as after a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence

from spladed.encoder.engine import Engine
from spladed.errors import Unavailable

__all__ = ["EXIT_CODE", "watch_engines"]

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h

_LOOKS = 4  # in the time that a batch may take; a hang tells nobody of itself
_ANSWERING_SECONDS = 1.0

_LOG = logging.getLogger("spladed")


async def watch_engines(
    engines: Callable[[], Sequence[Engine]],
    seconds: float,
    stop_serving: Callable[[], None],
    end: Callable[[int], object] = os._exit,
) -> None:
    """Runs until it is cancelled, or until a batch of one of them has run for `seconds`."""
    while (stuck := max(each.stuck_seconds() for each in engines())) < seconds:
        await asyncio.sleep(seconds / _LOOKS)
    _LOG.critical("a batch has been running for %.0f s: the process ends with %d", stuck, EXIT_CODE)
    stop_serving()
    error = Unavailable(
        "the encoder hangs, and the server ends; another one, or a moment later, will do",
        reason="ENGINE_HUNG",
    )
    for engine in engines():
        engine.give_up(error)
    await asyncio.sleep(_ANSWERING_SECONDS)
    end(EXIT_CODE)
