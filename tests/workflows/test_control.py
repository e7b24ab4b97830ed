"""Holds and what a person can do to a run that lives: a real Worker, played agents, time that is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError

from tenuto.workflows.contracts import RunAgentInput, RunLimits
from tenuto.workflows.control_contracts import AcceptedInput, AgentInput, HeldInput, SetLimitsInput
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.script.dialects import interpreters

from .conftest import Stage, echo

MANY = (
    'from tenuto import Meta, agent, parallel\nmeta = Meta(name="many", description="Many")\n'
    "async def main(args):\n    return await parallel([lambda i=i: agent(f'w {i}') for i in range(6)])\n"
)
MANY_JS = (
    "export const meta = {name: 'many', description: 'Many'}\n"
    "return await parallel(Array.from({length: 6}, (_, i) => () => agent(`w ${i}`)))\n"
)
ONE_JS = "export const meta = {name: 'one', description: 'One'}\nreturn [await agent('slow one')]\n"
ONE_PY = (
    'from tenuto import Meta, agent\nmeta = Meta(name="one", description="One")\nasync def main(args):\n'
    "    try:\n        return [await agent('slow one')]\n    except RuntimeError as error:\n        return str(error)\n"
)


TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(20):
        while not (value := await condition()):
            await asyncio.sleep(0.02)
    return value


def gated(gate: asyncio.Event) -> Callable[[RunAgentInput], Awaitable[Any]]:
    """Agents that wait for the gate and can be cancelled meanwhile."""

    async def play(input: RunAgentInput) -> Any:
        while not gate.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return await echo(input)

    return play


async def running(handle: WorkflowHandle[Any, Any], count: int) -> None:
    async def enough() -> bool:
        return (await handle.query(Orchestration.progress)).census.running == count

    await until(enough)


async def status(handle: WorkflowHandle[Any, Any]) -> tuple[str, str | None]:
    report = await handle.query(Orchestration.progress)
    return report.status, report.waiting_for.kind if report.waiting_for else None


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("kind", ["quota", "credential", "credit"])
async def test_a_held_run_is_waiting_and_starts_no_agent_until_it_is_released(
    stage: Stage, gate: asyncio.Event, kind: str
) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY, limits=RunLimits(concurrency=2))
        await running(handle, 2)
        for _ in range(2):  # each Worker tells the same
            await handle.signal("held", HeldInput(kind=kind, message="no more"))
        assert await status(handle) == ("waiting", kind)
        memo = await (await handle.describe()).memo_value("tenuto", type_hint=dict)
        assert (memo["status"], memo["waiting_for"]["kind"]) == ("waiting", kind)
        gate.set()
        # A hold without an end lets one through when nobody is left who could find out.
        await handle.signal("accepted", AcceptedInput())
        report = await handle.result()
    assert (report.status, report.census.done, report.waiting_for) == ("completed", 6, None)


async def test_a_hold_ends_by_itself_at_its_time_and_not_before(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY, limits=RunLimits(concurrency=2))
        await running(handle, 2)
        now = await handle.query(Orchestration.progress)
        assert now.waiting_for is None
        end = in_seconds(3 * 3600)
        await handle.signal("held", HeldInput(kind="quota", message="used up", until=end))
        gate.set()

        async def idle() -> bool:
            return (await handle.query(Orchestration.progress)).census.done >= 2

        await until(idle)
        assert len(stage.asked) == 2
        assert await status(handle) == ("waiting", "quota")
        report = await handle.result()  # time is skipped here
    assert (report.status, report.census.done) == ("completed", 6)
    assert [line for line in await _log(stage, handle) if "quota" in line]


async def _log(stage: Stage, handle: WorkflowHandle[Any, Any]) -> list[str]:
    keys = await stage.store.keys(f"runs/{handle.id}/log")
    return [line for key in keys for line in (await stage.store.get(key)).decode().splitlines()]


async def test_an_end_that_has_passed_holds_nobody(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(MANY)
        await handle.signal("held", HeldInput(kind="quota", message="used up", until="2020-01-01T00:00:00+00:00"))
        assert (await handle.result()).status == "completed"


async def test_where_nobody_runs_one_agent_finds_out_whether_a_hold_is_over(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(MANY, limits=RunLimits(concurrency=2))
        await handle.signal("held", HeldInput(kind="credential", message="rejected"))
        report = await handle.result()
    assert report.census.done == 6


async def test_a_pause_lets_those_under_way_finish_and_resume_goes_on(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY, limits=RunLimits(concurrency=2))
        await running(handle, 2)
        assert "2 running agents finish" in await handle.execute_update("pause", result_type=str)
        await handle.execute_update("pause")
        gate.set()

        async def idle() -> bool:
            return (await handle.query(Orchestration.progress)).census.done == 2

        await until(idle)
        assert await status(handle) == ("paused", None)
        assert len(stage.asked) == 2
        assert await handle.execute_update("resume", result_type=str) == "goes on"
        report = await handle.result()
    assert (report.status, report.census.done, stage.gates_opened) == ("completed", 6, 0)


async def test_a_person_ends_a_hold_and_the_workers_ask_again(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY, limits=RunLimits(concurrency=2))
        await running(handle, 2)
        await handle.signal("held", HeldInput(kind="quota", message="used up", until=in_seconds(7200)))
        assert await handle.execute_update("resume", result_type=str) == "goes on"
        assert await status(handle) == ("running", None)
        assert "nothing holds it up" in await handle.execute_update("resume", result_type=str)
        gate.set()
        report = await handle.result()
    assert (report.census.done, stage.gates_opened) == (6, 1)
    assert [input.resumed for input in stage.asked] == [None, None, 1, 1, 1, 1]


async def test_limits_change_while_it_runs(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY, limits=RunLimits(concurrency=1, usd=1.0))
        await running(handle, 1)
        answer = await handle.execute_update("set_limits", SetLimitsInput(concurrency=4, usd=2.5), result_type=str)
        assert answer == "4 agents at once, 1,000 in all, $2.5"
        await running(handle, 4)
        for wrong in (SetLimitsInput(concurrency=0), SetLimitsInput(), SetLimitsInput(usd=-1)):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update("set_limits", wrong)
        gate.set()
        assert (await handle.result()).census.done == 6


@pytest.mark.parametrize(("source", "name", "result"), [(ONE_JS, "s.js", [None]), (ONE_PY, "s.py", "skipped: ")])
async def test_a_running_agent_that_is_skipped_has_no_value(
    stage: Stage, gate: asyncio.Event, source: str, name: str, result: Any
) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(source, name)
        await running(handle, 1)
        assert "skipped" in await handle.execute_update("skip_agent", AgentInput(agent="a1"), result_type=str)
        report = await handle.result()
    assert report.result == result or str(report.result).startswith("skipped: ")
    assert (report.status, report.census.skipped, report.failures[0].kind) == ("degraded", 1, "skipped")


async def test_a_queued_agent_that_is_skipped_never_starts(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(MANY_JS, "s.js", limits=RunLimits(concurrency=2))
        await running(handle, 2)
        await handle.execute_update("skip_agent", AgentInput(agent="a6"))
        await handle.execute_update("skip_agent", AgentInput(agent="a6"))
        gate.set()
        report = await handle.result()
    assert report.result[5] is None
    assert (report.census.done, report.census.skipped, len(stage.asked)) == (5, 1, 5)


async def test_a_running_agent_starts_over(stage: Stage, gate: asyncio.Event) -> None:
    async with stage.playing(gated(gate)):
        handle = await stage.start(ONE_JS, "s.js")
        await running(handle, 1)
        await handle.execute_update("restart_agent", AgentInput(agent="a1"))

        async def again() -> bool:
            return len(stage.asked) == 2

        await until(again)
        gate.set()
        report = await handle.result()
    assert [input.restarts for input in stage.asked] == [None, 1]
    assert (report.status, report.result, report.census.done) == ("completed", ["answer to: slow one"], 1)


async def test_what_cannot_be_controlled_is_refused_in_words(stage: Stage, gate: asyncio.Event) -> None:
    async def play(input: RunAgentInput) -> Any:
        return await (echo if input.agent == "a1" else gated(gate))(input)

    async with stage.playing(play):
        handle = await stage.start(MANY)
        await running(handle, 5)
        for name, agent, words in (
            ("skip_agent", "a1", "has ended: it is done"),
            ("restart_agent", "a1", "the script has gone on"),
            ("skip_agent", "a99", "there is no agent 'a99'"),
        ):
            with pytest.raises(WorkflowUpdateFailedError) as raised:
                await handle.execute_update(name, AgentInput(agent=agent))
            assert words in str(raised.value.cause)
        await handle.execute_update("restart_agent", AgentInput(agent="a2"))
        await handle.cancel()  # a stop overrules the other wish
        gate.set()
    assert stage.running == 0


async def test_a_worker_with_another_interpreter_leaves_the_run_alone_and_it_is_said(stage: Stage) -> None:
    other = {"python": "pydantic-monty 0.0.1", "javascript": interpreters()["javascript"]}
    async with stage.playing():
        handle = await stage.start(ONE_JS, "s.js", interpreters=other)
        assert (await handle.result()).status == "completed", "only its own dialect counts"
        handle = await stage.start(ONE_PY, interpreters=other)

        async def failure() -> str | None:
            events = (await handle.fetch_history()).events
            failed = (e.workflow_task_failed_event_attributes for e in events if e.event_type == TASK_FAILED)
            return next((attributes.failure.message for attributes in failed), None)

        said = await until(failure)
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        await handle.terminate()
    assert f"this Worker has {interpreters()['python']}, the run began with pydantic-monty 0.0.1" in said
    assert stage.asked[1:] == []
