"""Ceilings of phases in a run: who waits for money holds nobody up, and how long he waits outlives a history."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from tenuto.workflows.contracts import Histories, RunAgentInput, RunLimits, Usage
from tenuto.workflows.control_contracts import SetLimitsInput
from tenuto.workflows.failure_kinds import SHARE
from tenuto.workflows.share_contracts import AgentFailureDetails, Cost, ShareAsk

from .conftest import Stage
from .histories import histories
from .test_continuing import EVENTS, JS, PY
from .test_continuing_state import reported

BESIDE = {
    "s.py": PY
    + """
async def main(args):
    dear = [agent(f"dear {n}", phase="A") for n in range(args)]
    return await parallel([*dear, *(agent(f"free {n}", phase="B") for n in range(args))])
""",
    "s.js": JS
    + """
const many = (word, phase) => Array.from({ length: args }, (_, n) => () => agent(`${word} ${n}`, { phase }))
return await parallel([...many('dear', 'A'), ...many('free', 'B')])
""",
}
DEADLINE = {
    "s.py": PY
    + """
async def late(began, n):
    try:
        await agent(f"dear {n}", phase="A")
    except RuntimeError:
        return now() - began


async def chain(n):
    for i in range(n):
        await agent(f"link {i}", phase="B")
        await sleep(60)


async def main(args):
    began = now()
    return await parallel([*(late(began, n) for n in range(3)), chain(args)])
""",
    "s.js": JS
    + """
const began = now()
async function late(n) {
  try { await agent(`dear ${n}`, { phase: 'A' }) } catch { return now() - began }
  return null
}
async function chain(n) { for (let i = 0; i < n; i++) { await agent(`link ${i}`, { phase: 'B' }); await sleep(60) } }
return await parallel([() => late(0), () => late(1), () => late(2), () => chain(args)])
""",
}


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_phase_that_waits_for_money_leaves_the_width_to_the_others(stage: Stage, name: str) -> None:
    limits = RunLimits(concurrency=3, phases_usd={"A": 0.0005}, on_limit="ask")
    async with stage.playing():
        handle = await stage.start(BESIDE[name], name, args=20, has_args=True, limits=limits)
        report = await reported(handle, lambda report: report.status == "waiting")
        assert report.waiting_for is not None and report.waiting_for.kind == "ceiling"
        first = Counter(input.phase for input in stage.asked)
        assert first["B"] == 20 and 1 <= first["A"] <= 3
        said = await handle.execute_update("resume", result_type=str)
        assert "only a higher ceiling" in said and f"tenuto set {handle.id} --phase-usd 'A=X'" in said
        await handle.execute_update("set_limits", SetLimitsInput(phases_usd={"A": 1.0}))
        report = await handle.result()
    assert report.status == "completed" and report.census.done == 40
    assert len({input.prompt for input in stage.asked}) == len(stage.asked) == 40
    assert stage.running_max <= 3


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_how_long_a_ceiling_is_waited_for_is_counted_through_all_histories(stage: Stage, name: str) -> None:
    given: dict[str, Any] = {
        "limits": RunLimits(phases_usd={"A": 0.0005}, on_limit="ask", limit_timeout_s=1200.0, concurrency=1),
        "histories": Histories(events=EVENTS),
    }
    async with stage.playing():
        handle = await stage.start(DEADLINE[name], name, args=40, has_args=True, **given)
        report = await handle.result()
    assert len(await histories(stage.client, handle)) >= 4
    done, *refused = report.result[:3]
    assert done is None
    assert refused == [pytest.approx(1200, abs=2)] * 2
    assert report.census.done == 41 and [failure.kind for failure in report.failures] == ["budget", "budget"]
    assert max(Counter(input.prompt for input in stage.asked).values()) == 1


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_ceiling_that_is_raised_in_a_later_history_lets_go_at_once(stage: Stage, name: str) -> None:
    limits = RunLimits(phases_usd={"A": 0.0005}, on_limit="ask", limit_timeout_s=90000.0, concurrency=1)
    async with stage.playing():
        handle = await stage.start(
            DEADLINE[name], name, args=40, has_args=True, limits=limits, histories=Histories(events=EVENTS)
        )
        await stage.skip(timedelta(seconds=30 * 60 + 30))
        assert len(await histories(stage.client, handle)) >= 3
        assert Counter(input.phase for input in stage.asked) == {"A": 1, "B": 31}
        await handle.execute_update("set_limits", SetLimitsInput(phases_usd={"A": 1.0}))
        report = await handle.result()
    assert report.status == "completed" and report.census.done == 43
    assert max(Counter(input.prompt for input in stage.asked).values()) == 1


QUEUE = {
    "s.py": PY + "async def main(args):\n    return await parallel([agent(f'{n}') for n in range(args)])\n",
    "s.js": JS + "return await parallel(Array.from({ length: args }, (_, n) => () => agent(`${n}`)))\n",
}


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_who_comes_back_for_a_larger_share_goes_before_those_that_are_new(stage: Stage, name: str) -> None:
    """Twelve agents, four wide, whose first shares are too small; two of the four notice it late."""
    wants = ShareAsk(floor=Cost(usd=0.3), least=Cost(usd=0.3), most=Cost(usd=0.3))
    at_work: list[str] = []
    notice, enough = asyncio.Event(), asyncio.Event()

    async def play(input: RunAgentInput) -> str:
        assert input.share is not None and input.share.usd is not None
        if input.share.usd < 0.3:
            if input.prompt in {"2", "3"}:
                await notice.wait()
            raise ApplicationError("too little", AgentFailureDetails(ask=wants), type=SHARE, non_retryable=True)
        at_work.append(input.prompt)
        await enough.wait()
        return input.prompt

    async with stage.playing(play):
        limits = RunLimits(concurrency=4, usd=0.6, on_limit="ask")
        handle = await stage.start(QUEUE[name], name, args=12, has_args=True, limits=limits)
        await reported(handle, lambda report: report.census.queued == 9)  # one of the four, and all that are new
        notice.set()
        await reported(handle, lambda report: report.census.running == len(at_work) == 2)
        await handle.execute_update("set_limits", SetLimitsInput(usd=1.2))
        await reported(handle, lambda report: report.census.running == len(at_work) == 4)
        enough.set()
        report = await handle.result()
    assert report.status == "completed" and report.census.done == 12
    assert set(at_work[:4]) == {"0", "1", "2", "3"}


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_run_that_waits_at_a_ceiling_is_stopped_with_all_who_wait(stage: Stage, name: str) -> None:
    """One has begun and needs more than is left; the others have not, and would be content with what is left."""
    wants = ShareAsk(floor=Cost(usd=0.5), least=Cost(usd=0.5), most=Cost(usd=0.5))

    async def play(input: RunAgentInput) -> str:
        details = AgentFailureDetails(usage=Usage(input_tokens=10, usd=0.05), ask=wants)
        raise ApplicationError("too little", details, type=SHARE, non_retryable=True)

    async with stage.playing(play):
        limits = RunLimits(concurrency=1, usd=0.1, on_limit="ask")
        handle = await stage.start(QUEUE[name], name, args=6, has_args=True, limits=limits)
        await reported(handle, lambda report: report.status == "waiting")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 20)
    assert isinstance(caught.value.cause, CancelledError)
    report = await stage.report(handle)
    assert (report.status, report.census.skipped, report.census.queued) == ("stopped", 6, 0)
