"""The installed command, its embedded service, and a simulated Messages API that the test can talk to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import Tenuto, until

PYTHON = """from tenuto import Meta, agent, parallel
meta = Meta(name="many", description="Many agents", phases=["Work"])
async def main(args):
    said = await parallel([agent(f"{args['name']} task {i}", phase="Work") for i in range(args["n"])])
    return {"said": said}
"""
JAVASCRIPT = """export const meta = {name: "many-js", description: "Many agents", phases: [{title: "Work"}]}
phase("Work")
const tasks = Array.from({length: args.n}, (_, i) => () => agent(`${args.name} task ${i}`))
return {said: await parallel(tasks)}
"""


@dataclass(frozen=True)
class Served:
    """One home whose Worker asks `api`."""

    tenuto: Tenuto
    api: SimulatedApi
    followers: list[subprocess.Popen[str]] = field(default_factory=list)

    def write_scripts(self) -> None:
        """`many.py` and `many.js`: `args.n` agents at once, whose prompts begin with `args.name`."""
        self.tenuto.script("many.py", PYTHON)
        self.tenuto.script("many.js", JAVASCRIPT)

    def start(self, script: str, run_id: str, *words: str, n: int, name: str | None = None) -> subprocess.Popen[str]:
        """A follower of a new run of `many.py` or `many.js`."""
        args = json.dumps({"n": n, "name": name or run_id})
        return self.follow("run", script, "--args", args, "--id", run_id, "--json", *words)

    def follow(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on while the test does; it is ended with the test."""
        follower = self.tenuto.start(*words)
        self.followers.append(follower)
        return follower

    def end_followers(self) -> None:
        """A test that failed half-way leaves none behind: they would wait for the service for ever."""
        while self.followers:
            follower = self.followers.pop()
            if follower.poll() is None:
                follower.kill()
                follower.communicate()

    def asked(self, name: str) -> list[dict[str, Any]]:
        """Requests so far whose prompt begins with a name, oldest first."""
        return [record for record in self.api.requests() if record["prompt"].startswith(f"{name} ")]

    def answered(self, name: str) -> int:
        """How many of them were answered in full."""
        return sum(record["outcome"] == "completed" for record in self.asked(name))

    def history(self, run_id: str) -> list[HistoryEvent]:
        """The Event History of a run, straight from the Temporal Service."""
        address = self.tenuto.json("up")["address"]

        async def fetch() -> list[HistoryEvent]:
            client = await Client.connect(address)
            return list((await client.get_workflow_handle(run_id).fetch_history()).events)

        return asyncio.run(fetch())


def ended(follower: subprocess.Popen[str], code: int = 0, timeout_s: float = 50) -> dict[str, Any]:
    """The report that a follower prints at the end of its run."""
    out, err = follower.communicate(timeout=timeout_s)
    assert follower.returncode == code, err
    report = json.loads(out)
    assert isinstance(report, dict)
    return report


def finished_at(events: Iterable[HistoryEvent]) -> dict[str, float]:
    """Agent id -> when the Temporal Service recorded its end (Unix seconds)."""
    by_event: dict[int, str] = {}
    found = {}
    for event in events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == "run_agent":
                by_event[event.event_id] = scheduled.activity_id
        elif event.HasField("activity_task_completed_event_attributes"):
            number = event.activity_task_completed_event_attributes.scheduled_event_id
            if number in by_event:
                found[by_event[number]] = event.event_time.ToNanoseconds() / 1e9
    return found


def finished_before(events: Iterable[HistoryEvent], moment: float) -> set[str]:
    """Ids of the agents whose end the Temporal Service had recorded by then (Unix seconds)."""
    return {agent for agent, at in finished_at(events).items() if at < moment}


def most_at_once(records: Iterable[dict[str, Any]]) -> int:
    """The greatest number of requests that were under way at one time."""
    steps: Counter[float] = Counter()
    for record in records:
        steps[record["received"]] += 1
        steps[record["finished"]] -= 1
    inside, most = 0, 0
    for moment in sorted(steps):
        inside += steps[moment]
        most = max(most, inside)
    return most


def process_age_s(pid: int) -> float:
    """Seconds since a process was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    return uptime_s - ticks / os.sysconf("SC_CLK_TCK")


__all__ = ["Served", "Tenuto", "ended", "finished_at", "finished_before", "most_at_once", "process_age_s", "until"]
