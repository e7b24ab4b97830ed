"""A review of unchanged work pays nothing again in a resumed run: no vote, no revision, no attempt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .repository import git, tally
from .served import Served, ended

pytestmark = pytest.mark.e2e

PY = """from tenuto import Meta, agent, converge, review
meta = Meta(name="rests", description="What rests on reviews")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
async def main(args):
    text = await agent("AUTHOR: write it")
    first = await review(text, lenses=["alpha", "beta"], revise="Mend it.")
    work = await agent("CODER: change it", isolation="worktree")
    second = await review(work, lenses=["alpha", "beta"], revise="Mend it.")
    third = await converge("CAUSE: why?", angles=["one", "two"], schema=SCHEMA, rounds=2)
    if args["fails"]:
        raise RuntimeError("mend me")
    return [first["verdict"], first["final"], second["verdict"], second["commit"], third["verdict"]]
"""
JS = """export const meta = {name: "rests-js", description: "What rests on reviews"}
const schema = {type: "object", properties: {n: {type: "integer"}}, required: ["n"]}
const text = await agent("AUTHOR: write it")
const first = await review(text, {lenses: ["alpha", "beta"], revise: "Mend it."})
const work = await agent("CODER: change it", {isolation: "worktree"})
const second = await review(work, {lenses: ["alpha", "beta"], revise: "Mend it."})
const third = await converge("CAUSE: why?", {angles: ["one", "two"], schema, rounds: 2})
if (args.fails) throw new Error("mend me")
return [first.verdict, first.final, second.verdict, second.commit, third.verdict]
"""
AGENTS = 1 + 4 + 1 + 1 + 4 + 1 + 4


def says(verdict: str, *objections: str) -> dict[str, Any]:
    return {"text": json.dumps({"verdict": verdict, "objections": list(objections), "evidence": ["looked"]})}


def bash(match: dict[str, Any], command: str) -> dict[str, Any]:
    return {"match": match, "reply": {"tool_use": [{"name": "Bash", "input": {"command": command}}]}}


def number(text: str, n: int, **more: Any) -> dict[str, Any]:
    return {"match": {"prompt_contains": text, **more}, "reply": {"text": json.dumps({"n": n})}}


RULES = [
    {"match": {"prompt_contains": "second draft\n</work>"}, "reply": says("pass")},
    {"match": {"prompt_contains": "first draft\n</work>"}, "reply": says("fail", "It is a draft.")},
    {"match": {"prompt_contains": "AUTHOR", "turn": 2}, "reply": {"text": "second draft"}},
    {"match": {"prompt_contains": "AUTHOR"}, "reply": {"text": "first draft"}},
    {"match": {"prompt_contains": "+second try"}, "reply": says("pass")},
    {"match": {"prompt_contains": "+first try"}, "reply": says("fail", "It says first.")},
    bash({"prompt_contains": "CODER", "turn": 1}, "echo first try > try.txt"),
    {"match": {"prompt_contains": "CODER", "turn": 2}, "reply": {"text": "done"}},
    bash({"prompt_contains": "CODER", "turn": 3}, "echo second try > try.txt"),
    {"match": {"prompt_contains": "CODER", "turn": 4}, "reply": {"text": "done"}},
    number("CAUSE", 3, turn=2),
    number("one", 1),
    number("two", 2),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dialect", ["py", "js"])
def test_reviewers_authors_and_attempts_are_taken_from_the_journal(
    served: Served, tmp_path: Path, dialect: str
) -> None:
    folder, old, new = tally(tmp_path / "tally"), f"wf_rests_{dialect}", f"wf_rests_{dialect}_2"
    served.tenuto.script(f"rests.{dialect}", PY if dialect == "py" else JS)
    served.api.control(rules=RULES)

    def run(run_id: str, code: int, *words: str, fails: bool) -> dict[str, Any]:
        args = ("--args", json.dumps({"fails": fails}), "--workspace", str(folder), "--json", "--id", run_id)
        return ended(served.follow("run", f"rests.{dialect}", *args, *words), code=code, timeout_s=80)

    first = run(old, 1, fails=True)
    assert first["census"]["done"] == AGENTS, first["failures"]
    asked = len(served.api.requests())
    report = run(new, 0, "--resume-from", old, fails=False)
    assert len(served.api.requests()) == asked, "somebody was paid again"
    assert (report["status"], report["census"]["cached"], report["census"]["agents"]) == ("completed", AGENTS, AGENTS)
    assert report["usage"]["usd"] == 0.0
    assert report["verification"]["reviews"]["confirmed"] == 3
    branch = f"tenuto/{old}/a7"
    assert report["result"] == ["confirmed", "second draft", "confirmed", git(folder, "rev-parse", branch), "confirmed"]


@pytest.mark.timeout(180)
def test_of_work_that_changed_only_its_own_review_is_held_again(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    served.tenuto.script("rests.py", PY)
    served.api.control(rules=RULES)
    words = ("--args", '{"fails": false}', "--workspace", str(folder), "--json")
    ended(served.follow("run", "rests.py", *words, "--id", "wf_edited"), timeout_s=80)
    served.tenuto.script("rests.py", PY.replace("AUTHOR: write it", "AUTHOR: write it better"))
    asked = len(served.api.requests())
    again = ended(
        served.follow("run", "rests.py", *words, "--id", "wf_edited_2", "--resume-from", "wf_edited"), timeout_s=80
    )
    # The drafts are the same as before, so what reviewers said of them holds; author and reviser are asked anew.
    assert again["census"]["cached"] == AGENTS - 2
    assert len(served.api.requests()) - asked == 2
    assert again["result"][:2] == ["confirmed", "second draft"]


@pytest.mark.timeout(180)
def test_an_author_from_the_journal_revises_anew_in_its_own_conversation_at_its_own_commit(
    served: Served, tmp_path: Path
) -> None:
    folder = tally(tmp_path / "tally")
    served.tenuto.script("rests.py", PY)
    served.api.control(rules=RULES)
    words = ("--args", '{"fails": false}', "--workspace", str(folder), "--json")
    first = ended(served.follow("run", "rests.py", *words, "--id", "wf_reworded"), timeout_s=80)
    edited = PY.replace(
        'review(work, lenses=["alpha", "beta"], revise="Mend it.")',
        'review(work, lenses=["alpha", "beta"], revise="Mend it well.")',
    )
    served.tenuto.script("rests.py", edited)
    again = ended(
        served.follow("run", "rests.py", *words, "--id", "wf_reworded_2", "--resume-from", "wf_reworded"), timeout_s=80
    )
    # The revision and the votes on what came of it; first votes, author and all else are taken over.
    assert (again["census"]["done"], again["census"]["cached"]) == (3, AGENTS - 3)
    commit, before = again["result"][3], first["result"][3]
    assert commit != before and git(folder, "show", f"{commit}:try.txt") == "second try"
    assert git(folder, "rev-parse", "tenuto/wf_reworded_2/a7") == commit
    assert git(folder, "rev-parse", f"{commit}^") == git(folder, "rev-parse", f"{before}^"), "on the commit it mends"
