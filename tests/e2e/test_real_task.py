"""An agent that does real work on a real repository: it lists, reads, edits, runs the tests, and mends a failure."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.service import service as embedded

from .repository import SUITE, suite_passes, tally
from .served import Served, ended, until

pytestmark = pytest.mark.e2e

SCRIPT = """from tenuto import Meta, agent
meta = Meta(name="mend", description="Make the tests pass", phases=["Mend"])
async def main(args):
    return await agent(f"{args['name']}: make the tests pass", label="mender", phase="Mend")
"""

WORDS = {"file_path": "tally/words.py", "old_string": "text.split()", "new_string": "text.lower().split()"}
WRONG = {"file_path": "tally/columns.py", "old_string": "row[column]", "new_string": "row.get(column)"}
RIGHT = {"file_path": "tally/columns.py", "old_string": "row.get(column)", "new_string": "row.get(column, 0)"}

TURNS: list[list[tuple[str, dict[str, Any]]]] = [
    [("Glob", {"pattern": "**/*.py"}), ("Grep", {"pattern": "def ", "glob": "*.py"})],
    [("Read", {"file_path": "tally/words.py"}), ("Read", {"file_path": "tally/columns.py"})],
    [("Bash", {"command": SUITE, "description": "Run the tests"})],
    [("Edit", WORDS)],
    [("Edit", WRONG)],
    [("Bash", {"command": SUITE})],
    [("Edit", RIGHT), ("Bash", {"command": "echo edited >> notes.txt"})],
    [("Bash", {"command": SUITE})],
    [("Write", {"file_path": "CHANGES.md", "content": "Case and missing columns\n"})],
]


def rules(latency_s: float | None = None) -> list[dict[str, Any]]:
    """Turn by turn what the model says; the last turn is its answer."""
    said: list[dict[str, Any]] = [
        {"match": {"turn": number}, "reply": {"tool_use": [{"name": name, "input": given} for name, given in uses]}}
        for number, uses in enumerate(TURNS, 1)
    ]
    said.append({"match": {"turn": len(TURNS) + 1}, "reply": {"text": "The tests pass."}})
    return [rule | {"latency_s": latency_s} if latency_s is not None else rule for rule in said]


def start(served: Served, run_id: str, folder: Path) -> Any:
    served.tenuto.script("mend.py", SCRIPT)
    args = json.dumps({"name": run_id})
    return served.follow("run", "mend.py", "--args", args, "--id", run_id, "--workspace", str(folder), "--json")


def results(served: Served, run_id: str) -> list[dict[str, Any]]:
    """Every tool result of the one agent, in order."""
    messages = served.tenuto.json("logs", run_id, "a1")["messages"]
    return [block for message in messages if message["purpose"] == "tool_results" for block in message["content"]]


def test_the_files_change_the_suite_passes_and_the_transcript_shows_each_step(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    assert not suite_passes(folder)
    served.api.control(rules=rules())
    report = ended(start(served, "wf_mend", folder))
    assert (report["status"], report["result"]) == ("completed", "The tests pass.")
    assert suite_passes(folder)
    assert (folder / "CHANGES.md").read_text() == "Case and missing columns\n"
    told = results(served, "wf_mend")
    assert len(told) == sum(len(uses) for uses in TURNS)
    texts = [block["content"] if isinstance(block["content"], str) else str(block["content"]) for block in told]
    assert "tally/words.py" in texts[0]
    assert "def count" in texts[2]
    assert "FAILED (failures=1, errors=1)" in texts[4]
    assert told[4]["is_error"] is True
    assert "FAILED (errors=1)" in texts[7]
    assert "OK" in texts[10]
    record = json.loads((served.tenuto.home / "store/runs/wf_mend/agents/a1/record.json").read_text())
    assert set(record["wrote"]) == {"tally/words.py", "tally/columns.py", "CHANGES.md"}
    assert [command["exit_code"] for command in record["commands"]] == [1, 1, 0, 0]


@pytest.mark.crash
@pytest.mark.parametrize("turns", [(1, 4), (2, 7), (3, 9), (5, 10), (6, 8)])
def test_a_worker_killed_in_the_middle_of_a_turn_costs_that_turn_only(
    served: Served, tmp_path: Path, turns: tuple[int, int]
) -> None:
    """Its Worker is killed twice, while the model is being asked; over all cases, once in each of the ten turns."""
    folder = tally(tmp_path / "tally")
    run_id = "wf_mortal_" + "_".join(map(str, turns))
    served.api.control(rules=rules(latency_s=0.4))
    follower = start(served, run_id, folder)
    for turn in turns:
        until(partial(_asked_in, served, run_id, turn), 30)
        (worker,) = until(lambda: (s := embedded.current(served.tenuto.home)) is not None and s.worker_pids)
        os.kill(worker, signal.SIGKILL)
    report = ended(follower)
    assert (report["status"], report["result"]) == ("completed", "The tests pass.")
    asked = Counter(record["turn"] for record in served.asked(f"{run_id}:"))
    assert asked == {turn: 2 if turn in turns else 1 for turn in range(1, len(TURNS) + 2)}
    assert (folder / "notes.txt").read_text() == "edited\n", "an effect happened once"
    assert suite_passes(folder)


def _asked_in(served: Served, run_id: str, turn: int) -> bool:
    return any(record["turn"] == turn for record in served.asked(f"{run_id}:"))
