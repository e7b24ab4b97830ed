"""What a person answered and what a command did is not asked for again in a resumed run; gates are held again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .repository import tally
from .served import Served, ended, until

pytestmark = pytest.mark.e2e

PY = """from tenuto import Meta, ask, gate, sh, write
meta = Meta(name="stepped", description="Steps and a question")
async def main(args):
    await write("plan.md", "the plan")
    built = await sh("echo built >> built.log; cat built.log")
    green = await gate("echo checked >> .checks; true")
    said = await ask("Ship it?", options=["yes", "no"])
    if args["fails"]:
        await sh("echo edited > plan.md")
        raise RuntimeError("mend me")
    return [built["stdout"], green["passed"], said]
"""
JS = """export const meta = {name: "stepped-js", description: "Steps and a question"}
await write("plan.md", "the plan")
const built = await sh("echo built >> built.log; cat built.log")
const green = await gate("echo checked >> .checks; true")
const said = await ask("Ship it?", {options: ["yes", "no"]})
if (args.fails) { await sh("echo edited > plan.md"); throw new Error("mend me") }
return [built.stdout, green.passed, said]
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("dialect", ["py", "js"])
def test_an_answer_is_not_asked_for_twice_and_later_work_is_not_written_over(
    served: Served, tmp_path: Path, dialect: str
) -> None:
    folder, old = tally(tmp_path / "tally"), f"wf_stepped_{dialect}"
    (folder / ".gitignore").write_text("*.log\n.checks\n")
    served.tenuto.script(f"stepped.{dialect}", PY if dialect == "py" else JS)

    def start(run_id: str, *words: str, fails: bool) -> Any:
        args = ("--args", json.dumps({"fails": fails}), "--workspace", str(folder), "--json", "--id", run_id)
        return served.follow("run", f"stepped.{dialect}", *args, *words)

    follower = start(old, fails=True)
    until(lambda: '"status": "waiting"' in served.tenuto("show", old, "--json").stdout, 60)
    served.tenuto.json("answer", old, "yes", "--as", "ann")
    ended(follower, code=1)
    report = ended(start(f"{old}_2", "--resume-from", old, fails=False))
    assert report["result"][1:] == [True, "yes"]
    (question,) = report["questions"]
    assert (question["state"], question["by"], question["via"]) == ("answered", "ann", "journal")
    assert (folder / "plan.md").read_text() == "edited\n"
    assert (folder / ".checks").read_text().count("checked") == 2, "a gate never comes from the journal"
