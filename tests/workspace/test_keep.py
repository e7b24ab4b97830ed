"""What becomes of an agent's work: a branch, references to all else, and never anything in the user's checkout."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.clone_parts import Clone
from tenuto.activities.workspace.keep import KeepFailed, keep
from tenuto.activities.workspace.sweep import sweep

from .repositories import PLAIN, fingerprint, reachable, repository, sh


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path / "home")


@pytest.fixture
async def clone(repo: Path, clones: Clones) -> Clone:
    return await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)


async def test_an_unchanged_clone_leaves_no_branch_and_is_gone(repo: Path, clone: Clone) -> None:
    (clone.root / "ignored.log").write_text("noise")
    kept = await keep(clone)
    assert (kept.commit, kept.branch, kept.files, kept.extra) == (None, None, [], [])
    assert not clone.top.exists()
    assert sh("git branch --list 'tenuto/*'", repo) == ""
    assert await keep(clone) == kept


async def test_what_is_not_committed_becomes_a_commit_on_top_of_those_of_the_agent(repo: Path, clone: Clone) -> None:
    before = fingerprint(repo)
    sh("echo 1 > one && git add one && git commit -qm one", clone.root)
    own = sh("git rev-parse HEAD", clone.root)
    sh("git rm -q src/b.txt && echo two > two && git add two && echo three > three && echo x > y.log", clone.root)
    kept = await keep(clone, title="Port the parser")
    assert kept.branch == "tenuto/wf_1/a1"
    assert sh("git rev-parse tenuto/wf_1/a1 tenuto/wf_1/a1~1", repo).split() == [kept.commit, own]
    assert sh("git log -1 --format='%s|%an|%ae' tenuto/wf_1/a1", repo) == "Port the parser|Tenuto|tenuto@tenuto.invalid"
    gone = [mark.path for mark in kept.files if mark.sha256 is None]
    assert [mark.path for mark in kept.files] == ["one", "src/b.txt", "three", "two"]
    assert gone == ["src/b.txt"]
    assert kept.files[0].sha256 == hashlib.sha256(b"1\n").hexdigest()
    assert kept.extra == []
    assert not clone.top.exists()
    assert fingerprint(repo) == before
    assert await keep(clone) == kept


async def test_keeping_goes_on_where_it_was_left(repo: Path, clones: Clones, clone: Clone) -> None:
    (clone.root / "x").write_text("1")
    first = await keep(clone, remove_after=False)
    assert await keep(clone, remove_after=False) == first
    (clone.root / "x").write_text("2")
    second = await keep(clone)
    assert second.commit != first.commit
    assert second.commit is not None
    assert sh("git show tenuto/wf_1/a1:x", repo) == "2"
    assert {first.commit, second.commit} <= reachable(repo)
    again = await clones.open("wf_1", "a1", repo, "HEAD", PLAIN)
    assert not again.fresh
    assert (again.root / "x").read_text() == "2"
    assert (await keep(again)).commit == second.commit


@pytest.mark.parametrize(
    "state",
    [
        "git checkout -q --detach && echo 1 > d && git add d && git commit -qm detached",
        "git checkout -qb feature && echo 1 > d && git add d && git commit -qm feature && git checkout -q main",
        "echo 1 > a.txt && git commit -qam one && git checkout -qb two HEAD~1 && echo 2 > a.txt && git commit -qam two"
        " && ! git rebase -q -",
        "echo 1 > a.txt && git commit -qam one && git checkout -qb two HEAD~1 && echo 2 > a.txt && git commit -qam two"
        " && ! git merge -q -",
        "echo 1 > a.txt && git commit -qam one && git checkout -qb two HEAD~1 && echo 2 > a.txt && git commit -qam two"
        " && ! git cherry-pick -",
        "echo 1 > d && git add d && git stash -q && git stash drop -q && echo 2 > e && git add e && git commit -qm e",
        "echo 1 > d && git add d && git commit -qm d && git reset -q --hard HEAD~1"
        " && git reflog expire --expire=now --all",
        "git checkout -q --orphan fresh && git rm -rqf . && echo 1 > only && git add only && git commit -qm orphan",
        "echo 1 > d && git add d && git commit -qm d && git pack-refs --all && git gc -q && echo 2 > f",
        "echo 1 > d && git add d && git commit -qm d && git repack -qad && git checkout -q main",
        "echo 1 > d && git add d && git commit -qm d && git worktree add -q --detach build/wt && cd build/wt"
        " && echo 2 > e && git add e && git commit -qm e",
    ],
)
async def test_every_commit_is_reachable_whatever_state_git_was_left_in(repo: Path, clone: Clone, state: str) -> None:
    before = fingerprint(repo)
    sh(state, clone.root)
    listing = "git cat-file --batch-all-objects --batch-check='%(objecttype) %(objectname)' | sed -n 's/^commit //p'"
    made = set(sh(listing, clone.root).split())
    files = {path.name: path.read_bytes() for path in clone.root.iterdir() if path.is_file() and path.name != ".git"}
    kept = await keep(clone)
    sh("git reflog expire --expire=now --all --expire-unreachable=now refs/heads/tenuto", repo, check=False)
    sh("git gc -q --prune=now", repo)
    assert made <= reachable(repo) | set(sh("git rev-list -g stash", repo).split())
    assert not clone.top.exists()
    if kept.commit:
        names = set(sh(f"git ls-tree --name-only {kept.commit}", repo).split())
        assert names >= {name for name in files if not name.endswith(".log")}
    sh("git reset -q", repo, check=False)
    after = fingerprint(repo)
    assert {name: mark for name, mark in after.items() if "/.git/" not in name and "time" not in name} == {
        name: mark for name, mark in before.items() if "/.git/" not in name and "time" not in name
    }


async def test_a_merge_left_in_conflict_says_so(repo: Path, clone: Clone) -> None:
    sh("echo 1 > a.txt && git commit -qam one && git checkout -qb two HEAD~1", clone.root)
    sh("echo 2 > a.txt && git commit -qam two && ! git merge -q -", clone.root)
    kept = await keep(clone, remove_after=False)
    assert kept.unresolved == ["a.txt"]
    assert len(sh(f"git log -1 --format=%P {kept.commit}", repo).split()) == 1
    (clone.root / "a.txt").write_text("both\n")
    kept = await keep(clone)
    assert kept.unresolved == []
    assert len(sh(f"git log -1 --format=%P {kept.commit}", repo).split()) == 2


async def test_what_was_added_though_ignored_is_kept(repo: Path, clone: Clone) -> None:
    sh(
        "echo 1 > one.log && git add -f one.log && git commit -qm one && echo 2 > two.log && git add -f two.log",
        clone.root,
    )
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["one.log", "two.log"]


async def test_a_repository_within_the_clone_is_kept_as_files_and_commits(repo: Path, clone: Clone) -> None:
    sh("git init -q demo && cd demo && echo 1 > f && mkdir g && echo 2 > g/h", clone.root)
    sh(
        "git -c user.name=n -c user.email=e@x add f && git -c user.name=n -c user.email=e@x commit -qm in",
        clone.root / "demo",
    )
    inner = sh("git rev-parse HEAD", clone.root / "demo")
    sh("git init -q src && git init -q empty", clone.root)
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["demo/f", "demo/g/h"]
    assert inner in reachable(repo)


async def test_odd_names_links_and_modes_are_kept(repo: Path, clone: Clone) -> None:
    for name in ("with space", "new\nline", 'qu"ote', "ünï", "-dash", ":(top)"):
        (clone.root / name).write_text(name)
    (clone.root / "link").symlink_to("nowhere")
    (clone.root / "run.sh").write_text("#!/bin/sh\n")
    (clone.root / "run.sh").chmod(0o755)
    (clone.root / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_text("raw")
    kept = await keep(clone)
    assert len(kept.files) == 9
    assert "100755" in sh(f"git ls-tree {kept.commit} run.sh", repo)
    assert "120000" in sh(f"git ls-tree {kept.commit} link", repo)


async def test_what_git_cannot_take_counts_as_removed(repo: Path, clone: Clone) -> None:
    sh("rm a.txt && mkfifo a.txt pipe && echo 1 > fine", clone.root)
    kept = await keep(clone)
    assert [(mark.path, mark.sha256 is None) for mark in kept.files] == [("a.txt", True), ("fine", False)]


async def test_files_are_kept_beside_a_gc_of_the_user(repo: Path, clones: Clones) -> None:
    opened = [await clones.open("wf_1", f"a{at}", repo, "HEAD", PLAIN) for at in range(4)]
    for clone in opened:
        sh(f"echo {clone.agent} > f && git add f && git commit -qm f && echo dirty >> f", clone.root)
    enough = repo.parent / "enough"
    loop = f"until [ -e {enough} ]; do git -C {repo} gc -q --prune=now; done"
    collecting = subprocess.Popen(loop, shell=True, stderr=subprocess.DEVNULL)
    try:
        kept = [await keep(clone) for clone in opened]
    finally:
        enough.touch()  # a gc that is killed may leave a lock on a reflog
        collecting.wait()
    await sweep(clones, "wf_1")
    sh("git gc -q --prune=now && git fsck --no-dangling", repo)
    assert {one.commit for one in kept} <= reachable(repo)
    assert not list((repo / ".git" / "objects" / "pack").glob("*.keep"))


async def test_an_agent_that_destroys_its_git_still_has_its_files_kept(repo: Path, clone: Clone) -> None:
    shutil.rmtree(clone.root / ".git")
    (clone.root / "a.txt").write_text("still here\n")
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["a.txt"]
    assert sh(f"git log -1 --format=%P {kept.commit}", repo) == clone.base


async def test_an_agent_that_begins_its_git_anew_has_it_kept_on_the_base(repo: Path, clone: Clone) -> None:
    sh("rm -rf .git && git init -q && echo n > n && git add -A", clone.root)
    sh("git -c user.name=n -c user.email=e@x commit -qm anew", clone.root)
    own = sh("git rev-parse HEAD", clone.root)
    kept = await keep(clone)
    assert sh(f"git log -1 --format=%P {kept.commit}", repo).split() == [clone.base, own]
    assert [mark.path for mark in kept.files] == ["n"]


async def test_nothing_that_an_agent_configures_is_run(repo: Path, clone: Clone, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $* >> {proof}\ncat\n")
    evil.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.alternateRefsCommand", "diff.external",
        "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "merge.evil.driver",
        "gpg.program", "uploadpack.packObjectsHook", "credential.helper", "core.gitProxy", "sequence.editor",
    ):  # fmt: skip
        sh(f"git config {key} {evil}", clone.root)
    hooks = clone.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change", "post-merge", "pre-push"):
        shutil.copy(evil, hooks / hook)
    shutil.copytree(hooks, tmp_path / "hooks")
    sh(f"git config core.hooksPath {tmp_path}/hooks && git config commit.gpgSign true", clone.root)
    sh("git config extensions.partialClone evil && git config remote.evil.promisor true", clone.root)
    sh(f"git config remote.evil.url 'ext::{evil}' && git config remote.evil.uploadpack {evil}", clone.root)
    (clone.root / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (clone.root / "a.txt").write_text("changed\n")
    sh(f"git init -q inner && git -C inner config core.fsmonitor {evil}", clone.root)
    sh("git status; git add -A", clone.root, check=False)
    assert proof.exists()  # so git would run them
    proof.unlink()
    kept = await keep(clone)
    assert sh(f"git show {kept.commit}:a.txt", repo) == "changed"
    assert not proof.exists(), proof.read_text()


async def test_git_directories_that_lead_elsewhere_are_not_followed(repo: Path, clone: Clone, tmp_path: Path) -> None:
    other = repository(tmp_path / "other", {"secret": "s"})
    shutil.rmtree(clone.root / ".git")
    (clone.root / ".git").symlink_to(other / ".git")
    before = fingerprint(other)
    (clone.root / "new").write_text("n")
    kept = await keep(clone)
    assert [mark.path for mark in kept.files] == ["new"]
    assert sh("git rev-parse HEAD", other) not in reachable(repo)
    assert fingerprint(other) == before


async def test_a_branch_that_the_user_took_over_stays_where_it_is(repo: Path, clone: Clone) -> None:
    (clone.root / "x").write_text("1")
    first = await keep(clone, remove_after=False)
    sh("git stash -q && git checkout -q tenuto/wf_1/a1", repo)
    before = fingerprint(repo)
    (clone.root / "x").write_text("2")
    second = await keep(clone)
    assert fingerprint(repo) == before
    assert sh("git rev-parse tenuto/wf_1/a1", repo) == first.commit
    assert second.branch is None
    assert "is checked out" in second.notes[0]
    assert second.commit in reachable(repo)


async def test_a_branch_called_tenuto_costs_the_branch_and_not_the_work(repo: Path, clone: Clone) -> None:
    sh("git branch tenuto", repo)
    (clone.root / "x").write_text("1")
    kept = await keep(clone)
    assert kept.branch is None
    assert "refs/heads/tenuto" in kept.notes[0]
    assert kept.commit in reachable(repo)


async def test_a_stale_lock_of_a_killed_git_is_got_over(repo: Path, clone: Clone) -> None:
    (clone.root / "x").write_text("1")
    lock = repo / ".git" / "refs" / "heads" / "tenuto" / "wf_1" / "a1.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    kept = await keep(clone)
    assert sh("git rev-parse tenuto/wf_1/a1", repo) == kept.commit


async def test_without_the_users_repository_the_clone_stays_and_the_error_names_it(repo: Path, clone: Clone) -> None:
    (clone.root / "x").write_text("1")
    repo.rename(repo.with_name("elsewhere"))
    with pytest.raises(KeepFailed, match=str(clone.top)):
        await keep(clone)
    assert (clone.root / "x").exists()
    repo.with_name("elsewhere").rename(repo)
    assert (await keep(clone)).branch == "tenuto/wf_1/a1"


async def test_a_clone_that_somebody_else_removed_is_an_error(clone: Clone) -> None:
    shutil.rmtree(clone.top)
    with pytest.raises(KeepFailed, match="not by our doing"):
        await keep(clone)
