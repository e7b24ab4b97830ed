"""Agents with a checkout of their own: nothing of the user's changes, nothing of theirs is lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .repository import git, tally
from .served import Served, ended, until

pytestmark = pytest.mark.e2e

SCRIPT = """from tenuto import Meta, agent, parallel
meta = Meta(name="trees", description="Agents with checkouts of their own", phases=["Work"])
async def main(args):
    merge = "queue" if args.get("merge") else None
    calls = [task(f"{args['name']} task {i}.", f"task {i}", merge) for i in range(args["n"])]
    return await parallel(calls)

async def task(prompt: str, label: str, merge):
    return await agent(prompt, label=label, phase="Work", isolation="worktree", merge=merge)
"""


def start(served: Served, run_id: str, folder: Path, n: int, **more: Any) -> subprocess.Popen[str]:
    served.tenuto.script("trees.py", SCRIPT)
    args = json.dumps({"name": run_id, "n": n, **more})
    return served.follow("run", "trees.py", "--args", args, "--id", run_id, "--workspace", str(folder), "--json")


def bash(task: int, turn: int, command: str) -> dict[str, Any]:
    """A rule: in this turn, the agent of this task runs a command."""
    match = {"prompt_contains": f"task {task}.", "turn": turn}
    return {"match": match, "reply": {"tool_use": [{"name": "Bash", "input": {"command": command}}]}}


def deeds(task: int) -> str:
    """Seeded git commands as an agent in a hurry gives them, each commit told by its hash."""
    pick = random.Random(task)
    commit = "git commit -qam 'work' && git rev-parse HEAD | sed 's/^/made /'"
    steps = [
        f"echo {task} >> tally/words.py && {commit}",
        f"echo {task} > own-{task}.txt && git add -A && {commit}",
        "git stash -q || true",
        "echo lost >> README.md; git reset -q --hard",
        "git clean -qfdx",
        f"git checkout -q -b side-{task}-{pick.randrange(99)} && echo side >> README.md && {commit}",
        "git reset -q --hard HEAD~1 || true",
        "echo unsaved >> tally/columns.py; git stash -q",
    ]
    order = pick.choices(steps, k=6)
    return "; ".join([f"echo first {task} >> first.txt && git add -A && {commit}", *order])


def state_of(folder: Path) -> dict[str, str]:
    """Every byte of the user's that must not change: files, index, HEAD, stash, configuration, branches of his own."""
    found = {}
    inside = ("index", "HEAD", "config", "ORIG_HEAD", "logs/HEAD", "logs/refs/stash", "refs/stash", "refs/heads/main")
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts]
    for path in [*files, *(folder / ".git" / name for name in inside)]:
        if path.exists():
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def made(served: Served, run_id: str, agents: int) -> set[str]:
    """Every commit that an agent made, as its transcript tells."""
    said = ""
    for number in range(1, agents + 1):
        for key in sorted((served.tenuto.home / f"store/runs/{run_id}/agents/a{number}/turns").glob("*.json")):
            said += key.read_text()
    return set(re.findall(r"made ([0-9a-f]{40})", said))


@pytest.mark.crash
@pytest.mark.timeout(240)
def test_thirty_two_agents_at_once_change_nothing_of_the_users_and_lose_no_commit(
    served: Served, tmp_path: Path
) -> None:
    agents, run_id = 32, "wf_trees"
    folder = tally(tmp_path / "tally")
    (folder / "README.md").write_text("stashed by the user\n")
    git(folder, "stash", "-q")
    (folder / "tally" / "words.py").write_text("# not committed\n")
    (folder / "staged.txt").write_text("staged\n")
    git(folder, "add", "staged.txt")
    before = state_of(folder)
    rules = [rule for task in range(agents) for rule in (bash(task, 1, deeds(task)), bash(task, 2, deeds(task + 100)))]
    served.api.control(rules=rules)
    follower = start(served, run_id, folder, agents)
    until(lambda: sum(record["turn"] == 2 for record in served.asked(run_id)) > agents // 4, 120)
    (worker,) = served.tenuto.json("up")["worker_pids"]
    os.kill(worker, signal.SIGKILL)
    report = ended(follower, timeout_s=180)
    assert (report["status"], report["census"]["done"]) == ("completed", agents), report["failures"]
    assert state_of(folder) == before
    branches = git(folder, "branch", "--list", "--format=%(refname:short)", f"tenuto/{run_id}/*").split()
    assert len(branches) > agents // 2, "most agents end with something changed"
    commits = made(served, run_id, agents)
    assert len(commits) > 2 * agents
    git(folder, "-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now")
    reachable = set(git(folder, "rev-list", "--all").split())
    assert commits <= reachable
    assert not list((served.tenuto.home / "clones").glob(f"{run_id}/a*")), "a clone was left"


@pytest.mark.timeout(120)
def test_commits_come_onto_the_runs_branch_and_a_conflict_goes_back_to_its_agent(
    served: Served, tmp_path: Path
) -> None:
    run_id = "wf_queue"
    folder = tally(tmp_path / "tally")
    rules = [bash(task, 1, f"echo {task} > own-{task}.txt") for task in range(2)]
    rules += [bash(task, 1, f"sed -i 's/^Counts.*/Counts for {task}/' README.md") for task in (2, 3)]
    told = {"last_contains": "README.md", "prompt_regex": "task [23]"}
    settle = "printf '# tally\\n\\nCounts for both\\n' > README.md"
    rules.append({"match": told, "reply": {"tool_use": [{"name": "Bash", "input": {"command": settle}}]}})
    served.api.control(rules=rules)
    before = state_of(folder)
    report = ended(start(served, run_id, folder, 4, merge=True), timeout_s=100)
    assert (report["status"], report["census"]["done"]) == ("completed", 4), report["failures"]
    assert state_of(folder) == before
    merged = f"tenuto/{run_id}/merged"
    names = git(folder, "ls-tree", "-r", "--name-only", merged).split()
    assert {"own-0.txt", "own-1.txt"} <= set(names)
    assert git(folder, "show", f"{merged}:README.md") == "# tally\n\nCounts for both"
    assert any("does not merge" in line for line in served.tenuto.json("logs", run_id)["lines"])


def test_an_agent_that_changed_nothing_leaves_no_branch(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    report = ended(start(served, "wf_still", folder, 2))
    assert report["status"] == "completed"
    assert git(folder, "branch", "--list", "tenuto/*") == ""
    assert not list((served.tenuto.home / "clones").glob("wf_still/a*"))


@pytest.mark.parametrize("why", ["no git", "no commit"])
def test_where_no_checkout_can_be_made_the_call_throws_and_says_why(served: Served, tmp_path: Path, why: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if why == "no commit":
        git(folder, "init", "-q")
    run_id = f"wf_{why.replace(' ', '_')}"
    report = ended(start(served, run_id, folder, 1), code=3)
    (failure,) = report["failures"]
    assert failure["kind"] == "worktree"
    assert "not in a git repository with a commit" in failure["message"]
