"""How a call ends with an error."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

import grpc.aio

from spladed.errors import SpladedError
from spladed.rpc.status import message_of, to_code, trailers

__all__ = ["abort"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


async def abort(context: Context, error: SpladedError) -> NoReturn:
    """Ends the call; grpc does it by raising, so nothing after this runs."""
    await context.abort(to_code(error), message_of(error), trailers(error))
    raise AssertionError("abort returned")
