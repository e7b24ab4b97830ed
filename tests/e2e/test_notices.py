"""People are told by a hook of theirs: of a question, of the end, and of nothing twice; a broken one hurts no run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .served import Served, ended, until

pytestmark = pytest.mark.e2e

ASKS = """from tenuto import Meta, agent, ask
meta = Meta(name="asks", description="Asks a person")
async def main(args):
    await agent("work")
    return await ask("Ship it?", options=["yes", "no"])
"""
FAILS = 'export const meta = {name: "fails", description: "Throws"}\nthrow new Error("no luck")\n'


@pytest.fixture
def hooked(served: Served) -> Iterator[Served]:
    file = served.tenuto.home / "tenuto.toml"
    file.write_text(f"[notify]\ncommand = 'cat >> {served.tenuto.home}/told.jsonl'\n")
    yield served
    file.unlink()
    (served.tenuto.home / "told.jsonl").unlink(missing_ok=True)


def told(served: Served, run_id: str) -> list[dict[str, Any]]:
    path = served.tenuto.home / "told.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [each for line in lines if (each := json.loads(line))["run_id"] == run_id]


def test_a_question_and_the_end_are_told_once_with_what_a_person_needs_to_answer(hooked: Served) -> None:
    hooked.tenuto.script("asks.py", ASKS)
    follower = hooked.follow("run", "asks.py", "--id", "wf_told", "--owner", "ann", "--json")
    (asked,) = until(lambda: told(hooked, "wf_told"), 60)
    assert (asked["event"], asked["owner"], asked["message"]) == ("question", "ann", "Ship it?")
    assert asked["question"]["options"] == ["yes", "no"]
    words = asked["answer_with"].replace("ANSWER", "yes").split()[1:]
    assert hooked.tenuto(*words).returncode == 0
    ended(follower)
    until(lambda: len(told(hooked, "wf_told")) == 2, 60)
    last = told(hooked, "wf_told")[1]
    assert (last["event"], last["status"], last["census"]["done"]) == ("ended", "completed", 1)
    assert [each["id"] for each in told(hooked, "wf_told")] == ["wf_told/notice-1", "wf_told/notice-2"]
    assert all(run["run_id"].count("/") == 0 for run in hooked.tenuto.json("ls")), "a notice is no run"


def test_a_run_that_failed_says_why(hooked: Served) -> None:
    hooked.tenuto.script("fails.js", FAILS)
    ended(hooked.follow("run", "fails.js", "--id", "wf_failed", "--json"), code=1)
    (last,) = until(lambda: told(hooked, "wf_failed"), 60)
    assert (last["status"], last["error"]["message"]) == ("failed", "Error: no luck")


def test_a_broken_hook_hurts_no_run_and_is_said_in_logs_and_doctor(hooked: Served) -> None:
    (hooked.tenuto.home / "tenuto.toml").write_text("[notify]\ncommand = 'echo no such number >&2; exit 9'\n")
    hooked.write_scripts()
    report = ended(hooked.start("many.py", "wf_unheard", n=2))
    assert report["status"] == "completed"
    untold = until(lambda: hooked.tenuto.json("logs", "wf_unheard").get("untold"), 60)
    assert "exit code 9: no such number" in untold[0]
    assert "was not told of 'ended'" in hooked.tenuto("logs", "wf_unheard").stdout
    checks = json.loads(hooked.tenuto("doctor", "--json").stdout)["checks"]
    assert any(check["check"] == "notify" and "no such number" in check["message"] for check in checks)


def test_a_project_cannot_name_a_hook(served: Served, tmp_path: Path) -> None:
    (tmp_path / "tenuto.toml").write_text("[notify]\ncommand = 'touch /tmp/owned'\n")
    served.write_scripts()
    done = served.tenuto("run", "many.py", "--args", '{"n": 1, "name": "x"}', "--workspace", str(tmp_path))
    assert done.returncode == 2
    assert "a project cannot name one" in done.stderr and str(served.tenuto.home) in done.stderr
