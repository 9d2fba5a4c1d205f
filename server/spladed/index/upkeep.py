"""Flush, merge and purge, beside the writes.

    flush   batches -> segment file    fsync, rename, fsync folder, one transaction, publish
    merge   neighbours -> segment file the same; then the old files are removed
    purge   payloads of the dead       once no reader's snapshot has them

Each leaves every document, its numbers and its order as they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spladed.errors import Exhausted, Internal, InvalidInput, SpladedError
from spladed.index import commit, files, merge
from spladed.index.builder import Builder, Child, Here
from spladed.index.catalog import Catalog
from spladed.index.pins import Pins
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.writer import Writer

__all__ = ["Keeper", "Upkeep"]

_LOG = logging.getLogger("spladed.index")
# After a failure, which is most likely a full disk, before it is tried again.
_RETRY_SECONDS = 5.0
# For readers of what was replaced: who lets go of it last unmaps it, 30 ms a gigabyte.
_LINGER_SECONDS = 0.2
# Segment files at which merges are so far behind that writes wait: searches visit each.
_MAX_SEGMENTS = 64


@dataclass(frozen=True, slots=True)
class Upkeep:
    """When work is done beside the writes; raises InvalidInput if it cannot be so.

    flush_documents, flush_bytes: what the buffer holds when it is flushed. It is in memory,
        searched beside the segments, and built anew when the collection is opened.
    max_flushes:   how many times that it may hold while a flush is under way; then writes wait
    stall_seconds: how long they wait before they are refused
    background:    on threads and in child processes; else in the write that made it due
    """

    flush_documents: int = 32_768
    flush_bytes: int = 64 << 20
    max_flushes: int = 4
    stall_seconds: float = 30.0
    background: bool = True

    def __post_init__(self) -> None:
        for name in ("flush_documents", "flush_bytes", "max_flushes", "stall_seconds"):
            if getattr(self, name) <= 0:
                raise InvalidInput(
                    f"upkeep.{name} is {getattr(self, name)}; expected more than 0",
                    reason="CONFIG",
                    field=f"upkeep.{name}",
                )


class Keeper:
    """Does the upkeep of one collection until `close`."""

    def __init__(
        self, folder: Path, catalog: Catalog, writer: Writer, pins: Pins, settings: Upkeep
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._writer = writer
        self._pins = pins
        self._settings = settings
        self._changed = threading.Condition()
        self._closed = False
        self._failure: SpladedError | None = None
        self._flushing, self._merging = threading.Lock(), threading.Lock()
        self._may_merge = True
        self._keeping = threading.Lock()
        self._keepers = 0
        self._unwanted: list[Path] = []
        self._unsettled: set[Path] = set()
        make: Callable[[], Builder] = Child if settings.background else Here
        self._flush_builder, self._merge_builder = make(), make()
        self._threads: list[threading.Thread] = []
        if settings.background:
            self._start("flush", self._flush_due, self.flush)
            self._start("merge", self._merge_due, self._merge_next)

    def close(self) -> None:
        """Give up what is under way; what it was about to do is done after the next open."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for builder in (self._flush_builder, self._merge_builder):
            builder.close()
        for thread in self._threads:
            thread.join()

    @property
    def child_pids(self) -> list[int]:
        """The child processes that there are now."""
        builders = (self._flush_builder, self._merge_builder)
        pids = [one.pid for one in builders if isinstance(one, Child)]
        return [pid for pid in pids if pid is not None]

    def admit(self) -> None:
        """Returns once there is room for a write; raises Exhausted where none comes in time."""
        if not self._is_behind():
            return
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._failure or not self._is_behind(),
                self._settings.stall_seconds,
            )
            failure = self._failure
        if self._closed or not self._is_behind():
            return
        if failure is not None:
            raise failure
        raise Exhausted(
            f"flushes and merges of {self._folder.name} are behind the writes; send it again later",
            reason="WRITES_AHEAD",
            retry_after_seconds=1.0,
        )

    def notify(self) -> None:
        """A write was published."""
        if self._settings.background:
            if self._flush_due() or self._merge_due():
                with self._changed:
                    self._changed.notify_all()
            return
        for due, work in ((self._flush_due, self.flush), (self._merge_due, self._merge_next)):
            while due() and self._attempt(work):
                pass

    def flush(self) -> None:
        """Put the buffer into a segment file; where there is none, nothing changes."""
        with self._flushing:
            self._flush()
        self.purge()

    @contextmanager
    def empty_buffer(self) -> Iterator[None]:
        """Nothing is in the buffer while this block runs, which must let nobody write."""
        with self._flushing, self._writer.alone():
            self._flush()
            yield

    @contextmanager
    def no_merge(self) -> Iterator[None]:
        """No segments are merged while this block runs."""
        with self._merging:
            self._may_merge = False
            try:
                yield
            finally:
                self._may_merge = True

    def compact(self) -> None:
        """Flush, then make one segment of all, without the dead."""
        self.flush()
        with self._merging:
            parts = [part for part in self._writer.snapshot.parts if part.segment.name]
            if len(parts) > 1 or any(part.dead_count for part in parts):
                self._rewrite(self._merge_builder, [part.segment for part in parts])
        self.purge()
        with self._writer.alone():
            self._catalog.compact()

    def purge(self) -> None:
        """Forget the payloads of the dead that no reader can see."""
        with self._writer.alone() as snapshot, self._catalog.writing() as connection:
            commit.purge(connection, min(self._pins.oldest(), snapshot.generation))

    @contextmanager
    def keep_files(self) -> Iterator[None]:
        """No segment file is removed while this block runs; flushes and merges go on."""
        with self._keeping:
            self._keepers += 1
        try:
            yield
        finally:
            with self._keeping:
                self._keepers -= 1
            self._discard([])

    def _flush(self) -> None:
        parts, through_seq = self._writer.freeze()
        if self._writer.buffered[0]:
            self._rewrite(self._flush_builder, [part.segment for part in parts], through_seq)

    def _rewrite(self, builder: Builder, old: Sequence[Segment], through_seq: int = -1) -> None:
        """One segment file in place of these, and of the batches up to a seq."""
        first_seq = old[0].first_seq if old else 0
        path = self._folder / files.new_name(first_seq)
        names = [segment.name for segment in old if segment.name]
        try:
            count = builder.build(self._folder, names, through_seq, files.temporary(path))
            segment = files.opened(path) if count else None
        except BaseException:
            files.discard(files.temporary(path), path)
            raise
        # Of a commit that failed nobody knows whether a crash would bring it back, and with it
        # the file's name: the file stays until a later commit has settled the matter.
        settled = frozenset(self._unsettled)
        new = (segment, files.row_of(segment)) if segment is not None else None
        try:
            self._writer.exchange(old, new, through_seq=through_seq)
        except BaseException:
            self._unsettled.add(path)
            raise
        self._unsettled.difference_update(settled)
        with self._changed:
            self._failure = None
            self._changed.notify_all()
        if self._settings.background:
            self._pins.wait_for_present(_LINGER_SECONDS)
            files.unload(self._folder, old)
        self._discard([*names, *(one.name for one in settled)])

    def _discard(self, names: Sequence[str]) -> None:
        """Remove these files, and those that were kept, once nobody keeps files."""
        with self._keeping:
            self._unwanted += (self._folder / name for name in names)
            if not self._keepers:
                files.discard(*self._unwanted)
                self._unwanted.clear()

    def _merge_next(self) -> None:
        with self._merging:
            if group := self._group():
                self._rewrite(self._merge_builder, group)

    @property
    def merges_due(self) -> int:
        """Merges that are due, one after the other, until none is."""
        return merge.debt([part.sizes for part in self._parts()], self._settings.flush_documents)

    def _group(self) -> list[Segment]:
        """The segments to merge next."""
        parts = self._parts()
        found = merge.due([part.sizes for part in parts], self._settings.flush_documents)
        return [part.segment for part in parts[slice(*found)]] if found else []

    def _parts(self) -> list[Part]:
        """The parts of the snapshot that are files."""
        return [part for part in self._writer.snapshot.parts if part.segment.name]

    def _flush_due(self) -> bool:
        documents, size = self._writer.buffered
        return documents >= self._settings.flush_documents or size >= self._settings.flush_bytes

    def _merge_due(self) -> bool:
        return self._may_merge and bool(self._group())

    def _is_behind(self) -> bool:
        documents, size = self._writer.buffered
        most, settings = self._settings.max_flushes, self._settings
        return (
            documents >= most * settings.flush_documents
            or size >= most * settings.flush_bytes
            or len(self._parts()) >= _MAX_SEGMENTS
        )

    def _start(self, name: str, due: Callable[[], bool], work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._loop, args=(due, work), name=f"spladed-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _loop(self, due: Callable[[], bool], work: Callable[[], None]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or due())
            if self._closed:
                return
            if not self._attempt(work):
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _RETRY_SECONDS)

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Whether it succeeded; a failure changes nothing, and is told to who waits."""
        try:
            work()
        except SpladedError as error:
            self._fail(error)
        except Exception as error:
            if not self._settings.background:
                raise
            # The thread goes on: without it writes would wait for nobody.
            _LOG.exception("upkeep of %s failed", self._folder.name)
            self._fail(Internal(f"upkeep failed: {error!r}; this is a bug", reason="BUG"))
        else:
            return True
        return False

    def _fail(self, failure: SpladedError) -> None:
        if self._closed:
            return
        _LOG.error("upkeep of %s failed: %s", self._folder.name, failure.message)
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
