"""Clones of agents: made whole, at the base, with nothing of the user's but objects."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tenuto.activities.sandbox.command import Command, CommandOutcome
from tenuto.activities.workspace.clone import Clones, SetupFailed, set_up
from tenuto.activities.workspace.clone_parts import WorktreeImpossible
from tenuto.activities.workspace.keep import keep
from tenuto.activities.workspace.sweep import sweep
from tenuto.workflows.setup_contracts import WorkspaceOptions

from .repositories import PLAIN, fingerprint, repository, sh


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path / "home")


async def test_a_clone_is_at_its_base_and_carries_no_dirt(repo: Path, clones: Clones) -> None:
    before = fingerprint(repo)
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert clone.fresh
    assert clone.root == clones.folder / "wf_1" / "a1"
    assert (clone.root / "a.txt").read_text() == "a\n"
    assert not (clone.root / "loose").exists()
    assert sh("git status --porcelain", clone.root) == ""
    assert sh("git stash list", clone.root) == ""
    assert sh("git rev-parse HEAD", clone.root) == clone.base == sh("git rev-parse HEAD", repo)
    assert sh("git describe", clone.root) == "v1"
    assert sh("git log -1 --format=%H other", clone.root) == clone.base
    assert fingerprint(repo) == before


async def test_the_base_may_be_an_older_commit(repo: Path, clones: Clones) -> None:
    sh("git stash -q && echo later >> a.txt && git commit -qam later", repo)
    clone = await clones.open("wf_1", "a1", repo, "HEAD~1", PLAIN)
    assert (clone.root / "a.txt").read_text() == "a\n"


async def test_opening_again_gives_the_clone_with_what_was_done_there(repo: Path, clones: Clones) -> None:
    first = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    (first.root / "done.txt").write_text("by the agent")
    (first.root / ".git" / "index.lock").touch()  # of a command that was killed
    again = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert not again.fresh
    assert (again.root / "done.txt").read_text() == "by the agent"
    assert again.parts == first.parts
    sh("git add -A && git commit -qm works", again.root)


async def test_a_clone_in_the_making_is_no_clone(repo: Path, clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_off(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tenuto.activities.workspace.untracked.copy", break_off)
        with pytest.raises(WorktreeImpossible, match="no space left"):
            await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert not (clones.folder / "wf_1" / "a1").exists()
    assert (await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)).fresh


async def test_two_that_open_the_same_clone_at_once_get_one(repo: Path, clones: Clones) -> None:
    both = await asyncio.gather(*(clones.open("wf_1", "a1", repo, "HEAD", PLAIN) for _ in range(4)))
    assert sorted(clone.fresh for clone in both) == [False, False, False, True]


async def test_a_workspace_in_a_subfolder_has_its_counterpart(repo: Path, clones: Clones) -> None:
    clone = await clones.open("wf_1", "a1", repo / "src", "HEAD", PLAIN)
    assert clone.root == clone.top / "src"
    (clone.root / "b.txt").write_text("changed\n")
    (clone.top / "a.txt").write_text("changed\n")
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["../a.txt", "b.txt"]
    assert kept.commit is not None
    assert sh(f"git show {kept.commit}:src/b.txt", repo) == "changed"


async def test_a_linked_worktree_is_a_workspace_too(repo: Path, clones: Clones, tmp_path: Path) -> None:
    sh(f"git worktree add -q {tmp_path}/linked other && echo more > {tmp_path}/linked/more", repo)
    linked = tmp_path / "linked"
    sh("git add more && git commit -qm more && echo dirt >> more", linked)
    before = fingerprint(repo), fingerprint(linked)
    clone = await clones.open("wf_1", "a1", linked, "HEAD", PLAIN)
    assert (clone.root / "more").read_text() == "more\n"
    (clone.root / "new").write_text("x")
    kept = await keep(clone)
    assert sh("git rev-parse tenuto/wf_1/a1", repo) == kept.commit
    assert (fingerprint(repo), fingerprint(linked)) == before


async def test_untracked_files_are_copied_and_are_no_part_of_the_result(repo: Path, clones: Clones) -> None:
    (repo / ".env").write_text("TOKEN=1")
    (repo / "node_modules" / "x").mkdir(parents=True)
    (repo / "node_modules" / "x" / "index.js").write_text("1")
    (repo / "src" / "odd [1]").write_text("odd")
    options = WorkspaceOptions(untracked=[".env", "node_modules", "src/odd*", "absent"])
    clone = await clones.open("wf_1", "a1", repo, "HEAD", options)
    assert (clone.root / ".env").read_text() == "TOKEN=1"
    (clone.root / "node_modules" / "x" / "index.js").write_text("changed by the agent")
    assert (clone.root / "src" / "odd [1]").exists()
    assert sh("git status --porcelain", clone.root) == ""
    (clone.root / "result").write_text("r")
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["result"]
    assert (repo / "node_modules" / "x" / "index.js").read_text() == "1"


@pytest.mark.parametrize("pattern", ["../secret", "/etc/passwd", ".git/config", "a/../../b"])
async def test_untracked_files_do_not_lead_out_of_the_workspace(repo: Path, clones: Clones, pattern: str) -> None:
    with pytest.raises(WorktreeImpossible, match="untracked"):
        await clones.open("wf_1", "a1", repo, "HEAD", WorkspaceOptions(untracked=[pattern]))


async def test_no_git_no_commit_and_no_such_base_are_told_apart(tmp_path: Path, clones: Clones) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(WorktreeImpossible, match="not in a git repository"):
        await clones.open("wf_1", "a1", plain, "HEAD", PLAIN)
    sh("git init -q", plain)
    with pytest.raises(WorktreeImpossible, match="no commit yet"):
        await clones.open("wf_1", "a1", plain, "HEAD", PLAIN)
    sh("git -c user.name=u -c user.email=u@x commit -q --allow-empty -m one", plain)
    with pytest.raises(WorktreeImpossible, match="'nowhere' is not in"):
        await clones.open("wf_1", "a1", plain, "nowhere", PLAIN)


async def test_shared_objects_outlive_a_gc_of_the_user(repo: Path, clones: Clones) -> None:
    sh("git checkout -qfb doomed && echo d > d && git add d && git commit -qm doomed && git tag doomed-tag", repo)
    doomed = sh("git rev-parse HEAD", repo)
    clone = await clones.open("wf_1", "a1", repo, doomed, PLAIN)
    sh("git checkout -qf main && git branch -qD doomed && git tag -d doomed-tag", repo)
    sh("git reflog expire --expire=now --all && git gc -q --prune=now", repo)
    assert sh("git fsck --no-dangling", clone.root) == ""
    (clone.root / "d").write_text("more")
    kept = await keep(clone)
    assert sh(f"git show {kept.commit}:d", repo) == "more"


async def test_a_sparse_checkout_stays_sparse_and_loses_nothing(repo: Path, clones: Clones) -> None:
    sh("git stash -q && git sparse-checkout set --cone src", repo)
    (repo / ".gitignore").write_text("*.log\n")
    sh(
        "mkdir far && echo far > far/f && git add --sparse -A && git commit -qm far && git sparse-checkout reapply",
        repo,
    )
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert not (clone.root / "far").exists()
    assert sh("git status --porcelain", clone.root) == ""
    (clone.root / "src" / "b.txt").write_text("changed")
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["src/b.txt"]
    assert sh(f"git show {kept.commit}:far/f", repo) == "far"


async def test_a_shallow_repository_is_enough(repo: Path, clones: Clones, tmp_path: Path) -> None:
    sh("git stash -q && for i in 1 2 3; do echo $i >> a.txt; git commit -qam $i; done", repo)
    sh(f"git clone -q --depth 2 file://{repo} {tmp_path}/shallow", tmp_path)
    clone = await clones.open("wf_1", "a1", tmp_path / "shallow", "HEAD", PLAIN)
    sh("echo x > x && git add x && git commit -qm x && git fsck", clone.root)
    kept = await keep(clone)
    assert sh("git log --format=%s tenuto/wf_1/a1", tmp_path / "shallow").split() == ["x", "3", "2"]
    assert [mark.path for mark in kept.files] == ["x"]


async def test_what_the_user_ignores_privately_stays_out_of_results(
    repo: Path, clones: Clones, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (repo / ".git" / "info" / "exclude").write_text("*.swp")
    (tmp_path / ".config" / "git").mkdir(parents=True)
    (tmp_path / ".config" / "git" / "ignore").write_text(".DS_Store\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    for name in ("x.swp", ".DS_Store", "y.log", "real"):
        (clone.root / name).write_text(name)
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["real"]


async def test_removing_ended_runs_keeps_what_was_not_kept(repo: Path, clones: Clones) -> None:
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    (clone.root / "unkept").write_text("worth something")
    await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)
    swept = await sweep(clones, "wf_1")
    assert swept.removed == ["a1", "a2"]
    assert swept.left == {}
    assert sh("git show tenuto/wf_1/a1:unkept", repo) == "worth something"
    assert not (clones.folder / "wf_1").exists()
    assert sh("git for-each-ref --format='%(refname)' refs/tenuto", repo) == "refs/tenuto/wf_1/a1/result"


async def test_a_clone_whose_repository_is_gone_is_left_alone(repo: Path, clones: Clones) -> None:
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    (clone.root / "unkept").write_text("worth something")
    shutil.rmtree(repo)
    swept = await sweep(clones, "wf_1")
    assert swept.removed == []
    assert list(swept.left) == [str(clone.top)]
    assert (clone.root / "unkept").exists()


class Shell:
    """Runs commands without walls, and remembers them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[str] = []

    async def run(
        self,
        command: Command,
        *,
        say: Callable[[str], None] = lambda _text: None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> CommandOutcome:
        self.commands.append(command.text)
        done = subprocess.run(["bash", "-c", command.text], cwd=self.root, capture_output=True, text=True, check=False)
        return CommandOutcome(done.returncode, done.stdout, done.stderr, len(done.stdout), len(done.stderr), 0.0)


async def test_the_setup_command_runs_once_and_is_no_work_of_the_agents(repo: Path, clones: Clones) -> None:
    options = WorkspaceOptions(setup="echo locked > package-lock && echo x >> a.txt")
    clone = await clones.open("wf_1", "a1", repo, "HEAD", options)
    shell = Shell(clone.root)
    assert await set_up(clone, options, shell) is not None
    assert await set_up(await clones.open("wf_1", "a1", repo, "HEAD", options), options, shell) is None
    assert len(shell.commands) == 1
    assert (await keep(clone)).commit is None
    other = await clones.open("wf_1", "a2", repo, "HEAD", options)
    await set_up(other, options, Shell(other.root))
    (other.root / "work").write_text("w")
    assert [mark.path for mark in (await keep(other)).files] == ["a.txt", "package-lock", "work"]


async def test_a_setup_command_that_fails_is_told_and_runs_again(repo: Path, clones: Clones) -> None:
    options = WorkspaceOptions(setup="test -e ready || { echo not ready >&2; exit 3; }")
    clone = await clones.open("wf_1", "a1", repo, "HEAD", options)
    with pytest.raises(SetupFailed, match="ended with 3: not ready"):
        await set_up(clone, options, Shell(clone.root))
    (clone.root / "ready").touch()
    assert await set_up(clone, options, Shell(clone.root)) is not None


async def test_locks_are_only_removed_from_git(repo: Path, clones: Clones, tmp_path: Path) -> None:
    clone = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    (tmp_path / "poetry.lock").write_text("precious")
    shutil.move(clone.root / ".git" / "refs", tmp_path / "refs")
    (clone.root / ".git" / "refs").symlink_to(tmp_path)
    await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert (tmp_path / "poetry.lock").exists()
