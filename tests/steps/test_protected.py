"""Steps, inputs and context in a workspace that holds a home: what the sandbox hides from `sh` is closed to all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.activities.context_items import hash_of_files, resolve_context
from tenuto.activities.errors import AgentFailed
from tenuto.activities.protected import guard_of
from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.workflows.step_contracts import (
    GlobFilesInput,
    GrepFilesInput,
    ReadFileInput,
    WriteFileInput,
)

from .conftest import Stage

SECRET = "opened-by-nobody-4711"


@pytest.fixture
def at_home(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The run's workspace is the home of the person, with Tenuto's folder in it."""
    monkeypatch.setenv("HOME", str(stage.root))
    monkeypatch.setenv("TENUTO_HOME", str(stage.root / ".tenuto"))
    for name in (".tenuto/credentials.env", ".ssh/id_rsa", ".netrc", ".bashrc", "notes.txt"):
        (stage.root / name).parent.mkdir(exist_ok=True)
        (stage.root / name).write_text(SECRET)
    return stage


@pytest.mark.parametrize(
    "path", [".tenuto/credentials.env", ".ssh/id_rsa", "a/../.netrc", ".SSH/id_rsa", "door/id_rsa"]
)
async def test_a_step_neither_reads_nor_writes_what_is_protected(at_home: Stage, path: str) -> None:
    (at_home.root / "door").symlink_to(".ssh")
    assert "no tool of a run" in await at_home.fails(ReadFileInput, "outside_workspace", path=path)
    assert "no tool of a run" in await at_home.fails(WriteFileInput, "outside_workspace", path=path, text="x")


@pytest.mark.parametrize("path", [".tenuto/tenuto.toml", ".bashrc", ".ssh/authorized_keys", ".claude/settings.json"])
async def test_a_step_writes_nothing_that_runs_outside(at_home: Stage, path: str) -> None:
    before = sorted(at_home.root.rglob("*"))
    await at_home.fails(WriteFileInput, "outside_workspace", path=path, text='[notify]\ncommand = "id"\n')
    assert sorted(at_home.root.rglob("*")) == before
    assert (at_home.root / ".bashrc").read_text() == SECRET


async def test_searches_find_what_is_open_alone(at_home: Stage) -> None:
    assert await at_home.run(GlobFilesInput, pattern="**") == [".bashrc", "notes.txt"]
    assert await at_home.run(GlobFilesInput, pattern=".ssh/*") == []
    found = await at_home.run(GrepFilesInput, pattern="nobody")
    assert [line.path for line in found] == [".bashrc", "notes.txt"]


def test_context_names_nothing_that_is_protected(at_home: Stage) -> None:
    files = ConfinedFiles(at_home.root, guard=guard_of(at_home.root))
    for item in (".ssh/id_rsa", ".ssh/*", ".SSH/id_rsa"):
        with pytest.raises(AgentFailed, match="closed to this run"):
            resolve_context([item], files, may_read=lambda _path: True)
    assert "id_rsa" not in "".join(resolve_context(["**"], files, may_read=lambda _path: True))
    assert hash_of_files("notes.txt", files, may_read=lambda _path: True) is not None


async def test_a_system_folder_is_no_workspace_of_any_run(stage: Stage) -> None:
    stage.root = Path("/")
    assert "system folder" in await stage.fails(ReadFileInput, "workspace", path="etc/passwd")
