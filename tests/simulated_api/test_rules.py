"""Rules: answers and faults on demand, as the real client meets them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import TextBlock, ToolUseBlock
from pydantic import ValidationError

from tenuto.worker.simulated_api import SimulatedApi

from .conftest import MODEL, Ask, Until


async def text(ask: Ask, prompt: str = "p", **params: Any) -> str:
    (block,) = (await ask(prompt, **params)).content
    assert isinstance(block, TextBlock)
    return block.text


async def test_the_first_matching_rule_decides(api: SimulatedApi, ask: Ask) -> None:
    api.control(
        rules=[
            {"match": {"prompt_contains": "red", "model": "claude-opus-5-5"}, "reply": {"text": "opus"}},
            {"match": {"prompt_regex": r"^r\w+$"}, "reply": {"text": "word"}},
            {"match": {"system_contains": "strict"}, "reply": {"json": {"ok": None}}},
        ]
    )
    assert await text(ask, "red", model="claude-opus-5-5") == "opus"
    assert await text(ask, "red") == "word"
    assert await text(ask, "blue", system="be strict") == '{"ok":null}'
    assert (await text(ask, "blue")).startswith("[simulated]")


async def test_times_and_nth_count_per_rule(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"match": {"nth": 2}, "reply": {"text": "2nd"}}, {"times": 2, "reply": {"text": "first"}}])
    assert [(await text(ask))[:5] for _ in range(4)] == ["first", "2nd", "first", "[simu"]
    assert [(rule["matched"], rule["applied"]) for rule in api.control()["rules"]] == [(4, 1), (2, 2)]


async def test_turn_and_last_message_are_matched_in_a_conversation(api: SimulatedApi, ask: Ask) -> None:
    api.control(
        rules=[
            {
                "match": {"turn": 1},
                "reply": {"text": "Let me look.", "tool_use": [{"name": "look", "input": {"at": 1}}]},
            },
            {"match": {"turn": 2, "last_contains": "sunny"}, "reply": {"text": "Take a hat."}},
        ]
    )
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    for stream in (False, True):
        first = await ask("Weather?", tools=tools, stream=stream)
        said, call = first.content
        assert isinstance(said, TextBlock)
        assert isinstance(call, ToolUseBlock)
        assert (call.input, first.stop_reason) == ({"at": 1}, "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
        spoken = [
            {"role": "user", "content": "Weather?"},
            first.to_param(),
            {"role": "user", "content": [result]},
        ]
        assert await text(ask, messages=spoken, tools=tools, stream=stream) == "Take a hat."


async def test_thinking_and_stop_reason_can_be_given(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"reply": {"thinking": "hmm", "text": "so", "stop_reason": "pause_turn"}}])
    for stream in (False, True):
        message = await ask(stream=stream)
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert message.content[0].thinking == "hmm"  # type: ignore[union-attr]
        assert message.stop_reason == "pause_turn"


@pytest.mark.parametrize(
    ("status", "error", "type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.PaymentRequiredError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (408, anthropic.RequestTimeoutError, "timeout_error"),
        (409, anthropic.ConflictError, "conflict_error"),
        (413, anthropic.ContentTooLargeError, "request_too_large"),
        (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.ServiceUnavailableError, "api_error"),
        (504, anthropic.GatewayTimeoutError, "timeout_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
    ],
)
async def test_every_status_can_be_demanded_for_the_first_requests(
    api: SimulatedApi, ask: Ask, status: int, error: type[anthropic.APIStatusError], type: str
) -> None:
    api.control(rules=[{"times": 2, "fault": {"status": status}}])
    for stream in (False, True):
        with pytest.raises(error) as caught:
            await ask(stream=stream)
        assert caught.value.type == type
        assert (
            caught.value.response.headers["x-should-retry"] == str(status in (408, 409, 429) or status >= 500).lower()
        )
    assert (await ask()).stop_reason == "end_turn"


async def test_a_429_names_its_wait_and_own_headers(api: SimulatedApi, ask: Ask) -> None:
    fault = {"status": 429, "retry_after": 7, "message": "slow down", "headers": {"x-should-retry": "false"}}
    api.control(rules=[{"fault": fault}])
    with pytest.raises(anthropic.RateLimitError, match="slow down") as caught:
        await ask()
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["x-should-retry"]) == ("7", "false")
    assert headers["anthropic-ratelimit-requests-limit"]


async def test_an_error_event_ends_a_stream_that_began_with_status_200(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"fault": {"sse_error": "overloaded_error", "sse_error_after_events": 3}}])
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as caught:
        await ask(stream=True)
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")
    with pytest.raises(anthropic.OverloadedError):
        await ask()
    assert [(record["status"], record["outcome"]) for record in api.requests()] == [(200, "error"), (529, "error")]


@pytest.mark.parametrize("events", [0, 1, 4])
async def test_a_cut_stream_is_a_broken_connection(api: SimulatedApi, client: AsyncAnthropic, events: int) -> None:
    """The SDK passes the transport's own error on: not every broken stream is an `anthropic` exception."""
    api.control(rules=[{"times": 1, "fault": {"cut_after_events": events}}])
    seen = []
    given: dict[str, Any] = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "p"}]}
    with pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        async for event in await client.messages.create(**given, stream=True):
            seen.append(event.type)
    assert len(seen) == max(0, events - (events > 2))  # the ping is not passed on
    assert api.requests()[0]["outcome"] == "cut"
    assert (await client.messages.create(**given)).stop_reason == "end_turn"


async def test_a_body_can_be_cut_too(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"fault": {"cut_after_events": 1}}])
    with pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        await ask()


async def test_a_stalled_stream_stays_silent_until_the_client_leaves(
    api: SimulatedApi, client: AsyncAnthropic, until: Until
) -> None:
    api.control(rules=[{"fault": {"stall_after_events": 4}}])
    given: dict[str, Any] = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "p"}]}
    stream = await client.messages.create(**given, stream=True)
    seen = [(await anext(stream)).type for _ in range(3)]
    assert seen == ["message_start", "content_block_start", "content_block_delta"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.2)
    assert api.summary()["in_flight"] == 1
    await stream.close()
    await until(lambda: not api.summary()["in_flight"])
    assert api.requests()[0]["outcome"] == "stalled"


async def test_pings_can_keep_a_stalled_stream_looking_alive(api: SimulatedApi) -> None:
    api.control(rules=[{"fault": {"stall_after_events": 1, "stall_pings_s": 0.01}}])
    body = {"model": MODEL, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "p"}]}
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    pings = 0
    async with (
        httpx2.AsyncClient() as http,
        http.stream("POST", f"{api.url}/v1/messages", json=body, headers=headers) as response,
    ):
        async for line in response.aiter_lines():
            pings += line == "event: ping"
            if pings == 3:
                break
    assert pings == 3


async def test_a_refusal_and_a_broken_off_answer_are_stop_reasons(api: SimulatedApi, ask: Ask) -> None:
    api.control(
        rules=[
            {"match": {"prompt_contains": "bad"}, "fault": {"refusal": True}},
            {"match": {"prompt_contains": "long"}, "fault": {"max_tokens": True}, "reply": {"json": {"a": "b" * 100}}},
        ]
    )
    for stream in (False, True):
        refused = await ask("bad", stream=stream)
        assert (refused.stop_reason, refused.content) == ("refusal", [])
        assert refused.stop_details is not None
        assert refused.stop_details.type == "refusal"
        broken = await ask("long", stream=stream)
        assert broken.stop_reason == "max_tokens"
        assert await text(ask, "long", stream=stream) == '{"a":"' + "b" * 46


async def test_a_delay_and_a_latency_of_a_rule_add_up(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"latency_s": 0.1, "fault": {"delay_s": 0.1}}])
    started = time.monotonic()
    await ask()
    assert 0.2 <= time.monotonic() - started < 5


async def test_a_client_that_leaves_during_the_latency_is_noted(api: SimulatedApi, ask: Ask, until: Until) -> None:
    api.control(latency_s=30)
    waiting = asyncio.create_task(ask(stream=True))
    await until(lambda: bool(api.summary()["in_flight"]))
    waiting.cancel()
    await until(lambda: not api.summary()["in_flight"])
    assert api.requests()[0]["outcome"] == "gone"


async def test_limits_are_token_buckets_that_answer_429(api: SimulatedApi, ask: Ask) -> None:
    api.control(limits={"requests": 2, "input_tokens": 1000})
    await ask("x" * 40)
    await ask("x" * 40)
    with pytest.raises(anthropic.RateLimitError, match="2 requests per minute") as caught:
        await ask("x" * 40)
    headers = caught.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 30
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert headers["anthropic-ratelimit-input-tokens-limit"] == "1000"
    assert 980 <= int(headers["anthropic-ratelimit-input-tokens-remaining"]) <= 1000


async def test_reset_forgets_everything(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"reply": {"text": "t"}}], latency_s=0.01, api_keys=["key-one"], limits={"requests": 9})
    await ask()
    state = api.control(reset=True)
    assert (state["rules"], state["latency_s"], state["api_keys"]) == ([], 0.0, [])
    assert state["limits"]["requests"] is None
    assert api.requests() == []
    assert api.usage()["completed"]["requests"] == 0


@pytest.mark.parametrize(
    "settings", [{"rule": []}, {"rules": [{"fault": {"status": 200}}]}, {"rules": [{"match": {"prompt_regex": "("}}]}]
)
async def test_a_setting_that_is_none_is_refused(api: SimulatedApi, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        api.control(**settings)
    async with httpx2.AsyncClient() as http:
        response = await http.post(f"{api.url}/_control", json=settings)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
