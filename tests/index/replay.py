"""Power cuts of a recorded day, each opened and compared."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from .cuts import PowerCut, Store, cuts_without, power_cuts
from .day import record
from .record import Synced
from .state import observed

__all__ = ["Replay"]

_MEMORY = Path("/dev/shm")  # where there is one, fsync costs nothing


class Replay:
    """Records a day, then replays power cuts of it; `opened` counts them, `close` removes all.

    sites: by the code that asked for an fsync, which events those are
    """

    def __init__(self) -> None:
        where = _MEMORY if _MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="spladed-replay-", dir=where))
        (self._folder / "blobs").mkdir()
        self._store = Store(self._folder / "blobs", [".segment"])
        self.events = record(self._folder)
        self.opened = 0
        self.sites: defaultdict[str, set[int]] = defaultdict(set)
        for number, event in enumerate(self.events):
            if isinstance(event, Synced):
                self.sites[event.site].add(number)

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder)

    def faults(self, torn: int) -> list[str]:
        """What is wrong after any power cut, torn ones in so many ways."""
        found = ((cut, self._fault(cut)) for cut in power_cuts(self.events, torn))
        return [f"{cut}: {fault}" for cut, fault in found if fault]

    def is_needed(self, syncs: Iterable[int]) -> bool:
        """Whether something would be wrong after some power cut, were these not done."""
        return any(self._fault(cut) for cut in cuts_without(self.events, frozenset(syncs)))

    def _fault(self, cut: PowerCut) -> str:
        root = self._folder / "cut"
        self._store.build(cut.tree, root)
        self.opened += 1
        try:
            found = observed(root)
        except Exception as error:  # whatever it is, nobody could read what they wrote
            return repr(error)
        finally:
            shutil.rmtree(root)
        return "" if found in cut.allowed else f"found {found}, not one of {cut.allowed}"
