"""200 agents with tools, worktrees and questions, while Worker, server and command are killed at random.

Through the installed command and its embedded service. `TENUTO_CHAOS_SEED` is the seed; it is in what a failure says.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from ..e2e.repository import git, tally
from ..e2e.served import Served, ended, until
from .disturbed import history_of, spans
from .evidence import asked_for, paid_once, report, under_way

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(300)]

SEED = int(os.environ.get("TENUTO_CHAOS_SEED", "1"))
AGENTS, QUESTIONS = 200, 3
SCRIPT = """from tenuto import Meta, agent, ask, parallel
meta = Meta(name="large", description="Agents with tools, with worktrees, and questions", phases=["Work"])
async def main(args):
    tasks = [task(f"large task {i}.", i) for i in range(args["agents"])]
    questions = [question(f"Question {i}?") for i in range(args["questions"])]
    done = await parallel([parallel(tasks), parallel(questions)])
    return {"said": done[0], "answers": done[1]}

async def question(text: str):
    return await ask(text)

async def task(prompt: str, i: int):
    if i % 20 == 0:
        return await agent(prompt, label=prompt, isolation="worktree", merge="queue")
    return await agent(prompt, label=prompt)
"""
WITH_TREE, WITH_TOOL = 20, 5
"""Every so manieth agent has a worktree, or gives a command."""


def rules() -> list[dict[str, Any]]:
    """Commands in the first turn of some, and the same last words for each however often it is asked."""
    made = []
    for task in range(0, AGENTS, WITH_TOOL):
        command = f"echo {task} > own-{task}.txt" if task % WITH_TREE == 0 else f"echo x >> effect-{task}.log"
        when: list[dict[str, Any]] = [{"turn": 1}]
        if task % WITH_TREE == 0:
            when.append({"last_contains": "is unknown"})
        use = {"tool_use": [{"name": "Bash", "input": {"command": command}}]}
        made += [{"match": {"prompt_contains": f"large task {task}.", **each}, "reply": use} for each in when]
    return [*made, {"reply": {"text": "did {prompt}", "templates": True}}]


class Chaos:
    """Seeded kills at seeded numbers of answered requests."""

    def __init__(self, served: Served, run_id: str, words: tuple[str, ...]) -> None:
        chance = random.Random(SEED)
        self.served, self.run_id, self.words = served, run_id, words
        self.deeds = ["worker", "server", "command", "worker", "command"]
        chance.shuffle(self.deeds)
        self.at = sorted(chance.sample(range(15, AGENTS), len(self.deeds)))
        self.kills: list[float] = []
        self.follower = served.follow(*words)

    def _answered(self, number: int) -> bool:
        return self.served.answered("large") >= number

    def do(self) -> subprocess.Popen[str]:
        """All of it; the follower that was left."""
        for deed, answered in zip(self.deeds, self.at, strict=True):
            until(partial(self._answered, answered), 120)
            if deed == "command":
                self.follower.kill()
                self.follower.communicate()
                self.follower = self.served.follow(*self.words)
                continue
            up = self.served.tenuto.json("up")
            self.kills.append(time.time())
            os.kill(up["server_pid"] if deed == "server" else up["worker_pids"][0], signal.SIGKILL)
        return self.follower


def answer_all(served: Served, run_id: str) -> None:
    """Answer each question through the command, again where nobody was there to take it."""
    for number in range(1, QUESTIONS + 1):
        words = ("answer", run_id, f"q{number}", f"answer {number}")
        until(partial(lambda words: served.tenuto(*words).returncode == 0, words), 120)


async def spans_of(address: str, run_id: str) -> dict[str, tuple[float, float]]:
    return spans(await history_of(await Client.connect(address), run_id))


def test_everything_is_killed_now_and_then_and_nothing_is_lost_or_done_twice(served: Served, tmp_path: Path) -> None:
    run_id = "wf_large"
    folder = tally(tmp_path / "tally")
    (folder / ".git" / "info" / "exclude").write_text("*.log\n")
    served.api.control(rules=rules(), latency_s=0.4)
    served.tenuto.script("large.py", SCRIPT)
    args = json.dumps({"agents": AGENTS, "questions": QUESTIONS})
    words = ("run", "large.py", "--args", args, "--id", run_id, "--workspace", str(folder), "--yes", "--json")
    began = time.monotonic()
    chaos = Chaos(served, run_id, words)
    told = (SEED, list(zip(chaos.deeds, chaos.at, strict=True)))
    follower = chaos.do()
    answer_all(served, run_id)
    end = ended(follower, timeout_s=200)

    prompts = [f"large task {task}." for task in range(AGENTS)]
    assert (end["status"], end["census"]["done"], end["failures"]) == ("completed", AGENTS, []), told
    answers = [f"answer {number}" for number in range(1, QUESTIONS + 1)]
    assert end["result"] == {"said": [f"did {prompt}" for prompt in prompts], "answers": answers}, told
    expected = Counter({(prompt, 1): 1 for prompt in prompts})
    expected += Counter({(prompts[task], 2): 1 for task in range(0, AGENTS, WITH_TOOL)})
    labels = {agent["id"]: agent["label"] for agent in end["agents"]}
    met = under_way(chaos.kills, asyncio.run(spans_of(served.tenuto.json("up")["address"], run_id)), labels)
    paid_once(asked_for(served.asked("large")), expected, met, told)
    for task in (task for task in range(0, AGENTS, WITH_TOOL) if task % WITH_TREE):
        effect = folder / f"effect-{task}.log"
        lines = len(effect.read_text().split()) if effect.exists() else 0
        assert lines == 1 or (lines == 0 and met[prompts[task]]), (told, task, lines)
    merged = git(folder, "ls-tree", "-r", "--name-only", f"tenuto/{run_id}/merged").split()
    assert {f"own-{task}.txt" for task in range(0, AGENTS, WITH_TREE)} <= set(merged), told
    assert git(folder, "status", "--porcelain") == "", told
    home = served.tenuto.home
    assert [*home.glob(f"clones/{run_id}/a*"), *home.glob(f"sandboxes/{run_id}/*")] == [], told
    report(
        "Worker, server and command killed in a large run",
        seed=SEED,
        deeds=told[1],
        agents=AGENTS,
        requests=len(served.asked("large")),
        seconds=round(time.monotonic() - began, 1),
    )
