"""The setup of a run: collected once, kept in the store, the same for everybody."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tenuto.activities import run_setup
from tenuto.activities.run_setup import SetupActivities, load_setup
from tenuto.activities.sandbox.command import SandboxUnavailable
from tenuto.activities.store import Store
from tenuto.activities.workspace.meeting import _without_secret
from tenuto.workflows.setup_contracts import Policy, PrepareRunInput, PrepareRunResult, WorkspaceOptions

GIT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=folder, env=GIT, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


async def prepare(store: Store, home: Path, workspace: Path, **more: Any) -> PrepareRunResult:
    given = PrepareRunInput(
        run_id="wf_test",
        workspace=str(workspace),
        policy=more.pop("policy", Policy(allow=["Read"], deny=["Bash"])),
        options=WorkspaceOptions(setup="make"),
        several_hosts=more.pop("several_hosts", False),
    )
    return await ActivityEnvironment().run(SetupActivities(store, home, **more).prepare_run, given)


async def test_everything_is_written_and_read_again(store: Store, home: Path, workspace: Path) -> None:
    (workspace / "CLAUDE.md").write_text("Be careful.")
    agents = workspace / ".claude" / "agents"
    agents.mkdir(parents=True)
    (agents / "a.md").write_text("---\nname: reviewer\nmodel: opus\n---\nReview.")
    (agents / "b.md").write_text("broken")
    base = commit(workspace)

    def servers(asked: Path | None, user: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
        assert (asked, user) == (workspace, home)
        return {"docs": {"command": "serve"}}, ["a server is left out"]

    result = await prepare(store, home, workspace, servers=servers)
    assert result.base == base
    assert result.agent_types["reviewer"].model == "opus"
    assert {"general-purpose", "Explore", "Plan"} <= set(result.agent_types)
    assert [notice.split(":")[0] for notice in result.notices] == [
        "the agent definition .claude/agents/b.md is left out",
        "a server is left out",
    ]
    setup = await load_setup(store, result.key)
    assert result.key == f"runs/wf_test/setup/{hashlib.sha256(await store.get(result.key)).hexdigest()}.json"
    assert setup.workspace == str(workspace) and setup.base == base and setup.options.setup == "make"
    assert "Be careful." in setup.instructions
    assert result.instructions_sha256 == hashlib.sha256(setup.instructions.encode()).hexdigest()
    assert setup.policy.deny == ["Bash"] and setup.mcp == {"docs": {"command": "serve"}}
    assert await prepare(store, home, workspace, servers=servers) == result, "the same again gives the same"


async def test_no_git_and_no_commit_are_no_base(store: Store, home: Path, workspace: Path) -> None:
    result = await prepare(store, home, workspace)
    assert (result.base, result.notices) == (None, [])
    git(workspace, "init", "-q")
    (workspace / "a").write_text("")
    result = await prepare(store, home, workspace)
    assert (result.base, result.notices) == (None, [])


async def test_a_dirty_tree_is_said(store: Store, home: Path, workspace: Path) -> None:
    (workspace / "kept").write_text("")
    commit(workspace)
    assert (await prepare(store, home, workspace)).notices == []
    for number in range(7):
        (workspace / f"new{number} é").write_text("")
    (workspace / "kept").write_text("changed")
    (notice,) = (await prepare(store, home, workspace)).notices
    assert "kept, new0 é, new1 é, new2 é, new3 é and 3 more" in notice


async def test_no_filter_of_the_repository_is_run(store: Store, home: Path, workspace: Path, tmp_path: Path) -> None:
    """Its configuration may be an earlier agent's work, and git runs outside of the sandbox here."""
    (workspace / "kept").write_text("x")
    (workspace / ".gitattributes").write_text("* filter=trap\n")
    commit(workspace)
    for driver in ("trap", "a.b c"):
        for kind in ("clean", "process"):
            git(workspace, "config", f"filter.{driver}.{kind}", f"touch {tmp_path}/ran; cat")
    (workspace / "kept").write_text("y")
    (notice,) = (await prepare(store, home, workspace)).notices
    assert "(kept)" in notice
    assert not (tmp_path / "ran").exists()
    git(workspace, "status", "--porcelain")
    assert (tmp_path / "ran").exists(), "the trap works: else the test proves nothing"


async def test_a_workspace_that_is_none_fails_for_good(store: Store, home: Path, workspace: Path) -> None:
    (workspace / "file").write_text("")
    for place in (workspace / "nowhere", workspace / "file"):
        with pytest.raises(ApplicationError) as caught:
            await prepare(store, home, place)
        assert caught.value.type == "workspace" and caught.value.non_retryable


async def test_no_sandbox_fails_for_good_unless_it_was_waived(store: Store, home: Path, workspace: Path) -> None:
    async def none() -> object:
        raise SandboxUnavailable("bubblewrap is not installed")

    with pytest.raises(ApplicationError, match="bubblewrap is not installed") as caught:
        await prepare(store, home, workspace, walls=none)
    assert caught.value.type == "sandbox" and caught.value.non_retryable
    result = await prepare(store, home, workspace, walls=none, policy=Policy(sandbox=False))
    assert result.notices[0].startswith("no sandbox")


async def test_a_definition_s_hash_is_about_what_it_says(store: Store, home: Path, workspace: Path) -> None:
    async def digest(folder: Path, text: str) -> str:
        path = folder / ".claude" / "agents" / "x.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        found = (await prepare(store, home, workspace)).agent_types["x"].sha256
        path.unlink()
        return found

    first = await digest(workspace, "---\nname: x\n---\nOne.")
    assert await digest(home, "---\nname: x\n---\nOne.") == first
    assert await digest(workspace, "---\nname: x\n---\nTwo.") != first
    assert await digest(workspace, "---\nname: x\ntools: Read\n---\nOne.") != first


async def test_setups_are_kept_in_memory_but_not_for_ever(
    store: Store, home: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_setup, "SETUPS_KEPT_MAX", 2)
    run_setup._kept.clear()
    keys = []
    for number in range(3):
        (workspace / "CLAUDE.md").write_text(f"number {number}")
        keys.append((await prepare(store, home, workspace)).key)
        await load_setup(store, keys[-1])
    assert [key for _, key in run_setup._kept] == keys[1:]
    await store.delete(keys)
    assert "number 2" in (await load_setup(store, keys[2])).instructions
    with pytest.raises(FileNotFoundError):
        await load_setup(store, keys[0])


async def test_a_setup_that_was_changed_is_not_used(store: Store, home: Path, workspace: Path) -> None:
    key = (await prepare(store, home, workspace)).key
    await store.put(key, b'{"run_id": "wf_test"}')
    with pytest.raises(ValueError, match="was changed"):
        await load_setup(store, key)


async def test_with_several_hosts_the_base_is_at_the_remote_and_the_setup_names_it_without_a_secret(
    store: Store, home: Path, workspace: Path, tmp_path: Path
) -> None:
    base = commit(workspace)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(workspace, "remote", "add", "origin", str(remote))
    result = await prepare(store, home, workspace, several_hosts=True)
    assert result.remote is not None
    assert (result.remote.url, result.remote.prefix) == (str(remote), "")
    assert base in git(remote, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tenuto")
    assert (await load_setup(store, result.key)).remote == result.remote
    assert _without_secret("https://me:secret@example.com/r.git") == "https://me@example.com/r.git"


@pytest.mark.parametrize("url", [None, "/nowhere/at/all.git"])
async def test_without_a_remote_that_takes_it_worktree_agents_stay_and_that_is_said(
    store: Store, home: Path, workspace: Path, url: str | None
) -> None:
    commit(workspace)
    if url is not None:
        git(workspace, "remote", "add", "origin", url)
    result = await prepare(store, home, workspace, several_hosts=True)
    assert result.remote is None
    assert any("stay on its host" in notice for notice in result.notices)
