"""A run under disturbance, and what must hold of it however it was disturbed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from tenuto.workflows.contracts import RunReport
from tenuto.workflows.people_contracts import AnswerInput, EventInput

from .bench import ENDS_S, Bench
from .cuttable import Cuttable
from .everything import RULES, SCRIPTS, git, workspace

ASKS_S, PAUSE_S = 2.0, 0.2
LOOK_S = 0.005
LATENCY_S = {"everything.py": 0.05, "everything.js": 0.05, "wide.py": 1.0}


@dataclass
class Ran:
    """One run, as it ended, and what it left in the world."""

    report: dict[str, Any]
    requests: list[dict[str, Any]]
    kills: list[float]
    """Unix seconds at which a Worker was killed."""
    events: int
    seconds: float
    merged: str
    """Tree of the branch onto which its worktree agents were merged."""
    status: str
    """`git status` of the user's checkout."""
    effects: dict[str, int]
    """Lines in files that commands append to."""
    resumed_s: list[float]
    """Seconds from each kill to the next step of the run that only a Worker can make."""
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Agent -> when its Activity was scheduled and when its end was recorded."""
    prompts: dict[str, str] = field(default_factory=dict)


Disturb = Callable[[Client, str], Awaitable[list[float]]]
"""Disturbs a run that was just started; the moments of kills of Workers."""


class Calm:
    """Runs that nothing disturbs, one for each script, made when they are asked for."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._ran = bench, dict[str, Ran]()

    async def of(self, script: str) -> Ran:
        """The undisturbed run of a script."""
        if script not in self._ran:
            self._bench.one_worker()
            self._ran[script] = await run(self._bench, script, f"wf_calm_{script.replace('.', '_')}")
        return self._ran[script]


async def run(bench: Bench, script: str, run_id: str, disturb: Disturb | None = None, **environ: str) -> Ran:
    """Run a script of `everything` under disturbance to its end."""
    bench.api.control(reset=True, rules=RULES, latency_s=LATENCY_S[script])
    bench.tenuto.script(script, SCRIPTS[script])
    place = workspace(bench.folder / "workspace")
    began = time.monotonic()
    follower = bench.follow("run", script, "--id", run_id, "--workspace", str(place), "--yes", "--json", **environ)
    client = await bench.client()
    try:
        async with asyncio.TaskGroup() as tasks:
            person = tasks.create_task(answer(client, run_id, follower))
            kills = await disturb(client, run_id) if disturb is not None else []
            report = await asyncio.to_thread(bench.report, follower)
            person.cancel()
    except BaseException:
        # It must not go on among the runs of the tests after this one.
        await client.get_workflow_handle(run_id).terminate("the test has failed")
        raise
    seconds = time.monotonic() - began
    own = await history_of(client, run_id)
    histories = [own, *[await history_of(client, child) for child in children(own)]]
    ran = Ran(
        report=report,
        requests=bench.api.requests(),
        kills=kills,
        events=len(own),
        seconds=seconds,
        merged=git(
            place,
            "log",
            "--format=%T",
            "-1",
            *git(place, "branch", "--list", "--format=%(refname)", f"tenuto/{run_id}/merged").split(),
        ),
        status=git(place, "status", "--porcelain"),
        resumed_s=[resumed_after(moment, histories) for moment in kills],
        effects={path.name: len(path.read_text().split()) for path in place.glob("*.log")},
    )
    for history in histories:
        ran.spans |= spans(history)
    for agent in ran.spans:
        record = await bench.store.get(f"runs/{run_id}/agents/{agent}/record.json")
        ran.prompts[agent] = json.loads(record)["prompt"]
    return ran


async def answer(client: Client, run_id: str, follower: subprocess.Popen[str]) -> None:
    """Be the person that the run asks, and the event that it waits for."""
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(run_id)
    while follower.poll() is None:
        try:
            async with asyncio.timeout(ASKS_S):
                report: RunReport = await handle.query("progress", result_type=RunReport)
                if any(question.state == "open" for question in report.questions):
                    await handle.execute_update("answer", AnswerInput(answer="yes", by="ann"), id="said")
                if report.questions:
                    await handle.signal("event", EventInput(name="go", payload={"n": 1}))
                    return
        except (RPCError, TimeoutError, WorkflowUpdateFailedError):
            pass  # no server, or no Worker: once more
        await asyncio.sleep(PAUSE_S)


def spans(events: Iterable[HistoryEvent]) -> dict[str, tuple[float, float]]:
    """Agent -> when its Activity was scheduled, and when its end was recorded (Unix seconds)."""
    begun: dict[int, tuple[str, float]] = {}
    found = {}
    for event in events:
        at = event.event_time.ToNanoseconds() / 1e9
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == "run_agent":
                begun[event.event_id] = (scheduled.activity_id, at)
        elif event.HasField("activity_task_completed_event_attributes"):
            number = event.activity_task_completed_event_attributes.scheduled_event_id
            if number in begun:
                agent, since = begun[number]
                found[agent] = (since, at)
    return found


def resumed_after(moment: float, histories: Iterable[Iterable[HistoryEvent]]) -> float:
    """Seconds until a Workflow Task or an Activity was completed, in any Workflow of the run."""
    done = (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    times = (
        event.event_time.ToNanoseconds() / 1e9 for events in histories for event in events if event.event_type in done
    )
    return round(min((at for at in times if at > moment), default=moment) - moment, 1)


def children(events: Iterable[HistoryEvent]) -> list[str]:
    """Workflow Ids of the Child Workflows that were started."""
    started = (event.child_workflow_execution_started_event_attributes for event in events)
    return [child.workflow_execution.workflow_id for child in started if child.workflow_execution.workflow_id]


async def history_of(client: Client, workflow_id: str) -> list[HistoryEvent]:
    """All events of one Workflow Execution."""
    return list((await client.get_workflow_handle(workflow_id).fetch_history()).events)


def cut_off(way: Cuttable, at: int, away_s: float) -> Disturb:
    """Cut `way` for so many seconds when the run's history has `at` events."""

    async def cut(client: Client, run_id: str) -> list[float]:
        await reach(client, run_id, at)
        way.cut()
        await asyncio.sleep(away_s)
        way.mend()
        return []

    return cut


async def reach(client: Client, run_id: str, events: int) -> bool:
    """Return as soon as a run's history is so long; false if the run ended before."""
    handle = client.get_workflow_handle(run_id)
    async with asyncio.timeout(ENDS_S):
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                described = await handle.describe(rpc_timeout=None)
            except RPCError:
                continue  # not started yet, or the server is away
            if described.history_length >= events:
                return described.status == WorkflowExecutionStatus.RUNNING
            if described.status != WorkflowExecutionStatus.RUNNING:
                return False
