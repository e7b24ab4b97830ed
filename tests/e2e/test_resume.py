"""What an earlier run has paid for is not paid again: not after an edit, a failure, or a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .repository import git, tally
from .served import Served, ended, until

pytestmark = pytest.mark.e2e

AGENTS = 12
WRITES = """from tenuto import Meta, agent, parallel
meta = Meta(name="writes", description="Agents that leave something")
async def main(args):
    own = {"isolation": "worktree", "merge": "queue"} if args["own"] else {}
    return await parallel([agent(f"{args['name']} task {i}.", **own) for i in range(2)])
"""
FAILS = {
    "py": """from tenuto import Meta, agent, parallel
meta = Meta(name="falls", description="Falls at the end", phases=["Work"])
async def main(args):
    said = await parallel([agent(f"{args['name']} task {i}", phase="Work") for i in range(args["n"])])
    raise RuntimeError("mend me")
""",
    "js": """export const meta = {name: "falls-js", description: "Falls at the end", phases: [{title: "Work"}]}
phase("Work")
await parallel(Array.from({length: args.n}, (_, i) => () => agent(`${args.name} task ${i}`)))
throw new Error("mend me")
""",
}


def resume(served: Served, script: str, old: str, new: str, code: int = 0, **args: Any) -> dict[str, Any]:
    words = ("run", script, "--args", json.dumps(args), "--resume-from", old, "--id", new, "--json")
    return ended(served.follow(*words), code=code)


@pytest.mark.parametrize("dialect", ["py", "js"])
def test_after_an_edit_only_what_was_edited_runs(served: Served, dialect: str) -> None:
    name = f"edit-{dialect}"
    served.tenuto.script(f"falls.{dialect}", FAILS[dialect])
    args = json.dumps({"n": AGENTS, "name": name})
    first = ended(served.follow("run", f"falls.{dialect}", "--args", args, "--id", f"wf_{name}", "--json"), code=1)
    assert (first["status"], first["census"]["done"]) == ("failed", AGENTS)
    edited = FAILS[dialect].replace('raise RuntimeError("mend me")', 'return [*said, await agent("extra " + said[0])]')
    edited = edited.replace("await parallel(Array", "const said = await parallel(Array")
    edited = edited.replace('throw new Error("mend me")', "return [...said, await agent('extra ' + said[0])]")
    # A label and a phase are how a call is shown, not what it asks.
    edited = edited.replace('phase="Work"', 'phase="Renamed", label=f"renamed {i}"').replace('phase("Work")', "")
    served.tenuto.script(f"falls.{dialect}", edited)
    asked = len(served.api.requests())
    report = resume(served, f"falls.{dialect}", f"wf_{name}", f"wf_{name}_2", n=AGENTS, name=name)
    assert len(served.api.requests()) - asked == 1
    assert (report["census"]["cached"], report["census"]["done"]) == (AGENTS, 1)
    assert len(report["result"]) == AGENTS + 1
    assert report["usage"]["output_tokens"] == sum(a["usage"]["output_tokens"] for a in report["agents"][-1:])
    # The new run stands for itself: one that resumes it needs nothing of the first.
    again = resume(served, f"falls.{dialect}", f"wf_{name}_2", f"wf_{name}_3", n=AGENTS, name=name)
    assert (again["census"]["cached"], again["result"]) == (AGENTS + 1, report["result"])
    assert again["usage"]["usd"] == 0
    assert "task 3" in served.tenuto("logs", f"wf_{name}_3", "a4").stdout


def test_a_stopped_run_gives_up_what_it_finished_and_nothing_else(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_regex": "half task [0-5]$"}, "latency_s": 60}])
    follower = served.start("many.py", "wf_half", n=AGENTS, name="half")
    until(lambda: served.answered("half") >= AGENTS - 6)
    until(lambda: served.tenuto.json("show", "wf_half")["census"]["done"] == AGENTS - 6)
    served.tenuto.json("stop", "wf_half")
    ended(follower, code=4)
    served.api.control(reset=True)
    report = resume(served, "many.py", "wf_half", "wf_whole", n=AGENTS, name="half")
    assert (report["census"]["cached"], report["census"]["done"]) == (AGENTS - 6, 6)
    assert len(served.asked("half")) == 6


def test_a_run_that_goes_on_or_never_was_is_not_resumed(served: Served) -> None:
    served.api.control(latency_s=30)
    follower = served.start("many.py", "wf_live", n=1)
    until(lambda: served.asked("wf_live"))
    refused = served.tenuto("run", "many.py", "--resume-from", "wf_live")
    assert (refused.returncode, "tenuto stop wf_live" in refused.stderr) == (2, True)
    unknown = served.tenuto("run", "many.py", "--resume-from", "wf_never")
    assert (unknown.returncode, "no run 'wf_never'" in unknown.stderr) == (2, True)
    served.tenuto.json("stop", "wf_live")
    ended(follower, code=4)


def test_resume_starts_an_ended_run_again_with_another_cap(served: Served) -> None:
    first = ended(served.start("many.py", "wf_capped", "--max-agents", "3", n=5, name="capped"), code=3)
    assert (first["census"]["done"], len(first["failures"])) == (3, 2)
    resumed = ended(served.follow("resume", "wf_capped", "--max-agents", "9", "--id", "wf_uncapped", "--json"))
    assert (resumed["census"]["cached"], resumed["census"]["done"]) == (3, 2)
    assert resumed["result"]["said"][:3] == first["result"]["said"][:3]
    assert len(served.asked("capped")) == 5
    assert served.tenuto("resume", "wf_capped", "--id", "wf_capped").returncode == 2
    assert served.tenuto("resume", "wf_never").returncode == 2


def writing(served: Served, task: int) -> None:
    reply = {"tool_use": [{"name": "Write", "input": {"file_path": f"{task}.txt", "content": f"by {task}"}}]}
    served.api.control(rules=[{"match": {"prompt_contains": f"task {task}.", "turn": 1}, "reply": reply}])


def run_writing(served: Served, folder: Path, run_id: str, *words: str, own: bool) -> dict[str, Any]:
    served.tenuto.script("writes.py", WRITES)
    args = json.dumps({"name": "own" if own else "shared", "own": own})
    line = ("run", "writes.py", "--args", args, "--id", run_id, "--workspace", str(folder), "--json", *words)
    return ended(served.follow(*line))


def test_an_agent_whose_file_was_changed_since_runs_again(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    for task in (0, 1):
        writing(served, task)
    assert run_writing(served, folder, "wf_wrote", own=False)["census"]["done"] == 2
    same = run_writing(served, folder, "wf_wrote_2", "--resume-from", "wf_wrote", own=False)
    assert same["census"]["cached"] == 2
    (folder / "1.txt").write_text("by hand")
    other = run_writing(served, folder, "wf_wrote_3", "--resume-from", "wf_wrote_2", own=False)
    assert (other["census"]["cached"], other["census"]["done"]) == (1, 1)
    assert "1.txt no longer has the content that it left" in served.tenuto("logs", "wf_wrote_3").stdout


def test_commits_of_reused_agents_come_onto_the_branch_of_the_new_run(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    for task in (0, 1):
        writing(served, task)
    run_writing(served, folder, "wf_trees", own=True)
    report = run_writing(served, folder, "wf_trees_2", "--resume-from", "wf_trees", own=True)
    assert report["census"]["cached"] == 2
    assert {"0.txt", "1.txt"} <= set(git(folder, "ls-tree", "--name-only", "tenuto/wf_trees_2/merged").split())
    git(folder, "commit", "-q", "--allow-empty", "-m", "On from here")
    moved = run_writing(served, folder, "wf_trees_3", "--resume-from", "wf_trees", own=True)
    assert moved["census"]["done"] == 2
