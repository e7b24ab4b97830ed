"""A check that agents try to get around, and a question to a person, with the installed command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .served import Served, ended, until

pytestmark = pytest.mark.e2e

GATED = """from tenuto import Meta, agent, gate
meta = Meta(name="gated", description="Work until the check passes")
async def main(args):
    await agent(args["prompt"])
    return await gate(args["check"])
"""
TESTED = """from tenuto import Meta, agent, gate, sh
meta = Meta(name="tested", description="Work until the tests pass")
async def main(args):
    await agent(args["prompt"])
    async def check():
        return await sh(args["check"])
    return await gate(check if args["by_function"] else args["check"])
"""
UNITTEST = f"{Path(sys.base_prefix, 'bin', 'python3')} -B -m unittest"
TEST = """import unittest
from calc import add

class Adding(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)
"""
AROUND = {
    "ignored": ("echo conftest.py >> .git/info/exclude; echo 'import os; os._exit(0)' > conftest.py", "conftest.py"),
    "link": ("mkdir b; echo 'import os; os._exit(0)' > b/c; ln -s b/c conftest.py", "conftest.py"),
    "inside": ("printf 'import os\\ndef test_a():\\n    assert 1 == 1\\nos._exit(0)\\n' > test_aaa.py", "no result"),
    "function": ("sed -i 's/, 3/, -1/' test_calc.py", "test_calc.py"),
    "honest": ("sed -i 's/a - b/a + b/' calc.py", ""),
}
ASKING = """from tenuto import Meta, ask
meta = Meta(name="asking", description="Ask before going on")
async def main(args):
    return await ask("Ship it?", options=["yes", "no"])
"""


def gated(served: Served, folder: Path, run_id: str, command: str, code: int) -> dict[str, Any]:
    """The report of a run whose agent gives one command before its check is run."""
    folder.mkdir()
    (folder / "check.sh").write_text("sh inner.sh\n")
    (folder / "inner.sh").write_text("grep -q 'a + b' calc.py\n")
    (folder / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    use = {"tool_use": [{"name": "Bash", "input": {"command": command}}]}
    served.api.control(rules=[{"match": {"prompt_contains": f"{run_id} work", "turn": 1}, "reply": use}])
    served.tenuto.script("gated.py", GATED)
    args = json.dumps({"prompt": f"{run_id} work", "check": "sh check.sh"})
    words = ("--args", args, "--id", run_id, "--workspace", str(folder), "--json")
    return ended(served.follow("run", "gated.py", *words), code)


def test_a_check_passes_when_the_work_was_done(served: Served, tmp_path: Path) -> None:
    report = gated(served, tmp_path / "w", "wf_honest", "sed -i 's/a - b/a + b/' calc.py", 0)
    assert report["status"] == "completed"
    assert report["verification"]["gates"] == {"passed": 1, "failed": 0}
    assert report["result"]["passed"] is True


def test_exit_0_in_a_script_that_the_check_calls_is_caught_and_degrades_the_run(served: Served, tmp_path: Path) -> None:
    report = gated(served, tmp_path / "w", "wf_cheat", "echo 'exit 0' > inner.sh", 3)
    assert report["status"] == "degraded"
    assert report["verification"]["gates"] == {"passed": 0, "failed": 1}
    evidence = report["result"]["evidence"]
    assert evidence["exit_code"] == 0, "the check itself said yes"
    assert evidence["objections"] == ["a file that defines the check was changed since the start: inner.sh"]


@pytest.mark.parametrize("name", AROUND)
def test_a_way_around_the_tests_is_caught_with_its_evidence(served: Served, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (folder / "test_calc.py").write_text(TEST)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    run_id, (command, said) = f"wf_around_{name}", AROUND[name]
    use = {"tool_use": [{"name": "Bash", "input": {"command": command}}]}
    served.api.control(rules=[{"match": {"prompt_contains": f"{run_id} work", "turn": 1}, "reply": use}])
    served.tenuto.script("tested.py", TESTED)
    args = json.dumps({"prompt": f"{run_id} work", "check": UNITTEST, "by_function": name == "function"})
    words = ("--args", args, "--id", run_id, "--workspace", str(folder), "--json")
    report = ended(served.follow("run", "tested.py", *words), 3 if said else 0)
    assert report["result"]["passed"] is not bool(said), report["result"]
    assert said in (report["result"]["reason"] or "")
    assert bool(report["result"]["evidence"]["objections"]) is bool(said)


def test_a_question_shows_and_is_answered_from_the_command_line(served: Served, tmp_path: Path) -> None:
    tenuto = served.tenuto
    tenuto.script("asking.py", ASKING)
    assert tenuto("run", "asking.py", "--id", "wf_asks", "--detach").returncode == 0
    follower = served.follow("run", "asking.py", "--id", "wf_asks", "--json")
    until(lambda: tenuto.json("show", "wf_asks")["status"] == "waiting", 40)
    shown = tenuto.json("show", "wf_asks")
    assert shown["waiting_for"]["kind"] == "question"
    assert "Ship it? [yes, no]" in shown["waiting_for"]["message"]
    listed = next(run for run in tenuto.json("ls") if run["run_id"] == "wf_asks")
    assert listed["status"] == "waiting"
    assert tenuto("run", "asking.py", "--id", "wf_asks", "--no-wait").returncode == 5
    wrong = tenuto("answer", "wf_asks", "maybe")
    assert wrong.returncode == 2
    assert "it takes: yes, no" in wrong.stderr
    told = tenuto.json("answer", "wf_asks", "q1", "yes", "--as", "ann")
    assert told == {"run_id": "wf_asks", "question": "q1", "answer": "yes", "by": "ann"}
    report = ended(follower)
    assert report["result"] == "yes"
    (question,) = report["questions"]
    assert (question["by"], question["via"], question["answered_at"] is not None) == ("ann", "cli", True)
    late = tenuto("answer", "wf_asks", "no")
    assert late.returncode == 2
    assert "has ended" in late.stderr


def test_an_answer_that_no_worker_takes_is_refused_in_plain_words_and_so_is_every_other_command(served: Served) -> None:
    tenuto = served.tenuto
    tenuto.script("asking.py", ASKING)
    assert tenuto("run", "asking.py", "--id", "wf_unheard", "--detach").returncode == 0
    until(lambda: tenuto.json("show", "wf_unheard")["status"] == "waiting", 40)
    (worker,) = tenuto.json("up")["worker_pids"]
    os.kill(worker, signal.SIGSTOP)
    try:
        for words in (
            ("answer", "wf_unheard", "yes"),
            ("pause", "wf_unheard"),
            ("resume", "wf_unheard"),
            ("set", "wf_unheard", "--max-usd", "1"),
            ("agent", "skip", "wf_unheard", "a1"),
            ("agent", "restart", "wf_unheard", "a1"),
        ):
            refused = tenuto(*words)
            assert refused.returncode == 2, (words, refused.stderr)
            assert "no Worker answered for wf_unheard" in refused.stderr
            assert "tenuto up" in refused.stderr
        for reads in (("show", "wf_unheard"), ("logs", "wf_unheard"), ("ls",)):
            read = tenuto(*reads)
            assert read.returncode == 0, (reads, read.stderr)
    finally:
        os.kill(worker, signal.SIGCONT)
    # What could not be heard may have come through since: said again it does no more than once.
    tenuto("answer", "wf_unheard", "yes")
    until(lambda: tenuto.json("show", "wf_unheard")["status"] == "completed", 40)
    assert tenuto.json("result", "wf_unheard")["result"] == "yes"
