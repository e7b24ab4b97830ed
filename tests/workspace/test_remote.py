"""Two hosts, as two folders that do not know each other, and a bare repository as the remote where they meet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tenuto.activities.merging import MergeActivities
from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.clone_parts import WorktreeImpossible
from tenuto.activities.workspace.keep import KeepFailed, keep
from tenuto.activities.workspace.merge import bring_conflict_into
from tenuto.activities.workspace.remote import publish
from tenuto.activities.workspace.sweep import sweep
from tenuto.workflows.setup_contracts import MeetingPoint
from tenuto.workflows.worktree_contracts import IntegrateCommitInput, IntegrateCommitResult

from .repositories import PLAIN, fingerprint, reachable, repository, sh

ELSEWHERE = Path("/nonexistent/on/this/host")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "home-host" / "repo")


@pytest.fixture
def remote(repo: Path, tmp_path: Path) -> MeetingPoint:
    sh(f"git init -q --bare {tmp_path}/remote.git && git push -q {tmp_path}/remote.git main", repo)
    return MeetingPoint(url=str(tmp_path / "remote.git"))


@pytest.fixture
async def base(repo: Path, remote: MeetingPoint) -> str:
    """A base that the remote does not have yet."""
    sh("git stash -q && echo newer > newer && git add newer && git commit -qm newer", repo)
    commit = sh("git rev-parse HEAD", repo)
    await publish(repo, remote.url, "wf_1", commit)
    return commit


@pytest.fixture
def there(tmp_path: Path) -> Clones:
    return Clones(tmp_path / "other-host")


async def integrated(
    repo: Path, remote: MeetingPoint, agent: str, commit: str | None, base: str
) -> IntegrateCommitResult:
    assert commit is not None
    given = IntegrateCommitInput(
        run_id="wf_1", agent=agent, commit=commit, workspace=str(repo), base=base, remote=remote
    )
    return await MergeActivities().integrate_commit(given)


async def test_work_done_on_another_host_comes_home(repo: Path, remote: MeetingPoint, base: str, there: Clones) -> None:
    before = fingerprint(repo)
    clone = await there.open("wf_1", "a1", ELSEWHERE, base, PLAIN, remote=remote)
    assert (clone.root / "newer").exists()
    sh("echo 1 > one && git add one && git commit -qm one && git stash -q; echo 2 > two", clone.root)
    kept = await keep(clone)
    assert sh("git rev-parse tenuto/wf_1/a1", Path(remote.url)) == kept.commit
    result = await integrated(repo, remote, "a1", kept.commit, base)
    assert result.commit == kept.commit
    assert sh("git rev-parse tenuto/wf_1/a1 tenuto/wf_1/merged", repo).split() == [kept.commit, kept.commit]
    assert sh("git rev-parse tenuto/wf_1/merged", Path(remote.url)) == kept.commit
    assert fingerprint(repo) == before


async def test_a_conflict_between_hosts_goes_back_over_the_remote(
    repo: Path, remote: MeetingPoint, base: str, there: Clones, tmp_path: Path
) -> None:
    here = Clones(tmp_path / "home-host" / "tenuto")
    mine = await here.open("wf_1", "a1", repo, base, PLAIN, remote=remote)
    (mine.root / "a.txt").write_text("one\n")
    await integrated(repo, remote, "a1", (await keep(mine)).commit, base)
    clone = await there.open("wf_1", "a2", ELSEWHERE, base, PLAIN, remote=remote)
    (clone.root / "a.txt").write_text("two\n")
    kept = await keep(clone, remove_after=False)
    result = await integrated(repo, remote, "a2", kept.commit, base)
    assert result.conflict is not None
    assert kept.commit is not None
    text = await bring_conflict_into(clone, kept.commit, result.conflict.base)
    assert "a.txt" in text
    (clone.root / "a.txt").write_text("one and two\n")
    resolved = await keep(clone)
    result = await integrated(repo, remote, "a2", resolved.commit, base)
    assert result.commit is not None
    assert sh("git show tenuto/wf_1/merged:a.txt", repo) == "one and two"


async def test_a_third_host_goes_on_with_what_the_second_kept(
    remote: MeetingPoint, base: str, there: Clones, tmp_path: Path
) -> None:
    clone = await there.open("wf_1", "a1", ELSEWHERE, base, PLAIN, remote=remote)
    (clone.root / "x").write_text("kept there")
    kept = await keep(clone)
    shutil.rmtree(there.folder)
    third = await Clones(tmp_path / "third-host").open("wf_1", "a1", ELSEWHERE, base, PLAIN, remote=remote)
    assert (third.root / "x").read_text() == "kept there"
    assert (await keep(third)).commit == kept.commit


async def test_a_remote_that_is_away_costs_nothing_but_time(remote: MeetingPoint, base: str, there: Clones) -> None:
    clone = await there.open("wf_1", "a1", ELSEWHERE, base, PLAIN, remote=remote)
    (clone.root / "x").write_text("x")
    Path(remote.url).rename(f"{remote.url}-away")
    with pytest.raises(KeepFailed, match=str(clone.top)):
        await keep(clone)
    assert (await sweep(there, "wf_1")).removed == []
    assert (clone.root / "x").exists()
    Path(f"{remote.url}-away").rename(remote.url)
    kept = await keep(clone)
    assert kept.commit in reachable(Path(remote.url))


async def test_a_base_that_the_remote_does_not_have_is_said(remote: MeetingPoint, there: Clones, repo: Path) -> None:
    sh("git stash -q && git commit -q --allow-empty -m unpublished", repo)
    with pytest.raises(WorktreeImpossible, match="does not have the commit"):
        await there.open("wf_1", "a1", ELSEWHERE, sh("git rev-parse HEAD", repo), PLAIN, remote=remote)
