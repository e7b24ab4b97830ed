"""Context editing and compaction, as the documentation describes them and the real client asks for them."""

from __future__ import annotations

import time
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tenuto.worker.simulated_api import SimulatedApi

from .conftest import MODEL

COMPACT = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
CLEAR = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "input_tokens", "value": 20_000},
    "keep": {"type": "tool_uses", "value": 2},
}
BETAS = ["compact-2026-01-12", "context-management-2025-06-27"]
TOOLS = [{"name": "Read", "input_schema": {"type": "object"}}]


def conversation(turns: int, chars: int = 40_000) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for turn in range(turns):
        use = {"type": "tool_use", "id": f"t{turn}", "name": "Read", "input": {"n": turn}}
        result = {"type": "tool_result", "tool_use_id": f"t{turn}", "content": "r" * chars}
        said.append({"role": "assistant", "content": [use]})
        said.append({"role": "user", "content": [result]})
    return said


async def ask(client: AsyncAnthropic, *edits: dict[str, Any], stream: bool = False, **given: Any) -> Any:
    params: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4096,
        "tools": TOOLS,
        "betas": BETAS,
        "context_management": {"edits": list(edits)},
        **given,
    }
    if not stream:
        return await client.beta.messages.create(**params)
    async with client.beta.messages.stream(**params) as events:
        return await events.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_old_tool_results_are_cleared_counted_and_reported(client: AsyncAnthropic, stream: bool) -> None:
    message = await ask(client, CLEAR, messages=conversation(5), stream=stream)
    (applied,) = message.context_management.applied_edits
    assert (applied.type, applied.cleared_tool_uses) == (CLEAR["type"], 3)
    assert applied.cleared_input_tokens == pytest.approx(30_000, rel=0.01)
    assert message.usage.input_tokens == pytest.approx(20_000, rel=0.02)


async def test_below_the_trigger_or_for_too_little_nothing_is_cleared(client: AsyncAnthropic) -> None:
    few = await ask(client, CLEAR, messages=conversation(1))
    assert few.context_management.applied_edits == []
    at_least = {**CLEAR, "clear_at_least": {"type": "input_tokens", "value": 60_000}}
    assert (await ask(client, at_least, messages=conversation(5))).context_management.applied_edits == []
    spared = {**CLEAR, "exclude_tools": ["Read"]}
    assert (await ask(client, spared, messages=conversation(5))).context_management.applied_edits == []


@pytest.mark.parametrize("stream", [False, True])
async def test_past_the_trigger_the_conversation_is_compacted(
    api: SimulatedApi, client: AsyncAnthropic, stream: bool
) -> None:
    api.control(rules=[{"reply": {"text": "on with it"}}])
    said = conversation(6)
    message = await ask(client, COMPACT, messages=said, stream=stream)
    block, words = message.content
    assert (block.type, words.text) == ("compaction", "on with it")
    assert message.usage.input_tokens < 1000
    assert [part.type for part in message.usage.iterations] == ["compaction", "message"]
    assert message.usage.iterations[0].input_tokens > 60_000
    billed = api.usage()["completed"]
    assert billed["input_tokens"] == message.usage.input_tokens + message.usage.iterations[0].input_tokens
    said += [message.to_dict() | {"role": "assistant"}, {"role": "user", "content": "next"}]
    said[-2] = {"role": "assistant", "content": [part.to_dict() for part in message.content]}
    again = await ask(client, COMPACT, messages=said, stream=stream)
    assert [part.type for part in again.content] == ["text"]
    assert again.usage.input_tokens < 1000


async def test_turns_are_counted_through_a_compaction_with_or_without_what_was_before_it(
    api: SimulatedApi, client: AsyncAnthropic
) -> None:
    api.control(rules=[{"script": [{"text": f"turn {n}"} for n in range(1, 20)]}])
    said = conversation(6)
    message = await ask(client, COMPACT, messages=said)
    assert message.content[1].text == "turn 7"
    tail = [
        {"role": "assistant", "content": [part.to_dict() for part in message.content]},
        {"role": "user", "content": "next"},
    ]
    for whole in ([*said, *tail], [said[0], *tail], tail):
        assert (await ask(client, COMPACT, messages=whole)).content[0].text == "turn 8"


async def test_a_compaction_on_demand_is_as_silent_as_it_is_told_to_be(
    api: SimulatedApi, client: AsyncAnthropic
) -> None:
    api.control(rules=[{"reply": {"text": "t", "compaction": "what was", "compaction_s": 0.3}}])
    started = time.monotonic()
    message = await ask(client, COMPACT, messages=conversation(1, chars=10), stream=True)
    assert (message.content[0].content, time.monotonic() - started >= 0.3) == ("what was", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"betas": []}, "context_management: Extra inputs are not permitted"),
        ({"betas": BETAS[1:]}, "Input tag 'compact_20260112' does not match"),
        ({"model": "claude-haiku-4-5"}, "`compact_20260112` is not supported on this model"),
        ({"context_management": {"edits": [{"type": "forget"}]}}, "Input tag 'forget'"),
        ({"context_management": {"edits": [{**COMPACT, "keep": 3}]}}, "keep: Extra inputs are not permitted"),
        ({"context_management": {"edits": [COMPACT, COMPACT]}}, "each strategy may be given once"),
        (
            {"context_management": {"edits": [{**COMPACT, "trigger": {"type": "input_tokens", "value": 10}}]}},
            "greater than or equal to 50000",
        ),
    ],
)
async def test_what_is_refused(client: AsyncAnthropic, change: dict[str, Any], words: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        await ask(client, COMPACT, **{"messages": conversation(1), **change})


async def test_a_platform_without_a_beta_refuses_it(api: SimulatedApi, client: AsyncAnthropic) -> None:
    api.control(refused_betas=["compact-2026-01-12"])
    with pytest.raises(anthropic.BadRequestError, match="Unexpected value"):
        await ask(client, CLEAR, messages=conversation(1))
    block = {"type": "compaction", "content": "was"}
    said = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [block]},
        {"role": "user", "content": "n"},
    ]
    with pytest.raises(anthropic.BadRequestError, match="Input tag 'compaction'"):
        await ask(client, CLEAR, messages=said, betas=BETAS[1:])


async def test_the_window_can_be_made_small(api: SimulatedApi, client: AsyncAnthropic) -> None:
    api.control(context_tokens_max=30_000, rules=[{"reply": {"text": "t" * 40_000}}])
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: 4\d+ tokens > 30000 maximum"):
        await ask(client, messages=conversation(4))
    full = await ask(client, messages=conversation(2, chars=50_000), max_tokens=20_000)
    assert full.stop_reason == "model_context_window_exceeded"
    assert full.usage.input_tokens + full.usage.output_tokens == 30_000


async def test_without_caching_every_token_is_billed_in_full(api: SimulatedApi, client: AsyncAnthropic) -> None:
    api.control(caching=False)
    system = [{"type": "text", "text": "s" * 8000, "cache_control": {"type": "ephemeral"}}]
    for _ in range(2):
        usage = (await ask(client, messages=conversation(0), system=system)).usage
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)
        assert usage.input_tokens > 2000
