"""The five file tools in a workspace that holds a home."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.activities.protected import guard_of
from tenuto.activities.workspace.confined import ConfinedFiles

from .conftest import Desk

SECRET = "opened-by-nobody-4711"


@pytest.fixture
def at_home(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("HOME", str(desk.root / "me"))
    monkeypatch.setenv("TENUTO_HOME", str(desk.root / "me" / ".ten uto"))
    for name in ("me/.ten uto/credentials.env", "me/.ssh/id_rsa", "me/.bashrc", "me/src/a.py"):
        desk.plant(name, f"{SECRET}\n")
    files = ConfinedFiles(desk.root, guard=guard_of(desk.root))
    return replace(desk, place=replace(desk.place, files=files))


@pytest.mark.parametrize("path", ["me/.ten uto/credentials.env", "me/.ssh/id_rsa", "me/src/../.ssh/id_rsa", "me/keys"])
async def test_every_file_tool_refuses_what_is_secret_in_plain_words(at_home: Desk, path: str) -> None:
    (at_home.root / "me" / "keys").symlink_to(".ssh/id_rsa")
    for name, given in (
        ("Read", {"file_path": path}),
        ("Write", {"file_path": path, "content": "x"}),
        ("Edit", {"file_path": path, "old_string": SECRET, "new_string": "x"}),
        ("Grep", {"pattern": "nobody", "path": path}),
    ):
        said = await at_home.refusal(name, **given)
        assert "secrets or Tenuto's own files" in said, name
        assert SECRET not in said


async def test_start_up_files_are_read_and_not_changed(at_home: Desk) -> None:
    assert SECRET in await at_home.text("Read", file_path="me/.bashrc")
    said = await at_home.refusal("Edit", file_path="me/.bashrc", old_string=SECRET, new_string="id")
    assert "starts programs outside of the sandbox" in said
    assert (at_home.root / "me" / ".bashrc").read_text() == f"{SECRET}\n"


async def test_glob_and_grep_show_only_what_is_open(at_home: Desk) -> None:
    assert set((await at_home.text("Glob", pattern="**")).split("\n")) == {"me/.bashrc", "me/src/a.py"}
    assert set((await at_home.text("Grep", pattern="nobody")).split("\n")) == {"me/.bashrc", "me/src/a.py"}
    assert "id_rsa" not in await at_home.text("Grep", pattern="nobody", glob="**/.ssh/*")


def test_the_fixture_is_one_place_below_the_workspace(at_home: Desk) -> None:
    assert Path.home().parent == at_home.root
