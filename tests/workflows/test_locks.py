"""Locks of a script: one holder at a time, in order, shared with nested workflows; nobody waits for one in vain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.setup_contracts import Policy
from tenuto.workflows.step_contracts import ReadFileInput, StepInput

from .conftest import Stage
from .played_steps import PlayedSteps
from .test_steps import JS, MAIN, SETUP, failed


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_lock_has_one_holder_at_a_time_in_the_order_of_the_calls(stage: Stage, name: str) -> None:
    async def play(input: StepInput) -> Any:
        assert steps.running == 1
        await asyncio.sleep(0.01 if input.step == "s1" else 0)
        return "text"

    steps = PlayedSteps(play)
    source = (
        MAIN + "return await parallel([lock('a', lambda i=i: read(f'f{i}')) for i in range(8)])\n"
        if name == "s.py"
        else JS + "return await parallel(Array.from({length: 8}, (_, i) => () => lock('a', () => read(`f${i}`))))"
    )
    async with stage.playing(steps=steps):
        report = await (await stage.start(source, name, **SETUP)).result()
    assert report.result == ["text"] * 8
    assert [one.path for one in steps.seen if isinstance(one, ReadFileInput)] == [f"f{i}" for i in range(8)]


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_lock_taken_again_inside_itself_is_stuck_and_names_the_lock(stage: Stage, name: str) -> None:
    source = (
        MAIN + "return await lock('deploy', lambda: lock('deploy', lambda: 1))\n"
        if name == "s.py"
        else JS + "return await lock('deploy', () => lock('deploy', () => 1))"
    )
    async with stage.playing(steps=PlayedSteps()):
        report = await failed(stage, await stage.start(source, name, **SETUP))
    assert report.error is not None
    assert report.error.kind == "stuck"
    assert "'deploy'" in report.error.message


async def test_two_locks_in_different_orders_are_stuck_only_when_all_else_has_ended(stage: Stage) -> None:
    source = JS + (
        "const cross = (a, b) => lock(a, async () => { await read(a); return lock(b, () => 1) });"
        "const slow = (async () => { await agent('slow'); log('the agent ended') })();"
        "await Promise.all([cross('a', 'b'), cross('b', 'a'), slow]); return 1"
    )
    async with stage.playing(steps=PlayedSteps()):
        handle = await stage.start(source, "s.js", **SETUP)
        report = await failed(stage, handle)
        assert await handle.query(Orchestration.log) == ["the agent ended"]
    assert report.error is not None
    assert report.error.kind == "stuck"


def nested(stage: Stage, body: str) -> str:
    folder = stage.home / "ws" / ".tenuto" / "workflows"
    folder.mkdir(parents=True)
    (folder / "inner.js").write_text("export const meta = {name: 'inner', description: 'd'}\n" + body)
    return str(stage.home / "ws")


async def test_nested_workflows_share_the_locks_of_the_run(stage: Stage) -> None:
    workspace = nested(stage, "return await lock('a', async () => { log('inner holds'); return 1 })")
    source = JS + (
        "const inner = lock('a', async () => { await agent('x'); log('outer gives back') });"
        "const value = await workflow('inner'); await inner; return value"
    )
    async with stage.playing(steps=PlayedSteps()):
        handle = await stage.start(source, "s.js", policy=Policy(), workspace=workspace)
        report = await handle.result()
        assert await handle.query(Orchestration.log) == ["outer gives back", "inner holds"]
    assert report.result == 1


async def test_a_nested_workflow_that_waits_for_a_lock_of_its_caller_is_stuck_and_the_caller_can_go_on(
    stage: Stage,
) -> None:
    workspace = nested(stage, "return await lock('a', () => 1)")
    source = JS + (
        "let kind = 'none';"
        "await lock('a', async () => { try { await workflow('inner') } catch (e) { kind = e.kind } });"
        "return [kind, await lock('a', () => 'free again')]"
    )
    async with stage.playing(steps=PlayedSteps()):
        report = await (await stage.start(source, "s.js", policy=Policy(), workspace=workspace)).result()
    assert report.result == ["stuck", "free again"]


async def test_locks_of_a_nested_workflow_that_ended_are_free(stage: Stage) -> None:
    workspace = nested(stage, "void lock('a', () => new Promise(() => {})); await agent('x'); return 'left it locked'")
    source = JS + "return [await workflow('inner'), await lock('a', () => 'free')]"
    async with stage.playing(steps=PlayedSteps()):
        report = await (await stage.start(source, "s.js", policy=Policy(), workspace=workspace)).result()
    assert report.result == ["left it locked", "free"]
