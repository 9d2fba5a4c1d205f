"""Masks that were asked for before, kept as long as their segment is there and they fit."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from spladed.index.bits import Bits
from spladed.index.filter import AllOf, AnyOf, Filter, Ids, Membership, Not
from spladed.index.mask import Filtered, evaluate

__all__ = ["Masks"]

# 512 masks of a million documents.
_MAX_BYTES = 64 << 20
# What an entry takes beside its masks and values, roughly.
_ENTRY_BYTES = 2_048


@dataclass(frozen=True, slots=True)
class _Entry:
    """The masks of one filter, and the bytes of the filter itself."""

    own_bytes: int
    masks: WeakKeyDictionary[Filtered, Bits] = field(default_factory=WeakKeyDictionary)

    @property
    def nbytes(self) -> int:
        # A list, since a mask may go with its segment meanwhile.
        return self.own_bytes + sum(mask.nbytes for mask in list(self.masks.values()))


class Masks:
    """The mask of (filter, segment), evaluated once; threads may share it.

    Segments are told apart by identity, and are not held: the masks of one go with it.
    What is used least recently goes first, a filter at a time, since a search asks for a
    filter's masks together.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Filter, _Entry] = OrderedDict()
        self._bytes = 0  # at least what is held: what went with a segment is noticed later

    def get(self, filter: Filter, segment: Filtered) -> Bits:
        """As `mask.evaluate` gives it, read-only."""
        with self._lock:
            entry = self._entries.get(filter)
            found = None if entry is None else entry.masks.get(segment)
            if found is not None:
                self._entries.move_to_end(filter)
                return found
        # Two threads may both do this: the masks are equal, and neither waits for the other.
        mask = evaluate(filter, segment).view()
        mask.flags.writeable = False
        with self._lock:
            self._keep(filter, segment, mask)
        return mask

    @property
    def nbytes(self) -> int:
        """How many bytes are held now."""
        with self._lock:
            return self._counted()

    def _keep(self, filter: Filter, segment: Filtered, mask: Bits) -> None:
        if filter not in self._entries:
            self._entries[filter] = _Entry(_size(filter))
            self._bytes += self._entries[filter].own_bytes
        self._entries[filter].masks[segment] = mask
        self._entries.move_to_end(filter)
        self._bytes += mask.nbytes
        if self._bytes > self._max_bytes:
            self._make_room()

    def _make_room(self) -> None:
        self._bytes = self._counted()
        while self._bytes > self._max_bytes:
            _, gone = self._entries.popitem(last=False)
            self._bytes -= gone.nbytes

    def _counted(self) -> int:
        return sum(entry.nbytes for entry in self._entries.values())


def _size(filter: Filter) -> int:
    """The bytes that keeping this filter as a key takes, roughly."""
    match filter:
        case AllOf(filters) | AnyOf(filters):
            return _ENTRY_BYTES + sum(map(_size, filters))
        case Not(negated):
            return _ENTRY_BYTES + _size(negated)
        case Membership(_, values) | Ids(values):
            return _ENTRY_BYTES + sys.getsizeof(values) + sum(map(sys.getsizeof, values))
    return _ENTRY_BYTES
