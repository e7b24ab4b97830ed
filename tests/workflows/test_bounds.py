"""Texts of five megabytes, wherever a script or a person can put one: fine, or one clear error. Never a wedged run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tenuto.workflows.bounds import GIVEN_CHARS_MAX, MESSAGE_CHARS, TITLE_CHARS
from tenuto.workflows.contracts import Histories, RunAgentInput, RunLimits, RunReport
from tenuto.workflows.people_contracts import AnswerInput
from tenuto.workflows.setup_contracts import Policy

from .conftest import Stage, echo
from .played_steps import PlayedSteps

DEADLINE_S = 20
SIZE = 5_000_000
PY = """from tenuto import (
    Meta, agent, ask, failures, gate, lock, log, parallel, phase, read, review, sh, sleep, vote, wait_for, workflow,
    write,
)
meta = Meta(name="t", description="d")
async def caught(call):
    try:
        return await call
    except RuntimeError as error:
        return str(error)[:80]
async def main(args):
    big = "x" * 5_000_000
"""
JS = """export const meta = { name: 't', description: 'd' }
const big = 'x'.repeat(5_000_000)
const caught = (promise) => promise.catch((error) => String(error).slice(0, 80))
"""
INSIDE = "    async def inside():\n        return 1\n"
CALLS: dict[str, tuple[str, str, Any]] = {
    "phase": ("phase(big)\n    said = 1", "phase(big); const said = 1", 1),
    "log": ("log(big)\n    said = 1", "log(big); const said = 1", 1),
    "prompt": (
        "said = len(await agent(big, label=big))",
        "const said = (await agent(big, { label: big })).length",
        SIZE,
    ),
    "options": (
        "said = await agent('hm', phase=big, model=big)",
        "const said = await agent('hm', { phase: big, model: big })",
        "answer to: hm",
    ),
    "workflow": (
        "said = len(await caught(workflow(big))) > 0",
        "const said = (await caught(workflow(big))).length > 0",
        True,
    ),
    "sh": ("said = (await sh('echo ' + big))['exit_code']", "const said = (await sh('echo ' + big)).exitCode", 0),
    "write": ("said = await write('f', big)", "await write('f', big); const said = null", None),
    "gate": ("said = (await gate(big))['passed']", "const said = (await gate(big)).passed", True),
    "wait_for": (
        "said = len(await caught(wait_for(big, timeout=1))) > 0",
        "const said = (await caught(waitFor(big, { timeout: 1 }))).length > 0",
        True,
    ),
    "ask": (
        "said = await ask(big, options=[big, 'b'], default='b', timeout=1)",
        "const said = await ask(big, { options: [big, 'b'], default: 'b', timeout: 1 })",
        "b",
    ),
    "lock": ("said = await lock(big, inside)", "const said = await lock(big, async () => 1)", 1),
    "review": ("said = (await review(big))['verdict']", "const said = (await review(big)).verdict", "confirmed"),
    "vote": ("said = (await vote(big, n=2))['live']", "const said = (await vote(big, { n: 2 })).live", 2),
}
"""By name: in Python, in JavaScript, and what comes of it."""
THROWS = {"s.py": PY + "    raise ValueError(big)\n", "s.js": JS + "throw new Error(big)\n"}
TOO_MUCH = {
    "s.py": PY + "    return [await caught(agent(big * 6, label='giant')), len(failures())]\n",
    "s.js": JS + "return [await caught(agent(big.repeat(6), { label: 'giant' })), failures().length]\n",
}
LARGE = "y" * SIZE
SHORT = Histories(events=60)


async def long_answer(input: RunAgentInput) -> Any:
    if input.output_schema is not None and "verdict" in input.output_schema["properties"]:
        return {"verdict": "pass", "objections": [], "evidence": [LARGE]}
    return LARGE if len(input.prompt) > SIZE // 2 and "small" not in input.prompt[:10] else await echo(input)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
@pytest.mark.parametrize("call", CALLS)
async def test_five_megabytes_in_any_text_of_a_script_are_fine(stage: Stage, call: str, name: str) -> None:
    python, javascript, wanted = CALLS[call]
    sources = {
        "s.py": f"{PY}{INSIDE}    {python}\n    return [said, big]\n",
        "s.js": f"{JS}{javascript}\nreturn [said, big]\n",
    }
    given: dict[str, Any] = {"workspace": "/nowhere", "policy": Policy(), "histories": SHORT}
    async with stage.playing(long_answer, PlayedSteps()):
        handle = await stage.start(sources[name], name, **given)
        await asyncio.wait_for(handle.result(), DEADLINE_S)
        report = await stage.report(handle)
    assert report.status in ("completed", "degraded"), report.error
    assert await stage.result(handle) == [wanted, "x" * SIZE]
    assert all(len(agent.label) <= TITLE_CHARS for agent in report.agents)
    assert all(len(view.title) <= TITLE_CHARS + 40 for view in report.phases)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_script_that_throws_five_megabytes_fails_with_the_beginning(stage: Stage, name: str) -> None:
    async with stage.playing():
        handle = await stage.start(THROWS[name], name, histories=SHORT)
        with pytest.raises(WorkflowFailureError) as raised:
            await asyncio.wait_for(handle.result(), DEADLINE_S)
        report = await stage.report(handle)
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == "script"
    assert report.error is not None
    assert len(report.error.message) < MESSAGE_CHARS + 100
    assert "characters in all" in report.error.message


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_prompt_that_no_request_may_hold_is_refused_by_name(stage: Stage, name: str) -> None:
    async with stage.playing():
        handle = await stage.start(TOO_MUCH[name], name, histories=SHORT)
        report: RunReport = await asyncio.wait_for(handle.result(), DEADLINE_S)
    assert report.result[1] == 1
    (failure,) = report.failures
    assert (failure.kind, failure.label) == ("too_large", "giant")
    assert f"{GIVEN_CHARS_MAX:,}" in failure.message
    assert stage.asked == []


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_hundreds_of_prompts_and_commands_just_below_the_stores_threshold_go_out_at_once(
    stage: Stage, name: str
) -> None:
    """Together they are more than one response to the server may have."""
    source = {
        "s.py": PY
        + "    text = 'z' * 15_000\n"
        + "    said = await parallel([agent(f'{n} {text}') for n in range(400)])\n"
        + "    ran = await parallel([sh(f'{n} {text}') for n in range(400)])\n"
        + "    return [sum(x is not None for x in said), sum(x is not None for x in ran)]\n",
        "s.js": JS
        + "const text = 'z'.repeat(15_000), all = Array.from({ length: 400 }, (_, n) => n)\n"
        + "const said = await parallel(all.map((n) => () => agent(`${n} ${text}`)))\n"
        + "const ran = await parallel(all.map((n) => () => sh(`${n} ${text}`)))\n"
        + "return [said.filter(Boolean).length, ran.filter(Boolean).length]\n",
    }
    given: dict[str, Any] = {"workspace": "/nowhere", "policy": Policy(), "histories": Histories()}
    async with stage.playing(steps=PlayedSteps()):
        handle = await stage.start(source[name], name, limits=RunLimits(concurrency=400), **given)
        report = await asyncio.wait_for(handle.result(), 50)
    assert report.result == [400, 400]
    assert len(stage.asked) == 400


async def test_an_agent_that_fails_with_five_megabytes_fails_with_the_beginning(stage: Stage) -> None:
    async def fails(input: RunAgentInput) -> Any:
        raise ApplicationError(LARGE, type="invalid_request_error", non_retryable=True)

    async with stage.playing(fails):
        handle = await stage.start(PY + "    return await caught(agent('do it'))\n", histories=SHORT)
        report = await asyncio.wait_for(handle.result(), DEADLINE_S)
    (failure,) = report.failures
    assert failure.kind == "invalid_request_error"
    assert MESSAGE_CHARS <= len(failure.message) < MESSAGE_CHARS + 100


async def test_an_answer_of_five_megabytes_is_taken_or_refused_in_short(stage: Stage) -> None:
    source = PY + "    asked = [ask('a?', options=['b', big]), ask('c?')]\n    return await parallel(asked)\n"
    async with stage.playing():
        handle = await stage.start(source, histories=SHORT)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await asyncio.wait_for(
                handle.execute_update("answer", AnswerInput(answer=LARGE, question="q1")), DEADLINE_S
            )
        assert len(str(refused.value.cause)) < MESSAGE_CHARS + 100
        await handle.execute_update("answer", AnswerInput(answer="b", question="q1"))
        await handle.execute_update("answer", AnswerInput(answer=LARGE, question="q2"))
        await asyncio.wait_for(handle.result(), DEADLINE_S)
    assert await stage.result(handle) == ["b", LARGE]


async def test_many_long_log_lines_are_kept_whole_and_shown_in_short(stage: Stage) -> None:
    source = PY + "    for n in range(12):\n        log(f'{n}' + big)\n        await sleep(1)\n    return 1\n"
    async with stage.playing():
        handle = await stage.start(source, histories=SHORT)
        await asyncio.wait_for(handle.result(), DEADLINE_S)
        lines: list[str] = await handle.query("log", result_type=list[str])
    assert max(map(len, lines)) < 20_000
    kept = [len(await stage.store.get(key)) for key in await stage.store.keys(f"runs/{handle.id}/log")]
    assert sum(kept) >= 12 * SIZE
