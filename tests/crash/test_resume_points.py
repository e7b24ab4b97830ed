"""A run cut off anywhere, then edited: the run that resumes it asks for what was edited or unfinished, no more.

`TENUTO_JOURNAL_POINTS` says at how many seeded points; the seed of a point is its number.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import signal
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ..e2e.served import Served, ended, finished_before, until

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

POINTS = int(os.environ.get("TENUTO_JOURNAL_POINTS", "2"))
AGENTS = 100
SLOWEST_S = 0.3
PYTHON = """from tenuto import Meta, agent, parallel
meta = Meta(name="points", description="One prompt may be edited")
async def main(args):
    prompts = [f"{args['name']} task {i}" + (" edited" if i == args["edited"] else "") for i in range(args["n"])]
    return await parallel([agent(each, label=f"{args['shown']} {i}") for i, each in enumerate(prompts)])
"""
JAVASCRIPT = """export const meta = {name: "points-js", description: "One prompt may be edited"}
phase(args.shown)
return parallel(Array.from({length: args.n}, (_, i) => () =>
  agent(`${args.name} task ${i}${i === args.edited ? " edited" : ""}`)))
"""


def terminate(served: Served, run_id: str) -> None:
    address = served.tenuto.json("up")["address"]

    async def end() -> None:
        try:
            await (await Client.connect(address)).get_workflow_handle(run_id).terminate("cut off by a test")
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # it ended by itself in the meantime: a point like any other
                raise

    asyncio.run(end())


def cut_off(served: Served, run_id: str, how: str) -> None:
    if how == "stop":
        served.tenuto.json("stop", run_id)
        until(lambda: served.tenuto.json("show", run_id)["status"] not in ("running", "waiting"))
        return
    if how == "kill":
        for worker in served.tenuto.json("up")["worker_pids"]:
            os.kill(worker, signal.SIGKILL)
    terminate(served, run_id)


@pytest.mark.parametrize("seed", range(POINTS))
def test_what_was_edited_or_unfinished_runs_and_nothing_else(served: Served, seed: int) -> None:
    chance = random.Random(seed)
    script, how = chance.choice(["points.py", "points.js"]), chance.choice(["terminate", "stop", "kill"])
    point, edited = chance.randrange(1, AGENTS), chance.randrange(AGENTS)
    name = f"point{seed}"
    served.tenuto.script("points.py", PYTHON)
    served.tenuto.script("points.js", JAVASCRIPT)
    rules = [{"match": {"prompt_regex": f"{digit}$"}, "latency_s": chance.uniform(0, SLOWEST_S)} for digit in range(10)]
    served.api.control(rules=rules)
    first = {"n": AGENTS, "name": name, "edited": -1, "shown": "first"}
    served.tenuto.json("run", script, "--args", json.dumps(first), "--id", f"wf_{name}", "--detach")
    until(lambda: served.answered(name) >= point, 40)
    cut_off(served, f"wf_{name}", how)
    until(lambda: all(record["finished"] for record in served.asked(name)))
    before = served.asked(name)
    finished = {number(agent) for agent in finished_before(served.history(f"wf_{name}"), math.inf) if agent[0] == "a"}
    answered = {record["prompt"] for record in before if record["outcome"] == "completed"}

    second = {"n": AGENTS, "name": name, "edited": edited, "shown": "second"}
    words = ("run", script, "--args", json.dumps(second), "--resume-from", f"wf_{name}", "--id", f"wf_{name}_2")
    report = ended(served.follow(*words, "--json"))
    asked = [record["prompt"] for record in served.asked(name)[len(before) :]]
    told = (seed, script, how, point, edited)
    prompts = [f"{name} task {i}" + (" edited" if i == edited else "") for i in range(AGENTS)]
    assert len(asked) == len(set(asked)) == report["census"]["done"], told
    assert report["census"]["cached"] == AGENTS - len(asked), told
    assert not {prompts[i] for i in finished - {edited}} & set(asked), told
    assert {prompt for prompt in prompts if prompt not in answered} <= set(asked), told
    assert prompts[edited] in asked, told
    assert same_values(report, AGENTS), told


def number(agent: str) -> int:
    """Agents are numbered from 1 in call order, which here is that of the prompts."""
    return int(agent[1:]) - 1


def same_values(report: dict[str, Any], agents: int) -> bool:
    return len(report["result"]) == agents and all(report["result"])
