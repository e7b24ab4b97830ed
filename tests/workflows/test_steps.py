"""Steps without a model as a Workflow makes them: values, errors, locks, bounds, queues."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import RunAgentInput, RunLimits, RunReport
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.setup_contracts import AgentTypeView, MeetingPoint, Policy, PrepareRunResult
from tenuto.workflows.step_contracts import (
    GrepFilesInput,
    ReadFileInput,
    RunCommandInput,
    RunCommandResult,
    StepInput,
    WriteFileInput,
)

from .conftest import QUEUE, Stage, echo
from .played_steps import PlayedSteps, default

PY = (
    "from tenuto import Meta, agent, parallel, sh, read, write, glob, grep, lock, mcp, pull_request, log, workflow\n"
    'meta = Meta(name="t", description="d")\n'
)
JS = "export const meta = { name: 't', description: 'd' }\n"
MAIN = PY + "async def main(args):\n    "
SETUP: dict[str, Any] = {"policy": Policy(), "workspace": "/nowhere"}


async def failed(stage: Stage, handle: WorkflowHandle[Any, Any]) -> RunReport:
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    return report


async def test_a_run_is_prepared_once_and_its_steps_carry_what_it_was_prepared_with(stage: Stage) -> None:
    steps = PlayedSteps(setup=PrepareRunResult(key="runs/x/setup/abc.json", notices=["the tree is dirty"]))
    source = MAIN + "return [await read('a'), await read('b'), (await sh('make'))['stdout']]\n"
    async with stage.playing(steps=steps):
        handle = await stage.start(source, **SETUP)
        report = await handle.result()
        assert await handle.query(Orchestration.log) == ["the tree is dirty"]
    assert report.result == ["text", "text", "done\n"]
    assert report.status == "completed"
    assert report.census.agents == 0
    assert [one.workspace for one in steps.prepared] == ["/nowhere"]
    assert [(one.run_id, one.step, one.setup) for one in steps.seen] == [
        (handle.id, f"s{n}", "runs/x/setup/abc.json") for n in (1, 2, 3)
    ]


@pytest.mark.parametrize("given", [{}, {"policy": Policy()}, {"workspace": "/nowhere"}])
async def test_a_run_without_policy_or_workspace_has_no_steps_and_says_so(stage: Stage, given: dict[str, Any]) -> None:
    steps = PlayedSteps()
    async with stage.playing(steps=steps):
        report = await failed(stage, await stage.start(MAIN + "return await sh('ls')\n", **given))
    assert report.error is not None
    assert report.error.kind == "no_workspace"
    assert "--workspace" in report.error.message
    assert steps.prepared == []


async def test_a_run_that_cannot_be_prepared_fails_with_the_reason(stage: Stage) -> None:
    class Unsafe(PlayedSteps):
        @activity.defn(name="prepare_run")
        async def prepare_run(self, input: Any) -> PrepareRunResult:
            raise ApplicationError("no sandbox on this host", type="sandbox", non_retryable=True)

    async with stage.playing(steps=Unsafe()):
        report = await failed(stage, await stage.start(MAIN + "return 1\n", **SETUP))
    assert report.error is not None
    assert (report.error.kind, report.error.message) == ("sandbox", "no sandbox on this host")
    assert report.status == "failed"


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_refused_step_throws_with_its_kind_and_does_not_degrade_a_run_that_catches_it(
    stage: Stage, name: str
) -> None:
    async def play(input: StepInput) -> Any:
        raise ApplicationError(
            "Bash: curl is not allowed. To go on: --allow 'Bash(curl:*)'", type="refused", non_retryable=True
        )

    source = (
        MAIN + "try:\n        await sh('curl x')\n    except RuntimeError as error:\n        return str(error)\n"
        if name == "s.py"
        else JS + "try { await sh('curl x') } catch (error) { return `${error.kind}: ${error.message}` }"
    )
    async with stage.playing(steps=PlayedSteps(play)):
        report = await (await stage.start(source, name, **SETUP)).result()
    assert report.result == "refused: Bash: curl is not allowed. To go on: --allow 'Bash(curl:*)'"
    assert report.status == "completed"
    assert report.failures == []


async def test_check_fails_a_run_with_the_command_its_exit_code_and_the_end_of_stderr(stage: Stage) -> None:
    async def play(input: StepInput) -> Any:
        return RunCommandResult(exit_code=2, stderr="x" * 5000 + " no rule to make target")

    async with stage.playing(steps=PlayedSteps(play)):
        report = await failed(stage, await stage.start(MAIN + "return await sh('make it', check=True)\n", **SETUP))
    assert report.error is not None
    assert report.error.kind == "command_failed"
    assert "`make it` failed with exit code 2" in report.error.message
    assert report.error.message.endswith("no rule to make target")
    assert len(report.error.message) < 1000


async def test_infrastructure_errors_are_tried_again(stage: Stage) -> None:
    async def play(input: StepInput) -> Any:
        if activity.info().attempt < 4:
            raise ApplicationError("the store is away", type="store")
        return "text"

    steps = PlayedSteps(play)
    async with stage.playing(steps=steps):
        report = await (await stage.start(MAIN + "return await read('a')\n", **SETUP)).result()
    assert report.result == "text"
    assert len(steps.seen) == 4


async def test_only_what_was_given_is_sent_and_steps_read_by_name_in_the_temporal_ui(stage: Stage) -> None:
    source = JS + (
        "await sh('npm   test', {env: {A: 1}, timeout: 5}); await grep('TODO', '*.ts'); await write('a', 'b');"
        "await sh('x'.repeat(500)); return null"
    )
    async with stage.playing(steps=PlayedSteps()):
        handle = await stage.start(source, "s.js", **SETUP)
        await handle.result()
        sent, summaries = [], []
        async for event in handle.fetch_history_events():
            if event.HasField("activity_task_scheduled_event_attributes"):
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_id.startswith("s"):
                    sent.append(json.loads(scheduled.input.payloads[0].data))
                    summaries.append(json.loads(event.user_metadata.summary.data))
                    assert scheduled.heartbeat_timeout.ToSeconds() == 30
    common = {"run_id": handle.id, "setup": "runs/x/setup/abc.json"}
    assert all(len(sent[n].pop("entry")) > 64 for n in (0, 2)), (
        "commands can be taken over by a run that resumes this one"
    )
    assert sent[0] == {**common, "step": "s1", "command": "npm   test", "env": {"A": "1"}, "timeout_s": 5}
    assert sent[1] == {**common, "step": "s2", "pattern": "TODO", "glob": "*.ts"}
    assert sent[2] == {**common, "step": "s3", "path": "a", "text": "b"}
    assert summaries[:3] == ["sh npm test", "grep TODO *.ts", "write a"]
    assert len(summaries[3]) == 80


async def test_at_most_500_activities_of_a_run_are_pending_at_once(stage: Stage, gate: asyncio.Event) -> None:
    async def play(input: StepInput) -> Any:
        await gate.wait()
        return "text"

    steps = PlayedSteps(play)
    source = JS + "return (await parallel(Array.from({length: 1200}, (_, i) => () => read(`f${i}`)))).length"
    async with stage.playing(steps=steps):
        handle = await stage.start(source, "s.js", **SETUP)
        pending = 0
        async with asyncio.timeout(30):
            while pending < 500 or steps.running < 100:
                pending = len((await handle.describe()).raw_description.pending_activities)
                await asyncio.sleep(0.05)
        assert pending == 500
        gate.set()
        report = await handle.result()
    assert report.result == 1200
    assert steps.running_max <= 500


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_megabytes_cross_in_both_directions(stage: Stage, name: str) -> None:
    big = "é" * 3_000_000
    seen: dict[str, int] = {}

    async def measured(input: StepInput) -> Any:
        if isinstance(input, WriteFileInput):
            seen["write"] = len(input.text)
        if isinstance(input, RunCommandInput):
            seen["env"] = len(input.env["BIG"])
        return big if isinstance(input, ReadFileInput) else await default(input)

    source = (
        MAIN + "text = await read('big')\n    await write('copy', text + text)\n    await sh('x', env={'BIG': text})\n"
        "    return len(text)\n"
        if name == "s.py"
        else JS + "const text = await read('big'); await write('copy', text + text); await sh('x', {env: {BIG: text}});"
        "return text.length"
    )
    async with stage.playing(steps=PlayedSteps(measured)):
        report = await (await stage.start(source, name, **SETUP)).result()
    assert report.result == 3_000_000
    assert seen == {"write": 6_000_000, "env": 3_000_000}


async def test_large_values_come_one_at_a_time_and_not_beyond_what_a_run_can_carry(stage: Stage) -> None:
    alone = 0

    async def play(input: StepInput) -> Any:
        nonlocal alone
        if not input.alone:
            raise ApplicationError("large", 20_000_000, type="large_value", non_retryable=True)
        alone += 1
        assert alone == 1
        await asyncio.sleep(0.05)
        alone -= 1
        return "x"

    steps = PlayedSteps(play)
    source = JS + "return await parallel(Array.from({length: 8}, (_, i) => () => read(`f${i}`)))"
    async with stage.playing(steps=steps):
        handle = await stage.start(source, "s.js", **SETUP)
        report = await handle.result()
        lines = await handle.query(Orchestration.log)
    assert sorted(report.result, key=str) == [None] * 2 + ["x"] * 6
    assert [line for line in lines if "its value has 20,000,000 bytes" in line] == lines
    assert len([one for one in steps.seen if one.alone]) == 6


async def test_a_stopped_run_ends_its_steps_before_it_says_so(stage: Stage) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def play(input: StepInput) -> Any:
        started.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        finally:
            ended.set()

    async with stage.playing(steps=PlayedSteps(play)):
        handle = await stage.start(MAIN + "return await sh('sleep 99')\n", **SETUP)
        await started.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert ended.is_set()
    assert (await stage.report(handle)).status == "stopped"


# ---------------------------------------------------------------------------------------- agents with a setup


async def test_agents_of_a_prepared_run_carry_what_they_were_given(stage: Stage) -> None:
    steps = PlayedSteps(
        setup=PrepareRunResult(
            key="k", agent_types={"critic": AgentTypeView(model="opus", sha256="0"), "any": AgentTypeView(sha256="1")}
        )
    )
    source = JS + (
        "await agent('a');"
        "const own = {tools: 'Read', context: ['x'], isolation: 'worktree', merge: 'queue'};"
        "await agent('b', {agentType: 'critic', ...own});"
        "await agent('c', {agentType: 'critic', model: 'haiku'});"
        "await agent('d', {agentType: 'any', isolation: 'remote'}); return 1"
    )
    async with stage.playing(steps=steps):
        await (await stage.start(source, "s.js", **SETUP)).result()
    given = [one.model_dump(exclude_unset=True) for one in stage.asked]
    for one in given:
        del one["run_id"], one["label"], one["entry"]
    sonnet, opus, haiku = "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"
    assert given == [
        {"agent": "a1", "prompt": "a", "model": sonnet, "setup": "k"},
        {
            **{"agent": "a2", "prompt": "b", "model": opus, "setup": "k", "agent_type": "critic", "tools": ["Read"]},
            **{"context": ["x"], "isolation": "worktree", "merge": "queue"},
        },
        {"agent": "a3", "prompt": "c", "model": haiku, "setup": "k", "agent_type": "critic"},
        {"agent": "a4", "prompt": "d", "model": sonnet, "setup": "k", "agent_type": "any"},
    ]


async def test_an_unknown_agent_type_throws_and_lists_those_there_are(stage: Stage) -> None:
    steps = PlayedSteps(setup=PrepareRunResult(key="k", agent_types={"critic": AgentTypeView(sha256="0")}))
    source = JS + "try { await agent('a', {agentType: 'nope'}) } catch (e) { return [e.kind, e.message] }"
    async with stage.playing(steps=steps):
        report = await (await stage.start(source, "s.js", **SETUP)).result()
    assert report.result[0] == "unknown_agent_type"
    assert "'nope'" in report.result[1] and "critic" in report.result[1]
    assert [failure.kind for failure in report.failures] == ["unknown_agent_type"]


@pytest.mark.parametrize("options", ["{stallMs: 'soon'}", "{timeout: {}}", "{tools: [1]}", "{maxUsd: 'x'}"])
async def test_an_option_of_another_type_throws_instead_of_hanging_the_run(stage: Stage, options: str) -> None:
    source = JS + f"try {{ await agent('a', {options}) }} catch (e) {{ return e.kind }}"
    async with stage.playing(steps=PlayedSteps()):
        report = await (await stage.start(source, "s.js", **SETUP)).result()
    assert report.result == "bad_option"


async def test_a_schema_that_is_no_object_throws_as_unusable(stage: Stage) -> None:
    source = JS + "try { await agent('a', {schema: 'x'}) } catch (e) { return e.kind }"
    async with stage.playing():
        assert (await (await stage.start(source, "s.js")).result()).result == "unusable_schema"


# ------------------------------------------------------------------------------------------------ host queue


@pytest.mark.parametrize("remote", [None, MeetingPoint(url="ssh://git@example.com/r.git")])
async def test_what_works_in_the_workspace_goes_to_its_host_and_worktree_agents_wherever_commits_can_meet(
    stage: Stage, remote: MeetingPoint | None
) -> None:
    there, anywhere = PlayedSteps(setup=PrepareRunResult(key="runs/x/setup/abc.json", remote=remote)), PlayedSteps()
    agents: list[tuple[str, str]] = []

    async def play(input: RunAgentInput) -> Any:
        agents.append((input.prompt, activity.info().task_queue))
        return await echo(input)

    source = JS + "await sh('x'); await agent('shared'); await agent('own', {isolation: 'worktree'}); return 1"
    async with stage.playing(play, anywhere), stage.playing(play, there, f"{QUEUE}@box"):
        await (await stage.start(source, "s.js", host="box", **SETUP)).result()
    assert there.queues == [f"{QUEUE}@box"] * 3
    assert len(there.prepared) == 1
    assert anywhere.queues == []
    assert there.prepared[0].several_hosts
    assert agents == [("shared", f"{QUEUE}@box"), ("own", QUEUE if remote else f"{QUEUE}@box")]


async def test_the_width_of_agents_holds_while_steps_need_none(stage: Stage, gate: asyncio.Event) -> None:
    async def wait(input: RunAgentInput) -> Any:
        await gate.wait()
        return await echo(input)

    async def play(input: StepInput) -> Any:
        if isinstance(input, GrepFilesInput):
            gate.set()  # only steps can free the agent that fills the width
        return await default(input)

    source = (
        JS + "return (await parallel([() => agent('a'), () => agent('b'), () => read('x'), () => grep('y')])).length"
    )
    async with stage.playing(wait, PlayedSteps(play)):
        report = await (await stage.start(source, "s.js", limits=RunLimits(concurrency=1), **SETUP)).result()
    assert report.result == 4
    assert stage.running_max == 1
