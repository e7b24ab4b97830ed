"""Thirty-two agents at once, and processes that are killed while they keep: no cross-effects, no commit lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.clone_parts import Clone
from tenuto.activities.workspace.keep import keep
from tenuto.activities.workspace.sweep import sweep

from .repositories import PLAIN, fingerprint, reachable, repository, roam, sh

ROOT = Path(__file__).parents[2]
AGENTS = 32
STEPS = 10


async def let_roam(clones: list[Clone], seed: int, steps: int) -> list[set[str]]:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as pool:
        work = [loop.run_in_executor(pool, roam, clone.top, seed + at, steps) for at, clone in enumerate(clones)]
        return await asyncio.gather(*work)


def commits_in(clones: list[Clone]) -> set[str]:
    listing = "git cat-file --batch-all-objects --batch-check='%(objecttype) %(objectname)' | sed -n 's/^commit //p'"
    return {commit for clone in clones if clone.top.exists() for commit in sh(listing, clone.top).split()}


def below(pid: int) -> list[int]:
    """Processes that a process has started, all the way down."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


async def test_thirty_two_agents_do_as_they_like_and_nothing_is_lost(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    repo = repository(tmp_path / "repo")
    clones, before = Clones(tmp_path / "home"), fingerprint(repo)
    opened = await asyncio.gather(*(clones.open("wf_1", f"a{at}", repo, "HEAD", PLAIN) for at in range(AGENTS)))
    made = await let_roam(opened, seed, STEPS)
    for at, clone in enumerate(opened):
        others = [path for path in (clone.top / "deep").glob("*") if path.name != str(seed + at)]
        assert not others
    everything = set().union(*made) | commits_in(opened)
    assert len(everything) > AGENTS
    kept = await asyncio.gather(*(keep(clone) for clone in opened))
    assert fingerprint(repo) == before
    assert not [clone for clone in opened if clone.top.exists()]
    assert {one.commit for one in kept if one.commit} <= reachable(repo)
    await sweep(clones, "wf_1")
    sh("git gc -q --prune=now", repo)
    assert everything - reachable(repo) <= set(sh("git rev-list -g stash", repo).split())
    assert sh("git fsck --connectivity-only --no-dangling", repo) == ""


@pytest.mark.crash
@pytest.mark.timeout(180)  # git waits some seconds for each lock that a killed one left
async def test_a_process_killed_while_it_keeps_loses_nothing(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    repo = repository(tmp_path / "repo")
    home = tmp_path / "home"
    clones, before = Clones(home), fingerprint(repo)
    agents = [f"a{at}" for at in range(4)]
    opened = [await clones.open("wf_1", agent, repo, "HEAD", PLAIN) for agent in agents]
    made = await let_roam(opened, seed, 6)
    for at, clone in enumerate(opened):
        (clone.top / "left uncommitted").write_text(str(at))
    everything = set().union(*made) | commits_in(opened)
    kills = 0
    for attempt in range(6):
        command = [sys.executable, "-m", "tests.workspace.keeper", str(home), "wf_1", *agents]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            # Shorter at first than any keeping takes: a keeper that ends in peace leaves the next ones nothing to do.
            process.wait(timeout=chance.uniform(0.01, 0.04) * 2**attempt)
        except subprocess.TimeoutExpired:
            # Every other time its git commands die with it, and leave what locks they held.
            for pid in [process.pid, *(below(process.pid) if kills % 2 else [])]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            kills += 1
        process.wait()
        process.stdout.close()
        gone = [clone for clone in opened if not clone.top.exists()]
        branches = sh("git for-each-ref --format='%(refname:short)' refs/heads/tenuto", repo).split()
        assert {clone.branch for clone in gone} <= set(branches)
    assert kills
    kept = [await keep(clone) for clone in opened]
    assert [one.branch for one in kept] == [clone.branch for clone in opened]
    for at, one in enumerate(kept):
        assert sh(f"git show {one.commit}:'left uncommitted'", repo) == str(at)
    assert fingerprint(repo) == before
    sh("git gc -q --prune=now", repo)
    assert everything - reachable(repo) <= set(sh("git rev-list -g stash", repo).split())
    assert not list((home / "clones" / "wf_1").glob("a*"))
