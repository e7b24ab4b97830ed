"""A conversation sees before each request whether a ceiling was lowered, and stops there with what it has."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from obstore.exceptions import GenericError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tenuto.activities import ceilings
from tenuto.activities.ceilings import CeilingActivities, Ceilings
from tenuto.activities.store import Store
from tenuto.activities.transcript import Message, Transcript, folder_of
from tenuto.workflows.ceiling_contracts import TellCeilingsInput, TellCeilingsResult, UnderWay
from tenuto.workflows.contracts import AgentProgress, Usage
from tenuto.workflows.share_contracts import AgentFailureDetails, Cost, Share

from .conftest import MODEL, Stage


async def tell(store: Store, *agents: str, **lowered: int) -> TellCeilingsResult:
    """`run` is the run's own scope, other names are phases."""
    input = TellCeilingsInput(
        run_id="wf_test",
        lowered={"" if scope == "run" else scope: number for scope, number in lowered.items()},
        under_way=[UnderWay(agent=agent, model=MODEL) for agent in agents],
    )
    result: TellCeilingsResult = await ActivityEnvironment().run(CeilingActivities(store).tell_ceilings, input)
    return result


async def stopped(stage: Stage, attempt: int = 1, **given: Any) -> AgentFailureDetails:
    with pytest.raises(ApplicationError) as raised:
        await stage.run(attempt=attempt, **given)
    assert (raised.value.type, raised.value.non_retryable) == ("share", True)
    details: AgentFailureDetails = raised.value.details[0]
    return details


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "MARGIN_S", 0.02)


async def test_a_conversation_without_a_share_stops_before_its_first_request_and_says_what_it_needs(
    stage: Stage,
) -> None:
    await tell(stage.store, run=3)
    details = await stopped(stage)
    assert stage.api.requests() == [] and details.usage == Usage()
    ask = details.ask
    assert ask is not None and ask.ceilings == 3
    assert 0.01 < ask.floor.usd < ask.least.usd < ask.most.usd
    assert (ask.floor.output_tokens, ask.least.output_tokens) == (1024, 4096)


async def test_whoever_knows_of_it_goes_on(stage: Stage) -> None:
    await tell(stage.store, run=3)
    assert (await stage.run(share=Share(ceilings=3))).value
    assert (await stopped(stage, agent="a2", share=Share(usd=5.0, ceilings=2))).ask is not None


async def test_a_phase_concerns_its_own_agents_alone(stage: Stage) -> None:
    await tell(stage.store, Port=2)
    assert (await stage.run(phase="Other")).value
    assert (await stage.run(agent="a2")).value
    assert (await stopped(stage, agent="a3", phase="Port")).ask is not None


async def test_a_request_under_way_is_finished_and_the_next_one_is_not_sent(
    stage: Stage, until: Callable[..., Any]
) -> None:
    stage.api.control(
        rules=[{"match": {"turn": 1}, "reply": {"text": "x" * 400}, "fault": {"max_tokens": True}}], latency_s=2.0
    )
    asking = asyncio.create_task(stopped(stage))
    await until(lambda: len(stage.api.requests()) == 1)
    await tell(stage.store, "a1", run=1)
    details = await asking
    (request,) = stage.api.requests()
    assert request["outcome"] == "completed" and details.usage.output_tokens == request["usage"]["output_tokens"]
    stage.api.control(latency_s=0.0)
    await stage.run(share=Share(usd=5.0, renewed=1, ceilings=1, paid_tokens=details.usage.tokens))
    assert [each["turn"] for each in stage.api.requests()] == [1, 2]


async def test_what_a_lost_worker_may_have_sent_is_counted_although_there_was_no_ceiling_then(stage: Stage) -> None:
    await tell(stage.store, run=1)
    environment = stage.environment(2)
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[AgentProgress()])
    with pytest.raises(ApplicationError) as raised:
        await environment.run(stage.activities.run_agent, stage.input())
    details = raised.value.details[0]
    assert stage.api.requests() == []
    assert details.lost.output_tokens == 4096 and 0.04 < details.lost.usd < 0.1


async def test_a_model_without_a_price_stops_as_well_where_tokens_are_bounded(stage: Stage) -> None:
    await tell(stage.store, run=1)
    ask = (await stopped(stage, model="claude-new")).ask
    assert ask is not None and ask.floor.usd == 0.0 and ask.floor.tokens > 1024


async def test_a_number_never_gets_smaller(store: Store) -> None:
    await tell(store, run=5, Port=1)
    await tell(store, run=4, Port=2)
    seen = Ceilings(store)
    assert await seen.lowered("wf_test", None, print) == 5
    assert await seen.lowered("wf_test", "Port", print) == 5
    assert await seen.lowered("wf_other", "Port", print) == 0


async def test_many_who_look_at_once_read_once_and_nobody_believes_it_for_longer_than_the_writer_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    get = store.get

    async def counted(key: str) -> bytes:
        nonlocal reads
        reads += 1
        return await get(key)

    monkeypatch.setattr(store, "get", counted)
    seen = Ceilings(store)
    assert set(await asyncio.gather(*(seen.lowered("wf_test", None, print) for _ in range(200)))) == {0}
    assert reads == 1
    await tell(store, run=1)
    assert set(await asyncio.gather(*(seen.lowered("wf_test", None, print) for _ in range(200)))) == {1}
    assert reads == 3  # the writer's, and one more of the reader


async def test_a_store_out_of_reach_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(store, run=1)
    get, said = store.get, list[str]()

    async def out_of_reach(key: str) -> bytes:
        monkeypatch.setattr(store, "get", get)
        raise GenericError("no route to host")

    monkeypatch.setattr(store, "get", out_of_reach)
    assert await Ceilings(store).lowered("wf_test", None, said.append) == 1
    assert said and "no route to host" in said[0]


def answer(**given: Any) -> Message:
    usage = Usage(input_tokens=1000, output_tokens=500, usd=0.01)
    return Message(purpose="answer", content=[{"type": "text", "text": "so"}], at="", usage=usage, **given)


async def test_where_those_under_way_stand(store: Store) -> None:
    use = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}
    prompt = Message(purpose="prompt", content="Say something.", at="")
    using = answer().model_copy(update={"content": [use]})
    results = Message(purpose="tool_results", content=[{"type": "tool_result", "content": "x" * 2000}], at="")
    for agent, messages in {"a1": [prompt, using], "a2": [prompt, using, results]}.items():
        transcript = Transcript(store, folder_of("wf_test", agent))
        transcript.messages = messages
        await transcript.keep()
    standings = (await tell(store, "a1", "a2", "a3", run=1)).standings
    assert standings["a1"].paid == standings["a2"].paid == Cost(usd=0.01, tokens=1500, output_tokens=500)
    assert standings["a1"].coming == Cost()
    coming = standings["a2"].coming
    assert coming is not None and 2500 < coming.tokens - 32_000 < 2600 and coming.usd > 0.3
    assert (standings["a3"].paid, standings["a3"].coming) == (Cost(), None)
