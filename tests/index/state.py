"""All that an index holds, to compare what is found with what was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from spladed.index import Collection, Collections, verify
from spladed.index.upkeep import Upkeep

from .stored import Content, check_searches, content_of
from .writes import QUERIES

__all__ = ["Index", "State", "observed"]

# Everything in the caller, at a fixed moment, so that each run does the same.
UPKEEP = Upkeep(flush_documents=40, background=False)


@dataclass(frozen=True, slots=True)
class State:
    """All that an index holds."""

    collections: dict[str, Content] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    backups: dict[str, Content] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._ordered() == other._ordered()

    def _ordered(self) -> object:
        """The order of documents counts, that of collections does not."""
        contents = (self.collections, self.backups)
        return self.aliases, *(
            {name: list(one.items()) for name, one in each.items()} for each in contents
        )

    def with_collection(self, name: str, content: Content | None) -> State:
        """The same but for this collection; None: it is gone."""
        others = {key: one for key, one in self.collections.items() if key != name}
        return replace(self, collections=others if content is None else {**others, name: content})


class Index:
    """A data folder below `root`, open or not, and a folder of backups beside it."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.backups = root / "backups"
        self._all: Collections | None = None

    @property
    def all(self) -> Collections:
        """The collections, opened if they are not."""
        if self._all is None:
            self._all = Collections.open(self.data, upkeep=UPKEEP)
        return self._all

    def open(self) -> None:
        """Open, or open again."""
        self.close()
        for error in self.all.failures().values():
            raise error

    def close(self) -> None:
        """Let everything go."""
        if self._all is not None:
            self._all.close()
            self._all = None

    def abandon(self) -> None:
        """Let everything go as a killed process does: SQLite's logs stay as they are."""
        files = [*self.data.glob("*/catalog.sqlite"), *self.data.glob("*/catalog.sqlite-wal")]
        contents = {path: path.read_bytes() for path in files}
        self.close()
        for path, content in contents.items():
            path.write_bytes(content)

    def read(self) -> State:
        """What the open collections hold, each held against brute force."""
        assert self.all.failures() == {}
        contents = {name: _checked(self.all.get(name)) for name in self.all.names()}
        return State(contents, dict(self.all._aliases), dict(self._read_backups()))

    def _read_backups(self) -> Iterator[tuple[str, Content]]:
        if not self.backups.exists():
            return
        for path in sorted(self.backups.iterdir()):
            if not path.name.startswith("."):
                with Collection.open(path, read_only=True) as collection:
                    yield path.name, _checked(collection)


def _checked(collection: Collection) -> Content:
    content = content_of(collection)
    check_searches(collection, content, QUERIES)
    return content


def observed(root: Path) -> State:
    """What is below `root` when it is opened, with every file verified."""
    index = Index(root)
    try:
        state = index.read()
        names = index.all.names()
    finally:
        index.close()
    reports = [verify.check(index.data / name) for name in names]
    assert [one for report in reports for one in (*report.problems, *report.leftovers)] == []
    return state
