"""A ceiling that is set while agents are under way: they are told, and nobody gets anything before all of them know."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from tenuto.activities.transcript import Message, Transcript, folder_of
from tenuto.workflows.contracts import Histories, RunAgentInput, RunLimits, Usage
from tenuto.workflows.control_contracts import AgentInput, SetLimitsInput
from tenuto.workflows.share_contracts import AgentFailureDetails, Cost, ShareAsk

from .conftest import Stage
from .histories import histories
from .test_continuing import EVENTS, JS, PY
from .test_continuing_state import reported

MANY = {
    "s.py": PY
    + "\nasync def main(args):\n    return await parallel([agent(f'w {n}', phase='A') for n in range(args)])\n",
    "s.js": JS
    + "return await parallel(Array.from({ length: args }, (_, n) => () => agent(`w ${n}`, { phase: 'A' })))\n",
}
ASK = RunLimits(concurrency=3, on_limit="ask")
PAID = Usage(input_tokens=100, output_tokens=50, usd=0.01)


def stops(ceilings: int, usage: Usage = PAID) -> ApplicationError:
    """What a conversation ends with that has seen a lowering."""
    ask = ShareAsk(floor=Cost(usd=0.01), least=Cost(usd=0.02), most=Cost(usd=0.04), ceilings=ceilings)
    details = AgentFailureDetails(usage=usage, ask=ask)
    return ApplicationError("void", details, type="share", non_retryable=True)


class Conversations:
    """Agents that wait until they are let go, and stop then if they do not know of as many lowerings as there were."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.lowered = 0
        self.inputs: list[RunAgentInput] = []

    async def __call__(self, input: RunAgentInput) -> Any:
        self.inputs.append(input)
        while not self.go_on.is_set():
            activity.heartbeat()  # or a restart would never reach it
            await asyncio.sleep(0.05)
        if self.lowered > (input.share.ceilings if input.share is not None else 0):
            raise stops(self.lowered)
        return f"answer to: {input.prompt}"

    async def under_way(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.inputs) < count:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
@pytest.mark.parametrize("lower", [{"usd": 0.02}, {"tokens": 200}, {"phases_usd": {"A": 0.02}}])
async def test_agents_without_a_share_wait_at_a_ceiling_that_is_set_later_and_go_on_where_they_were(
    stage: Stage, name: str, lower: dict[str, Any]
) -> None:
    playing = Conversations()
    async with stage.playing(playing):
        handle = await stage.start(MANY[name], name, args=6, has_args=True, limits=ASK)
        await playing.under_way(3)
        await handle.execute_update("set_limits", SetLimitsInput.model_validate(lower))
        playing.lowered = 1
        playing.go_on.set()
        report = await reported(handle, lambda report: report.status == "waiting")
        assert report.waiting_for is not None and report.waiting_for.kind == "ceiling"
        assert report.census.running == 0 and report.usage.usd == pytest.approx(0.03)
        assert [input.share for input in playing.inputs] == [None] * 3
        higher = {key: {"A": 9.0} if key == "phases_usd" else 10**6 for key in lower}
        await handle.execute_update("set_limits", SetLimitsInput.model_validate(higher))
        report = await handle.result()
    assert report.status == "completed" and report.census.done == 6
    again = playing.inputs[3:]
    assert all(input.share is not None and input.share.ceilings == 1 for input in again)
    assert Counter(input.share.renewed for input in again if input.share is not None) == {1: 3, 0: 3}
    assert Counter(input.agent for input in again if input.share is not None and input.share.renewed) == Counter(
        input.agent for input in playing.inputs[:3]
    )


async def test_nobody_gets_a_share_before_it_is_known_what_those_under_way_have_spent(stage: Stage) -> None:
    """One of them has spent nearly all of it, and is still at work when the others ask."""
    playing, late = Conversations(), asyncio.Event()

    async def play(input: RunAgentInput) -> Any:
        if input.prompt == "w 0" and input.share is None:
            playing.inputs.append(input)
            await late.wait()
            raise stops(1, Usage(input_tokens=10, usd=0.9))
        return await playing(input)

    async with stage.playing(play):
        handle = await stage.start(MANY["s.py"], args=3, has_args=True, limits=ASK)
        await playing.under_way(3)
        spent = next(input.agent for input in playing.inputs if input.prompt == "w 0")
        transcript = Transcript(stage.store, folder_of(handle.id, spent))
        use = [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]
        transcript.add(Message(purpose="answer", content=use, at="", usage=Usage(input_tokens=10, usd=0.9)))
        await transcript.keep()
        await handle.execute_update("set_limits", SetLimitsInput(usd=0.925))
        playing.lowered = 1
        playing.go_on.set()
        # Two times 0.01 is spent beside the 0.9: 0.005 is left, and each of them needs 0.01 at the least.
        await reported(handle, lambda report: report.census.queued == 2)
        late.set()
        report = await reported(handle, lambda report: report.status == "waiting")
        assert report.usage.usd == pytest.approx(0.92) and len(playing.inputs) == 3
        await handle.execute_update("set_limits", SetLimitsInput(usd=9.0))
        report = await handle.result()
    assert report.census.done == 3 and max(Counter(input.agent for input in playing.inputs).values()) == 2


async def test_a_ceiling_that_is_only_raised_disturbs_nobody(stage: Stage) -> None:
    playing = Conversations()
    limits = RunLimits(concurrency=3, on_limit="ask", usd=5.0)
    async with stage.playing(playing):
        handle = await stage.start(MANY["s.js"], "s.js", args=3, has_args=True, limits=limits)
        await playing.under_way(3)
        await handle.execute_update("set_limits", SetLimitsInput(usd=6.0))
        await handle.execute_update("set_limits", SetLimitsInput(concurrency=4))
        playing.go_on.set()
        await handle.result()
    names = await asked_for(stage, handle)
    assert names["tell_ceilings"] == 0 and names["run_agent"] == 3


async def test_a_ceiling_that_is_set_while_nobody_is_under_way_needs_telling_nobody(stage: Stage) -> None:
    source = PY + "\nasync def main(args):\n    await sleep(60)\n    return await agent('w')\n"
    async with stage.playing():
        handle = await stage.start(source, limits=ASK)
        await handle.execute_update("set_limits", SetLimitsInput(usd=6.0))
        report = await handle.result()
    assert report.census.done == 1 and (await asked_for(stage, handle))["tell_ceilings"] == 0
    (input,) = stage.asked
    assert input.share is not None and input.share.ceilings == 0


async def test_a_run_that_ends_while_it_tells_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    playing, put = Conversations(), stage.store.put

    async def never(key: str, data: bytes) -> None:
        if key.endswith("ceilings.json"):
            raise OSError("disk full")
        await put(key, data)

    monkeypatch.setattr(stage.store, "put", never)
    async with stage.playing(playing):
        handle = await stage.start(MANY["s.py"], args=3, has_args=True, limits=ASK)
        await playing.under_way(3)
        said = await handle.execute_update("set_limits", SetLimitsInput(usd=6.0), result_type=str)
        assert said.endswith("what is under way will know of it as soon as the store takes it")
        playing.go_on.set()
        report = await handle.result()
    assert report.status == "completed" and report.census.done == 3


async def test_a_number_that_a_run_does_not_know_is_learnt_from_the_first_who_has_seen_it(stage: Stage) -> None:
    """As after a reset to an earlier moment of its history: it has no ceiling, and its object in the store has one."""
    playing = Conversations()
    playing.lowered = 7
    playing.go_on.set()
    async with stage.playing(playing):
        handle = await stage.start(MANY["s.py"], args=2, has_args=True, limits=RunLimits(concurrency=1, on_limit="ask"))
        report = await handle.result()
    assert report.census.done == 2
    first, again, second = playing.inputs
    assert (first.agent, first.share) == (again.agent, None) and again.agent != second.agent
    assert again.share is not None and (again.share.renewed, again.share.ceilings, again.share.usd) == (1, 7, None)
    assert second.share is not None and (second.share.renewed, second.share.ceilings) == (0, 7)


async def test_an_agent_that_starts_over_while_it_is_told_is_not_taken_for_the_one_before(stage: Stage) -> None:
    playing = Conversations()
    async with stage.playing(playing):
        handle = await stage.start(MANY["s.py"], args=1, has_args=True, limits=ASK)
        await playing.under_way(1)
        telling = asyncio.create_task(handle.execute_update("set_limits", SetLimitsInput(usd=9.0)))
        await handle.execute_update("restart_agent", AgentInput(agent=playing.inputs[0].agent))
        await telling
        playing.go_on.set()
        report = await handle.result()
    assert report.census.done == 1 and len(playing.inputs) == 2


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_later_history_knows_how_often_ceilings_were_lowered(stage: Stage, name: str) -> None:
    chain = {
        "s.py": PY + "\nasync def main(args):\n    for n in range(args):\n        await agent(f'w {n}')\n",
        "s.js": JS + "for (let n = 0; n < args; n++) await agent(`w ${n}`)\n",
    }
    playing = Conversations()
    async with stage.playing(playing):
        handle = await stage.start(
            chain[name], name, args=60, has_args=True, limits=ASK, histories=Histories(events=EVENTS)
        )
        await playing.under_way(1)
        await handle.execute_update("set_limits", SetLimitsInput(usd=9.0))
        playing.lowered = 1
        playing.go_on.set()
        await handle.result()
    assert len(await histories(stage.client, handle)) > 1
    assert [input.share.ceilings for input in playing.inputs[1:] if input.share is not None] == [1] * 60


async def asked_for(stage: Stage, handle: Any) -> Counter[str]:
    """Activities of a run by type."""
    found: Counter[str] = Counter()
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            found[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
    return found
