"""The merge queue: one commit after another onto the run's branch, each once, and conflicts back to their agents."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.keep import Kept, keep
from tenuto.activities.workspace.merge import Merged, MergeImpossible, bring_conflict_into, integrate
from tenuto.activities.workspace.merge_trees import Conflict, by_files, by_tree
from tenuto.activities.workspace.repository import repository_of
from tenuto.activities.workspace.scratch import scratch_over

from .repositories import PLAIN, fingerprint, repository, sh


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", {"long.txt": "".join(f"line {number}\n" for number in range(40))})


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path / "home")


async def work(clones: Clones, repo: Path, agent: str, command: str) -> Kept:
    clone = await clones.open("wf_1", agent, repo, "HEAD", PLAIN)
    sh(command, clone.root)
    return await keep(clone, remove_after=False)


async def test_commits_come_together_on_the_runs_branch(repo: Path, clones: Clones) -> None:
    before = fingerprint(repo)
    one = await work(clones, repo, "a1", "sed -i '1s/$/ one/' long.txt")
    two = await work(clones, repo, "a2", "sed -i '40s/$/ two/' long.txt")
    assert one.commit and two.commit
    assert await integrate(repo, "wf_1", "a1", one.commit) == Merged(one.commit)
    merged = await integrate(repo, "wf_1", "a2", two.commit)
    assert isinstance(merged, Merged)
    text = sh("git show tenuto/wf_1/merged:long.txt", repo).splitlines()
    assert (text[0], text[39]) == ("line 0 one", "line 39 two")
    assert (
        sh("git log -1 --format='%H|%s|%an' tenuto/wf_1/merged", repo) == f"{merged.commit}|Merge the work of a2|Tenuto"
    )
    assert fingerprint(repo) == before


async def test_a_commit_is_integrated_once(repo: Path, clones: Clones) -> None:
    one = await work(clones, repo, "a1", "echo 1 > one")
    two = await work(clones, repo, "a2", "echo 2 > two")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    merged = await integrate(repo, "wf_1", "a2", two.commit)
    assert await integrate(repo, "wf_1", "a2", two.commit) == merged
    assert await integrate(repo, "wf_1", "a1", one.commit) == merged


async def test_many_at_once_all_get_in(repo: Path, clones: Clones) -> None:
    kept = [await work(clones, repo, f"a{number}", f"echo x > file{number}") for number in range(6)]
    commits = [one.commit for one in kept if one.commit]
    await asyncio.gather(
        *(integrate(repo, "wf_1", f"a{number}", commit) for number, commit in enumerate(commits) for _ in range(2))
    )
    names = sh("git ls-tree --name-only tenuto/wf_1/merged", repo).split()
    assert [f"file{number}" for number in range(6)] == [name for name in names if name.startswith("file")]
    merges = sh("git rev-list --merges --count tenuto/wf_1/merged", repo)
    assert int(merges) == 5


async def test_a_conflict_changes_nothing_and_goes_back_to_the_agent(repo: Path, clones: Clones) -> None:
    one = await work(clones, repo, "a1", "echo one > a.txt && echo 1 > from-one")
    two = await work(clones, repo, "a2", "echo two > a.txt && echo 2 > from-two && git add -A && git commit -qm two")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    conflict = await integrate(repo, "wf_1", "a2", two.commit)
    assert isinstance(conflict, Conflict)
    assert conflict.files == ["a.txt"]
    assert "Merge conflict in a.txt" in conflict.text
    assert conflict.base == one.commit == sh("git rev-parse tenuto/wf_1/merged", repo)

    clone = await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)
    text = await bring_conflict_into(clone, two.commit, conflict.base)
    assert "- a.txt" in text
    assert sh("git status --porcelain", clone.root) == "UU a.txt\nA  from-one"
    assert "<<<<<<< HEAD\ntwo\n=======\none\n>>>>>>> tenuto/wf_1/merged" in (clone.root / "a.txt").read_text()
    assert sh("git rev-parse HEAD", clone.root) == two.commit
    (clone.root / "a.txt").write_text("one and two\n")
    resolved = await keep(clone)
    assert resolved.unresolved == []
    assert resolved.commit is not None
    assert isinstance(await integrate(repo, "wf_1", "a2", resolved.commit), Merged)
    assert sh("git show tenuto/wf_1/merged:a.txt", repo) == "one and two"


@pytest.mark.parametrize("resolve", ["git add -A && git commit -qm resolved", "git add a.txt", "true"])
async def test_an_agent_may_resolve_in_any_way_git_knows(repo: Path, clones: Clones, resolve: str) -> None:
    one = await work(clones, repo, "a1", "echo one > a.txt")
    two = await work(clones, repo, "a2", "echo two > a.txt")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    clone = await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)
    await bring_conflict_into(clone, two.commit, one.commit)
    sh(f"echo both > a.txt && {resolve}", clone.root)
    kept = await keep(clone)
    assert kept.commit is not None
    assert isinstance(await integrate(repo, "wf_1", "a2", kept.commit), Merged)


@pytest.mark.parametrize("pretend", ["true", "git add -A", "git add -A && git commit -qm 'resolved'"])
async def test_conflict_markers_left_in_place_are_not_a_resolution(repo: Path, clones: Clones, pretend: str) -> None:
    one = await work(clones, repo, "a1", "echo one > a.txt")
    two = await work(clones, repo, "a2", "echo two > a.txt")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    clone = await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)
    text = await bring_conflict_into(clone, two.commit, one.commit)
    sh(pretend, clone.root)
    kept = await keep(clone, remove_after=False)
    assert kept.unresolved == ["a.txt"]
    assert kept.commit == two.commit
    assert sh("git show tenuto/wf_1/a2:a.txt", repo) == "two"
    assert await bring_conflict_into(clone, two.commit, one.commit) == text
    (clone.root / "a.txt").write_text("both\n")
    resolved = await keep(clone)
    assert resolved.unresolved == []
    assert resolved.commit is not None
    assert sh(f"git show {resolved.commit}:a.txt", repo) == "both"


async def test_a_file_changed_here_and_removed_there_waits_for_a_decision(repo: Path, clones: Clones) -> None:
    one = await work(clones, repo, "a1", "git rm -q src/b.txt")
    two = await work(clones, repo, "a2", "echo more >> src/b.txt")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    conflict = await integrate(repo, "wf_1", "a2", two.commit)
    assert isinstance(conflict, Conflict)
    clone = await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)
    await bring_conflict_into(clone, two.commit, conflict.base)
    assert (await keep(clone, remove_after=False)).unresolved == ["src/b.txt"]
    sh("git rm -q src/b.txt", clone.root)
    kept = await keep(clone)
    assert kept.unresolved == []
    assert kept.commit is not None
    assert isinstance(await integrate(repo, "wf_1", "a2", kept.commit), Merged)


async def test_a_conflict_that_was_half_brought_is_brought_whole(
    repo: Path, clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await work(clones, repo, "a1", "echo one > a.txt")
    two = await work(clones, repo, "a2", "echo two > a.txt")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    clone = await clones.open("wf_1", "a2", repo, "HEAD", PLAIN)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("tenuto.activities.workspace.conflict._hand_over", die)
        with pytest.raises(RuntimeError, match="killed"):
            await bring_conflict_into(clone, two.commit, one.commit)
    assert (await keep(clone, remove_after=False)).unresolved == ["a.txt"]
    assert sh("git status --porcelain", clone.root) == "UU a.txt"


async def test_the_run_goes_on_while_the_user_looks_at_its_branch(repo: Path, clones: Clones) -> None:
    one = await work(clones, repo, "a1", "echo 1 > one")
    two = await work(clones, repo, "a2", "echo 2 > two")
    assert one.commit and two.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    sh("git stash -q && git checkout -q tenuto/wf_1/merged", repo)
    before = fingerprint(repo)
    merged = await integrate(repo, "wf_1", "a2", two.commit)
    assert isinstance(merged, Merged)
    assert merged.note is not None
    assert fingerprint(repo) == before
    sh("git checkout -q main", repo)
    assert await integrate(repo, "wf_1", "a2", two.commit) == Merged(merged.commit)
    assert sh("git rev-parse tenuto/wf_1/merged", repo) == merged.commit


async def test_a_merge_with_files_comes_to_the_same(repo: Path, clones: Clones) -> None:
    one = await work(clones, repo, "a1", "sed -i '1s/$/ one/' long.txt")
    two = await work(clones, repo, "a2", "sed -i '40s/$/ two/' long.txt")
    clash = await work(clones, repo, "a3", "sed -i '1s/$/ three/' long.txt")
    assert one.commit and two.commit and clash.commit
    for wanted in (two.commit, clash.commit):
        async with scratch_over(await repository_of(repo)) as scratch:
            without = await by_tree(scratch, one.commit, wanted)
            with_files = await by_files(scratch, one.commit, wanted)
        if isinstance(without, Conflict):
            assert isinstance(with_files, Conflict)
            assert without.files == with_files.files
        else:
            assert without == with_files


async def test_attributes_say_how_files_merge_and_no_driver_is_run(repo: Path, clones: Clones, tmp_path: Path) -> None:
    sh("git stash -q && echo 'CHANGES merge=union\na.txt merge=evil' > .gitattributes && echo start > CHANGES", repo)
    sh(f"git add -A && git commit -qm attributes && git config merge.evil.driver 'touch {tmp_path}/proof'", repo)
    one = await work(clones, repo, "a1", "echo one >> CHANGES && echo 1 > a.txt")
    two = await work(clones, repo, "a2", "echo two >> CHANGES")
    three = await work(clones, repo, "a3", "echo 3 > a.txt")
    assert one.commit and two.commit and three.commit
    await integrate(repo, "wf_1", "a1", one.commit)
    assert isinstance(await integrate(repo, "wf_1", "a2", two.commit), Merged)
    assert isinstance(await integrate(repo, "wf_1", "a3", three.commit), Conflict)
    assert not (tmp_path / "proof").exists()


async def test_what_cannot_be_merged_at_all_says_why(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(MergeImpossible, match="not in a git repository"):
        await integrate(tmp_path, "wf_1", "a1", "0" * 40)
    with pytest.raises(MergeImpossible, match="is not in the repository"):
        await integrate(repo, "wf_1", "a1", "0" * 40)
    with pytest.raises(MergeImpossible, match="begins"):
        await integrate(repo, "wf_1", "a1", sh("git rev-parse HEAD", repo))
