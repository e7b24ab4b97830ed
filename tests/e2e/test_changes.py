"""`changes`: who changed what in the workspace and on branches, and what reviews and gates said of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from .repository import git, tally
from .served import Served, ended

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]  # many commands each, on a machine that may be busy

WORKS = """from tenuto import Meta, agent, gate, parallel, review, sh, write
meta = Meta(name="works", description="Changes things in every way")
async def main(args):
    await parallel([
        agent("shared one.", label="\\x1b[31mone"), agent("shared two.", label="two"),
        agent("own three.", label="three", isolation="worktree", merge="queue"),
    ])
    await write("step.txt", "by a step\\n")
    await sh("echo by a command > command.txt; rm README.md 2>/dev/null || true")
    await review("one.txt is right")
    await gate("grep -q step step.txt")
"""


def writes(served: Served, marker: str, path: str, text: str) -> None:
    call = {"tool_use": [{"name": "Write", "input": {"file_path": path, "content": text}}]}
    served.api.control(rules=[{"match": {"prompt_contains": marker, "turn": 1}, "reply": call}])


def run(served: Served, folder: Path, run_id: str) -> dict[str, Any]:
    served.tenuto.script("works.py", WORKS)
    for marker, path in (("shared one.", "one.txt"), ("shared two.", "two.txt"), ("own three.", "three.txt")):
        writes(served, marker, path, f"{path}\n")
    line = ("run", "works.py", "--id", run_id, "--workspace", str(folder), "--json")
    follower = served.follow(*line)
    out, err = follower.communicate(timeout=50)
    assert follower.returncode in (0, 3), err
    return dict(json.loads(out))


def by_path(place: dict[str, Any]) -> dict[str, Any]:
    return {file["path"]: file for file in place["files"]}


def test_each_file_has_its_author_and_what_was_said_of_it(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    base = git(folder, "rev-parse", "HEAD")
    run(served, folder, "wf_works")
    (folder / "two.txt").write_text("by hand\n")
    found = served.tenuto.json("changes", "wf_works")
    assert (found["base"], found["notes"]) == (base, [])
    shared, merged, own = found["places"]
    files = by_path(shared)
    one = files["one.txt"]
    assert (one["how"], [by["label"] for by in one["by"]], one["state"]) == ("added", ["\x1b[31mone"], "as it was left")
    assert one["sha256"] == hashlib.sha256(b"one.txt\n").hexdigest()
    assert [(review["id"], len(review["votes"])) for review in one["reviews"]] == [("review-1", 2)]
    assert (files["two.txt"]["state"], files["two.txt"]["reviews"]) == ("changed since", [])
    assert ([by["id"] for by in files["step.txt"]["by"]], files["step.txt"]["gates"]) == (
        ["s1"],
        ["grep -q step step.txt"],
    )
    assert (files["command.txt"]["by"], "no tool recorded" in files["command.txt"]["state"]) == ([], True)
    assert "three.txt" not in files
    assert (merged["place"], own["place"]) == ("tenuto/wf_works/merged", "tenuto/wf_works/a3")
    for place in (merged, own):
        assert [(file["path"], file["added"]) for file in place["files"]] == [("three.txt", 1)]
    assert own["by"] == [{"id": "a3", "label": "three", "phase": None}]
    told = served.tenuto("changes", "wf_works").stdout
    assert "\x1b" not in told
    assert "by a3 three" in told
    assert "+three.txt" in served.tenuto("changes", "wf_works", "--patch").stdout


REVIEWS = """from tenuto import Meta, agent, review
meta = Meta(name="reviews", description="Reviews commits")
async def main(args):
    work = await agent("own try.", label="writer", isolation="worktree")
    await review(work, lenses=["alpha"], revise="Mend it.")
    await review({"commit": "feat", "paths": ["docs"]}, lenses=["beta"])
"""


def says(verdict: str, *objections: str) -> dict[str, Any]:
    return {"text": json.dumps({"verdict": verdict, "objections": list(objections), "evidence": ["looked"]})}


def bash(match: dict[str, Any], command: str) -> dict[str, Any]:
    return {"match": match, "reply": {"tool_use": [{"name": "Bash", "input": {"command": command}}]}}


def reviewed(served: Served, folder: Path, run_id: str) -> None:
    """A run with a revised commit of an agent under review, and a commit that was there before."""
    git(folder, "checkout", "-q", "-b", "feat")
    (folder / "docs").mkdir()
    (folder / "docs" / "old.md").write_text("old\n")
    (folder / "unseen.txt").write_text("unseen\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "feat")
    git(folder, "checkout", "-q", "main")
    served.api.control(
        rules=[
            {"match": {"prompt_contains": "+old"}, "reply": says("fail", "It is \x1b[31mold.")},
            {"match": {"prompt_contains": "+second"}, "reply": says("pass")},
            {"match": {"prompt_contains": "+first"}, "reply": says("fail", "It says first.")},
            bash({"prompt_contains": "own try.", "turn": 1}, "echo first > try.txt; echo 1 > same.txt"),
            {"match": {"prompt_contains": "own try.", "turn": 2}, "reply": {"text": "done"}},
            bash({"prompt_contains": "own try.", "turn": 3}, "echo second > try.txt"),
            {"match": {"prompt_contains": "own try.", "turn": 4}, "reply": {"text": "done"}},
        ]
    )
    served.tenuto.script("reviews.py", REVIEWS)
    ended(served.follow("run", "reviews.py", "--id", run_id, "--workspace", str(folder), "--json"), timeout_s=100)


def test_a_review_of_a_commit_is_told_with_each_file_of_it_and_says_whether_that_is_what_it_saw(
    served: Served, tmp_path: Path
) -> None:
    folder = tally(tmp_path / "tally")
    reviewed(served, folder, "wf_reviewed")
    found = served.tenuto.json("changes", "wf_reviewed")
    assert found["notes"] == []
    first, revised = found["places"][1:3]
    assert first["commit"] != revised["commit"]
    for place, same in ((first, False), (revised, True)):
        files = by_path(place)
        assert set(files) == {"try.txt", "same.txt"}
        (told,) = files["try.txt"]["reviews"]
        assert (told["id"], told["verdict"], told["commit"]) == ("review-1", "confirmed", revised["commit"])
        assert [(vote["round"], vote["objections"]) for vote in told["votes"]] == [(1, ["It says first."]), (2, [])]
        assert (told["same"], files["same.txt"]["reviews"][0]["same"]) == (same, True)
    named = found["reviews"][1]
    assert (named["commit"], named["paths"]) == (git(folder, "rev-parse", "feat"), ["docs"])
    assert (named["files"], named["verdict"]) == (["docs/old.md"], "refuted")
    text = served.tenuto("changes", "wf_reviewed").stdout
    assert f"review-1 confirmed of {revised['commit'][:12]} in round 2: a4 pass\n" in text
    assert text.count("[this file is not as that commit has it]") == 1
    assert "reviews of commits that are in no place above" in text and "docs/old.md" in text
    assert "(beta) objects: It is \\x1b[31mold." in text and "\x1b" not in text
    (folder / "docs").mkdir()
    (folder / "docs" / "old.md").write_text("old\n")
    workspace = by_path(served.tenuto.json("changes", "wf_reviewed")["places"][0])
    assert [(each["id"], each["same"]) for each in workspace["docs/old.md"]["reviews"]] == [("review-2", True)]
    lines = served.tenuto("audit", "wf_reviewed").stdout.splitlines()
    one, two = (each for each in map(json.loads, lines) if each["type"] == "review")
    assert (one["commit"], one["author"], two["commit"], two["paths"]) == (
        revised["commit"],
        "a1",
        named["commit"],
        ["docs"],
    )
    assert [vote["objections"] for vote in two["votes"]] == [["It is \x1b[31mold."]]


def test_outside_of_git_only_what_tools_recorded_is_known(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    served.tenuto.script("plain.py", WORKS.replace(', isolation="worktree", merge="queue"', ""))
    writes(served, "shared one.", "one.txt", "one\n")
    args = ("run", "plain.py", "--id", "wf_plain", "--workspace", str(folder), "--json")
    served.follow(*args).communicate(timeout=50)
    (folder / "one.txt").unlink()
    found = served.tenuto.json("changes", "wf_plain")
    (shared,) = found["places"]
    files = by_path(shared)
    assert set(files) == {"one.txt", "step.txt"}
    assert (files["one.txt"]["how"], files["one.txt"]["state"]) == ("written", "changed since")
    assert files["step.txt"]["sha256"] == hashlib.sha256(b"by a step\n").hexdigest()
    assert "no git repository" in found["notes"][0]
    assert {each["id"] for each in found["ran_commands"]} >= {"s2"}


def test_a_repository_that_is_gone_is_said_and_what_was_recorded_stays(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    run(served, folder, "wf_moved")
    folder.rename(tmp_path / "elsewhere")
    done = served.tenuto("changes", "wf_moved", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert any("no folder" in note for note in found["notes"])
    assert by_path(found["places"][0])["one.txt"]["state"] == "not looked at"


def test_a_run_without_a_workspace_and_an_unknown_one(served: Served) -> None:
    assert served.tenuto("changes", "wf_never").returncode == 2
    report = ended(served.start("many.py", "wf_many", n=1))
    assert served.tenuto.json("changes", report["run_id"])["places"]
