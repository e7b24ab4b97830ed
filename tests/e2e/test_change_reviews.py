"""Reviews of commits through the command: reviewers see the diff, and the author mends it where it made it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .repository import git, tally
from .served import Served, ended

pytestmark = pytest.mark.e2e

OF_AGENT_PY = """from tenuto import Meta, agent, review
meta = Meta(name="change-py", description="A review of what an agent changed")
async def main(args):
    work = await agent("AUTHOR: change it", isolation="worktree", merge=args.get("merge"))
    return await review(work, lenses=["alpha", "beta"], revise="Mend it.")
"""
OF_AGENT_JS = """export const meta = {name: "change-js", description: "A review of what an agent changed"}
const work = await agent("AUTHOR: change it", {isolation: "worktree", merge: args.merge})
return await review(work, {lenses: ["alpha", "beta"], revise: "Mend it."})
"""
NAMED_PY = """from tenuto import Meta, review
meta = Meta(name="named-py", description="A review of a commit")
async def main(args):
    return await review({"commit": args["commit"], "paths": args["paths"]}, lenses=["alpha"], revise="Mend it.")
"""
NAMED_JS = """export const meta = {name: "named-js", description: "A review of a commit"}
return await review({commit: args.commit, paths: args.paths}, {lenses: ["alpha"], revise: "Mend it."})
"""


def says(verdict: str, *objections: str) -> dict[str, Any]:
    return {"text": json.dumps({"verdict": verdict, "objections": list(objections), "evidence": ["looked"]})}


def bash(match: dict[str, Any], command: str) -> dict[str, Any]:
    return {"match": match, "reply": {"tool_use": [{"name": "Bash", "input": {"command": command}}]}}


def start(
    served: Served, source: str, name: str, run_id: str, folder: Path, args: dict[str, Any]
) -> subprocess.Popen[str]:
    served.tenuto.script(name, source)
    words = ("--args", json.dumps(args), "--id", run_id, "--workspace", str(folder), "--json")
    return served.follow("run", name, *words)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["change.py", "change.js"])
@pytest.mark.parametrize("merge", [None, "queue"])
def test_reviewers_see_what_an_agent_changed_and_see_it_again_when_its_author_has_mended_it(
    served: Served, tmp_path: Path, name: str, merge: str | None
) -> None:
    folder = tally(tmp_path / "tally")
    run_id = f"wf_change_{name[-2:]}_{merge or 'kept'}"
    served.api.control(
        rules=[
            {"match": {"prompt_contains": "+second try"}, "reply": says("pass")},
            {"match": {"prompt_contains": "+first try"}, "reply": says("fail", "It says first.")},
            bash({"prompt_contains": "AUTHOR", "turn": 1}, "echo first try > try.txt"),
            {"match": {"prompt_contains": "AUTHOR", "turn": 2}, "reply": {"text": "done"}},
            bash({"prompt_contains": "AUTHOR", "turn": 3}, "grep -q first try.txt && echo second try > try.txt"),
            {"match": {"prompt_contains": "AUTHOR", "turn": 4}, "reply": {"text": "done"}},
        ]
    )
    source = OF_AGENT_PY if name.endswith("py") else OF_AGENT_JS
    report = ended(start(served, source, name, run_id, folder, {"merge": merge} if merge else {}), timeout_s=100)
    result = report["result"]
    assert (result["verdict"], result["rounds"], result["final"]) == ("confirmed", 2, "done"), result
    assert (report["status"], report["census"]["done"]) == ("completed", 6), report["failures"]
    branch = f"tenuto/{run_id}/a1"
    assert result["commit"] == git(folder, "rev-parse", branch), "the author's own branch has the revision"
    assert git(folder, "show", f"{branch}:try.txt") == "second try"
    if merge:
        assert git(folder, "show", f"tenuto/{run_id}/merged:try.txt") == "second try"
    asked = [each for each in served.api.requests() if "independent reviewer" in each["prompt"]]
    assert len(asked) == 4
    assert all("AUTHOR" not in each["prompt"] for each in asked), "not the author's reasoning"
    assert not list((served.tenuto.home / "clones").glob(f"{run_id}/a*")), "a clone was left"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["named.py", "named.js"])
def test_a_named_commit_is_shown_within_its_paths_and_mended_by_an_agent_that_begins_at_it(
    served: Served, tmp_path: Path, name: str
) -> None:
    folder, run_id = tally(tmp_path / "tally"), f"wf_named_{name[-2:]}"
    (folder / "try.txt").write_text("first try\n")
    (folder / "other.txt").write_text("not to be seen\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "try")
    mend = {"prompt_contains": "Mend it in your checkout"}
    served.api.control(
        rules=[
            {"match": {"prompt_contains": "+second try"}, "reply": says("pass")},
            bash({**mend, "turn": 1}, "grep -q first try.txt && echo second try > try.txt"),
            {"match": mend, "reply": {"text": "I wrote second."}},
            {"match": {"prompt_contains": "+first try"}, "reply": says("fail", "It says first.")},
        ]
    )
    source = NAMED_PY if name.endswith("py") else NAMED_JS
    args = {"commit": "HEAD", "paths": ["try.txt"]}
    result = ended(start(served, source, name, run_id, folder, args), timeout_s=100)["result"]
    assert (result["verdict"], result["rounds"]) == ("confirmed", 2), result
    assert result["final"] == {"commit": result["commit"], "paths": ["try.txt"]}
    assert git(folder, "show", f"{result['commit']}:try.txt") == "second try"
    assert git(folder, "rev-parse", f"{result['commit']}^") == git(folder, "rev-parse", "main")
    asked = [each["prompt"] for each in served.api.requests() if "independent reviewer" in each["prompt"]]
    assert len(asked) == 2 and not any("not to be seen" in prompt for prompt in asked)


def test_a_commit_that_is_not_there_throws_before_anybody_is_paid(served: Served, tmp_path: Path) -> None:
    args = {"commit": "no-such-branch", "paths": []}
    report = ended(start(served, NAMED_PY, "named.py", "wf_nowhere", tally(tmp_path / "tally"), args), code=1)
    assert report["error"]["message"].startswith("RuntimeError: not_found: review(): there is no commit 'no-such-")
    assert report["census"]["agents"] == 0 and not served.api.requests()
