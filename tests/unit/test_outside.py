from __future__ import annotations

from pathlib import Path

import pytest

from spladed.errors import Corrupt, Exhausted, Internal, InvalidInput, Mismatch, Unavailable
from spladed.rpc.outside import redaction

CASES = {
    "the disk is full at /srv/my data/notes/catalog.sqlite: make room": (
        "the disk is full at my data/notes/catalog.sqlite: make room"
    ),
    "/srv/my data is closed": "my data is closed",
    "no process: [Errno 2] No such file: '/usr/lib/python3/bin/python'": (
        "no process: [Errno 2] No such file: 'python'"
    ),
    "(/var/lib/x/y)": "(y)",
    "10 tokens/s and a/b/c, GET /": "10 tokens/s and a/b/c, GET /",
    '"/etc/ssl/private/key.pem"': '"key.pem"',
}


@pytest.mark.parametrize("message", CASES)
@pytest.mark.parametrize("cls", [Corrupt, Exhausted, Internal, Mismatch, Unavailable])
def test_paths_stay_inside(message: str, cls: type[Corrupt]) -> None:
    said = redaction(["/srv/my data", "/srv/my data-backups", "", "builtin", "/"])
    assert said(cls(message, reason="R")) == CASES[message]


def test_a_link_and_what_it_leads_to_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    said = redaction([str(link)])
    for folder in (link, tmp_path / "real"):
        assert said(Corrupt(f"{folder}/a/b is bad", reason="R")) == f"{folder.name}/a/b is bad"


def test_the_callers_own_words_come_back_as_they_are() -> None:
    message = "destination is '/etc/passwd/x'; expected a path below"
    assert redaction(["/etc"])(InvalidInput(message, reason="R")) == message
