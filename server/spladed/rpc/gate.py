"""Who may call, and how much: API keys, their scopes and their limits.

A call passes `enter` with its metadata and has a `Caller` until it ends. Without keys
everybody passes and nothing is counted. A stream is one call in flight for as long as it is
open (the server holds a few of its chunks at a time); the texts of each chunk count against
the rate, and a chunk that is over it waits, which stops the reading, where a unary call is
refused: bulk work gets back-pressure, not errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from spladed.errors import Exhausted, Forbidden, Unauthenticated
from spladed.rpc.key_file import Key, Keys, read_keys
from spladed.rpc.rate import Bucket, take
from spladed.rpc.rules import Rule
from spladed.rpc.watched import Watched

__all__ = ["ANYBODY", "Caller", "Gate"]

Metadata = Iterable[tuple[str, str | bytes]]

# Calls are short; a client's own doubling goes on from here.
_IN_FLIGHT_RETRY_SECONDS = 0.1


class _Use:
    """What the callers with one key are using; it outlives changes of the file."""

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        self.bucket = Bucket(float("inf"), now)  # `take` cuts it to what the rate allows


class Caller:
    """A call that nobody counts; and what all callers can be asked.

    is_limited: whether there is a limit to its calls in flight
    """

    is_limited = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def spend(self, request: Any) -> None:
        """Counts a request's texts; raises Exhausted RATE when too many came lately."""

    async def spend_in_time(self, chunk: Any) -> None:
        """Counts a chunk's texts, once they may be; raises Unauthenticated when the key is gone."""


class _KeyHolder(Caller):
    """A call with a key, whose `use` it shares with all that have the same."""

    def __init__(self, gate: Gate, key: Key, rule: Rule, use: _Use) -> None:
        self._gate = gate
        self._key = key
        self._rule = rule
        self._use = use
        self.is_limited = bool(key.max_in_flight)

    def __enter__(self) -> Self:
        limit = self._key.max_in_flight
        if limit and self._use.in_flight >= limit:
            raise Exhausted(
                f"the API key {self._key.name!r} has {self._use.in_flight} calls in flight, its "
                f"limit is {limit}; wait for one of them",
                reason="KEY_IN_FLIGHT",
                retry_after_seconds=_IN_FLIGHT_RETRY_SECONDS,
            )
        self._use.in_flight += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._use.in_flight -= 1

    def spend(self, request: Any) -> None:
        if wait := self._take(request):
            raise Exhausted(
                f"the API key {self._key.name!r} may encode {self._key.texts_per_second:g} texts a "
                "second, and has; wait as long as RetryInfo says",
                reason="KEY_RATE",
                retry_after_seconds=wait,
            )

    async def spend_in_time(self, chunk: Any) -> None:
        while wait := self._take(chunk):
            await asyncio.sleep(wait)
        self._gate.check_still(self._key)

    def _take(self, request: Any) -> float:
        rate, texts = self._key.texts_per_second, self._rule.texts
        if not rate or texts is None:
            return 0.0
        self._use.bucket, wait = take(
            self._use.bucket, rate=rate, amount=texts(request), now=self._gate.now()
        )
        return wait


class Gate:
    """The keys of a server, or none.

    keys: as they stand in the file now; None lets everybody pass
    now:  seconds that only rise
    """

    def __init__(
        self, keys: Watched[Keys] | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._uses: dict[str, _Use] = {}
        self.now = now

    @classmethod
    def open(cls, path: str) -> Gate:
        """The gate of a file of keys, or of none; raises as `read_keys` does."""
        return cls(Watched([path], lambda: read_keys(path)) if path else None)

    def enter(self, rule: Rule, metadata: Metadata | None) -> Caller:
        """The caller, to be entered for as long as the call lasts.

        Raises Unauthenticated API_KEY_MISSING or API_KEY_UNKNOWN, Forbidden SCOPE.
        """
        if self._keys is None:
            return ANYBODY
        key = self._keys.current().find(_presented(metadata))
        if key is None:
            raise Unauthenticated(
                "the API key is not known to this server; it was withdrawn, or is another's",
                reason="API_KEY_UNKNOWN",
            )
        if rule.scope not in key.scopes:
            raise Forbidden(
                f"the API key {key.name!r} has not the scope {rule.scope!r}, which this call asks "
                "for; use a key that has it",
                reason="SCOPE",
            )
        return _KeyHolder(self, key, rule, self._use_of(key.name))

    def check_still(self, key: Key) -> None:
        """Raises Unauthenticated API_KEY_UNKNOWN for a key that was withdrawn meanwhile."""
        if self._keys is not None and not self._keys.current().has(key):
            raise Unauthenticated(
                f"the API key {key.name!r} was withdrawn", reason="API_KEY_UNKNOWN"
            )

    def _use_of(self, name: str) -> _Use:
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = _Use(self.now())
        return use


ANYBODY = Caller()


def _presented(metadata: Metadata | None) -> str:
    """What stands behind "authorization: Bearer"; raises Unauthenticated API_KEY_MISSING."""
    for name, value in metadata or ():
        if name == "authorization" and isinstance(value, str):
            scheme, _, key = value.partition(" ")
            if scheme.lower() == "bearer" and key:
                return key.strip()
    raise Unauthenticated(
        'this server asks for an API key, and the call has none; send the metadata "authorization: '
        'Bearer KEY"',
        reason="API_KEY_MISSING",
    )
