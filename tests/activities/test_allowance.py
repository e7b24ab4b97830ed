"""A conversation never sends a request whose worst case does not fit into what it may spend."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from tenuto.activities import prices
from tenuto.activities.worst_case import IMAGE_TOKENS, input_of, tokens_most, usd_most
from tenuto.worker.simulated_api.cache import count_request
from tenuto.workflows.contracts import AgentProgress, Usage
from tenuto.workflows.share_contracts import AgentFailureDetails, Share

from .conftest import MODEL, Stage

LONG = "word " * 1600
"""2,000 tokens."""


async def stopped(stage: Stage, **given: Any) -> AgentFailureDetails:
    """What a conversation says that needs a larger share."""
    with pytest.raises(ApplicationError) as raised:
        await stage.run(**given)
    assert (raised.value.type, raised.value.non_retryable) == ("share", True)
    details: AgentFailureDetails = raised.value.details[0]
    return details


async def test_a_share_without_room_for_an_ordinary_answer_is_given_back_unused(stage: Stage) -> None:
    details = await stopped(stage, share=Share(usd=0.02))
    ask = details.ask
    assert ask is not None
    assert stage.api.requests() == [] and details.usage == Usage()
    assert 0.01 < ask.floor.usd < 0.02 < 0.04 < ask.least.usd < 0.32 < ask.most.usd
    assert (ask.floor.output_tokens, ask.least.output_tokens) == (1024, 4096)


async def test_what_was_given_for_the_next_request_is_used_however_little(stage: Stage) -> None:
    result = await stage.run(share=Share(usd=0.02, renewed=1))
    assert 0 < result.usage.usd <= 0.02


@pytest.mark.parametrize("share", [Share(usd=0.045), Share(tokens=6000), Share(output_tokens=4500)])
async def test_an_answer_ends_at_what_is_left_and_the_agent_goes_on_with_more(stage: Stage, share: Share) -> None:
    stage.api.control(rules=[{"match": {"turn": 1}, "reply": {"text": "x" * 40_000}}, {"reply": {"text": " the end"}}])
    details = await stopped(stage, share=share)
    usage = details.usage
    assert len(stage.api.requests()) == 1 and usage.output_tokens > 3000
    assert share.usd is None or usage.usd <= share.usd
    assert share.tokens is None or usage.tokens <= share.tokens
    assert share.output_tokens is None or usage.output_tokens <= share.output_tokens
    assert details.ask is not None and details.ask.floor.output_tokens > 12_000  # it was cut off: not so short again
    more = Share(usd=5.0, renewed=1, paid_tokens=usage.tokens)
    result = await stage.run(share=more)
    assert len(stage.api.requests()) == 2
    assert result.value.endswith(" the end") and result.value.startswith("xxx")
    assert result.usage.tokens == sum(map(_billed, stage.api.requests()))


def _billed(request: dict[str, Any]) -> int:
    return sum(prices.tokens(request["usage"]).values())


async def test_a_model_without_a_price_fails_where_a_ceiling_in_dollars_holds(stage: Stage) -> None:
    with pytest.raises(ApplicationError, match="price of the model 'claude-new' is not known") as raised:
        await stage.run(model="claude-new", share=Share(usd=5.0))
    assert raised.value.type == "budget"


async def test_an_answer_that_broke_off_counts_against_the_share_and_is_told(stage: Stage) -> None:
    stage.api.control(rules=[{"times": 1, "reply": {"text": LONG}, "fault": {"cut_after_events": 30}}])
    with pytest.raises(ApplicationError) as raised:
        await stage.run(share=Share(usd=0.1))
    assert raised.value.type == "connection"
    told = stage.beats[-1].lost
    assert told is not None and told.tokens > 0 and told.usd > 0
    environment = stage.environment(2)
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[stage.beats[-1]])
    result = await environment.run(stage.activities.run_agent, stage.input(share=Share(usd=0.1)))
    assert result.lost == told
    assert result.usage.output_tokens == stage.api.usage()["completed"]["output_tokens"]


@pytest.mark.parametrize(("turns", "counted"), [(0, True), (1, False)])
async def test_what_was_coming_when_a_worker_died_is_lost_unless_it_is_in_the_conversation(
    stage: Stage, turns: int, counted: bool
) -> None:
    coming = Usage(input_tokens=100, output_tokens=7, usd=0.001)
    before = AgentProgress(turns=turns - 1 if turns else 0, under_way=coming)
    if turns:
        await stage.run()  # its answer was kept, and with it the record; the end of the attempt was never told
    environment = stage.environment(2)
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[before])
    result = await environment.run(stage.activities.run_agent, stage.input())
    assert (result.lost == coming) is counted


@pytest.mark.parametrize("ended", [True, False])
async def test_a_request_that_a_lost_worker_may_have_sent_counts_against_the_share(stage: Stage, ended: bool) -> None:
    environment = stage.environment(2)
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[AgentProgress(ended=ended)])
    given = stage.input(share=Share(usd=0.06))
    if ended:
        assert (await environment.run(stage.activities.run_agent, given)).lost is None
        return
    with pytest.raises(ApplicationError) as raised:
        await environment.run(stage.activities.run_agent, given)
    details = raised.value.details[0]
    assert raised.value.type == "share" and stage.api.requests() == []
    assert 0.04 < details.lost.usd <= 0.06 and details.lost.output_tokens == 4096


TEXTS = st.text(max_size=300)


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=4), st.booleans())
def test_the_worst_case_is_never_less_than_what_the_api_counts(
    system: str, prompt: str, results: list[str], structured: bool
) -> None:
    blocks = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": text} for n, text in enumerate(results)]
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 500,
        "system": [{"type": "text", "text": system}],
        "messages": [{"role": "user", "content": prompt}, {"role": "user", "content": [*blocks]}],
    }
    if structured:
        request["output_config"] = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    counted = count_request(request)
    input = input_of(request, None, ())
    assert input.tokens >= counted
    assert tokens_most(input, 500) >= counted + 500
    most = usd_most(MODEL, input, 500)
    assert most is not None
    for split in ({"input_tokens": counted}, {"input_tokens": 0, "cache_creation_input_tokens": counted}):
        assert most >= (prices.cost(MODEL, {**split, "output_tokens": 500}) or 0.0)


def test_a_picture_counts_as_one_whatever_its_bytes() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4_000_000}}
    request = {"messages": [{"role": "user", "content": [image]}]}
    assert IMAGE_TOKENS <= input_of(request, None, ()).tokens < IMAGE_TOKENS + 100


def test_a_conversation_is_counted_on_from_what_the_api_counted() -> None:
    request = {"messages": [{"role": "user", "content": "x" * 100_000}, {"role": "user", "content": "abc"}]}
    assert input_of(request, 25_000, [{"role": "user", "content": "abc"}]).tokens < 25_020
