"""The recording disk itself, on files that appear and vanish whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spladed.index import folder, storage

from .cuts import PowerCut, Store, cuts_without, power_cuts
from .disk import Cut, Disk, Tree
from .record import Event, Recorder, Synced

MADE: Tree = {"data/made": None, "data/made/a": b"a" * 100}


def work(root: Path, recorder: Recorder) -> None:
    """Files and folders made, replaced and removed; what may be found is their content."""
    data = root / "data"
    states: list[Tree] = [{}]

    @contextmanager
    def towards(after: Tree) -> Iterator[None]:
        recorder.allow(states[-1], after)
        yield
        recorder.allow(after)
        states.append(after)

    with towards({"data": None}):
        with recorder.killing(at=lambda name, path, _: (name, path) == ("fsync", root)):
            folder.ensure(data)
        folder.ensure(data)
    with towards({"data": None, "data/deep": None}):
        folder.ensure(data / "deep")
    for content in (b"first", b"second"):
        with towards({"data": None, "data/deep": None, "data/file": content}):
            folder.replace(data / "file", content)
    with towards({**states[-1], **MADE}):
        folder.make(data / "made", fill)
    with towards(states[-2]):
        folder.remove(data / "made")


def fill(path: Path) -> None:
    (path / "a").write_bytes(b"a" * 100)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    root = tmp_path / "recorded"
    root.mkdir()
    recorder = Recorder(root)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "calls", recorder)
        work(root, recorder)
    return recorder.events


def is_sound(cut: PowerCut) -> bool:
    whole = {path: data for path, data in cut.tree.items() if "/." not in path}
    return whole in cut.allowed


def test_every_power_cut_leaves_all_or_nothing(events: list[Event]) -> None:
    cuts = list(power_cuts(events, torn=8))
    assert len(cuts) > 30
    assert [str(cut) for cut in cuts if not is_sound(cut)] == []


def test_no_fsync_can_be_left_out(events: list[Event]) -> None:
    """None in the code, however often it comes: left out, some power cut is fatal."""
    sites: dict[str, set[int]] = {}
    for n, event in enumerate(events):
        if isinstance(event, Synced):
            sites.setdefault(event.site, set()).add(n)
    assert len(sites) == 8
    needless = [site for site, n in sites.items() if all(map(is_sound, cuts_without(events, n)))]
    assert needless == []


def test_what_a_cut_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "calls", recorder)
        with storage.create(tmp_path / "a") as file:
            file.append(b"old")
            storage.sync_file(tmp_path / "a")
            storage.sync_folder(tmp_path)
            file.append(b"new")
        storage.create(tmp_path / "b").close()
        storage.rename(tmp_path / "b", tmp_path / "c")
    disk = Disk()
    for event in recorder.events:
        disk.apply(event)
    last = {cut: disk.after(cut) for cut in Cut}
    assert last[Cut.DROPPED] == {"a": b"old"}
    assert last[Cut.KEPT] == {"a": b"oldnew", "c": b""}
    assert last[Cut.NAMES] == {"a": b"old", "c": b""}
    assert last[Cut.BYTES] == {"a": b"oldnew"}
    assert disk.after(Cut.TORN, 1) != disk.after(Cut.TORN, 2)


def test_a_tree_becomes_folders_again(tmp_path: Path) -> None:
    tree: Tree = {"d": None, "d/x.seg": b"same", "d/empty": b"", "e": None, "e/x.seg": b"same"}
    (tmp_path / "blobs").mkdir()
    store = Store(tmp_path / "blobs", [".seg"])
    store.build(tree, tmp_path / "built")
    found = {
        str(one.relative_to(tmp_path / "built")): None if one.is_dir() else one.read_bytes()
        for one in sorted((tmp_path / "built").rglob("*"))
    }
    assert found == tree
    assert (tmp_path / "built/d/x.seg").stat().st_nlink == 3
