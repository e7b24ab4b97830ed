"""Prompt caching: which input is read from the cache, written to it, or neither."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Usage

from tenuto.worker.simulated_api import SimulatedApi
from tenuto.worker.simulated_api.cache import PromptCache
from tenuto.worker.simulated_api.conversation import Conversation

from .conftest import MODEL, Ask

MARK = {"type": "ephemeral"}
SHARED = [{"type": "text", "text": "s" * 8000, "cache_control": MARK}]


def split(usage: Usage) -> tuple[int | None, int | None, int]:
    return usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens


async def test_a_marked_prefix_is_written_once_and_then_read(ask: Ask) -> None:
    first, second = await ask("a" * 40, system=SHARED), await ask("b" * 80, system=SHARED, stream=True)
    assert split(first.usage) == (0, 2000, 10)
    assert split(second.usage) == (2000, 0, 20)


async def test_without_a_mark_nothing_is_cached(api: SimulatedApi, ask: Ask) -> None:
    for _ in range(2):
        assert split((await ask("a" * 40, system="s" * 8000)).usage) == (0, 0, 2010)
    assert api.control()["cache_entries"] == 0


@pytest.mark.parametrize(
    ("model", "minimum"), [("claude-sonnet-5-5", 1024), ("claude-opus-5-5", 512), ("claude-haiku-4-5", 4096)]
)
async def test_a_prefix_under_the_models_minimum_is_not_cached(ask: Ask, model: str, minimum: int) -> None:
    for tokens, written in ((minimum - 1, 0), (minimum, minimum)):
        system = [{"type": "text", "text": "s" * 4 * tokens, "cache_control": MARK}]
        usage = (await ask("q", model=model, system=system)).usage
        assert usage.cache_creation_input_tokens == written


async def test_an_automatic_mark_moves_along_with_the_conversation(ask: Ask) -> None:
    said: list[dict[str, Any]] = [{"role": "user", "content": "u" * 8000}]
    first = await ask(messages=said, cache_control=MARK)
    said += [{"role": "assistant", "content": "a" * 400}, {"role": "user", "content": "v" * 400}]
    second = await ask(messages=said, cache_control=MARK)
    said += [{"role": "assistant", "content": "a" * 400}, {"role": "user", "content": "w" * 400}]
    third = await ask(messages=said, cache_control=MARK)
    assert split(first.usage) == (0, 2000, 0)
    assert split(second.usage) == (2000, 200, 0)
    assert split(third.usage) == (2200, 200, 0)


async def test_the_entry_exists_only_once_the_response_has_begun(api: SimulatedApi, ask: Ask) -> None:
    """Siblings that start together all pay for the prefix; a refused request leaves no entry."""
    api.control(latency_s=0.1)
    together = await asyncio.gather(*(ask(f"q{n}", system=SHARED) for n in range(3)))
    assert [answer.usage.cache_creation_input_tokens for answer in together] == [2000] * 3
    api.control(reset=True, rules=[{"times": 1, "fault": {"status": 529}}])
    with pytest.raises(Exception, match="Overloaded"):
        await ask("q", system=SHARED)
    assert (await ask("q", system=SHARED)).usage.cache_creation_input_tokens == 2000


async def test_another_credential_model_tool_or_schema_is_another_prefix(api: SimulatedApi, ask: Ask) -> None:
    await ask("q", system=SHARED)
    tool = {"name": "look", "input_schema": {"type": "object"}}
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    form = {"format": {"type": "json_schema", "schema": schema}}
    changes: list[dict[str, Any]] = [{"model": "claude-opus-5-5"}, {"tools": [tool]}, {"output_config": form}]
    for change in changes:
        assert (await ask("q", system=SHARED, **change)).usage.cache_read_input_tokens == 0
    async with AsyncAnthropic(base_url=api.url, api_key="key-two", max_retries=0) as other:
        given: dict[str, Any] = {"model": MODEL, "max_tokens": 9, "system": SHARED}
        answer = await other.messages.create(**given, messages=[{"role": "user", "content": "q"}])
    assert answer.usage.cache_read_input_tokens == 0
    assert (await ask("q", system=SHARED)).usage.cache_read_input_tokens == 2000


def conversation(*blocks: dict[str, Any]) -> Conversation:
    return Conversation.of({"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": list(blocks)}]})


def block(text: str, **mark: str) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"cache_control": {"type": "ephemeral", **mark}} if mark else {})}


def test_an_entry_expires_five_minutes_or_an_hour_after_its_last_use() -> None:
    clock = [0.0]
    cache = PromptCache(lambda: clock[0])

    def read(asked: Conversation, at: float) -> int:
        clock[0] = at
        usage = cache.account("key", asked)
        usage.begun()
        return usage.cache_read

    short, long = conversation(block("s" * 8000, ttl="5m")), conversation(block("l" * 8000, ttl="1h"))
    assert [read(short, at) for at in (0, 299, 598, 899)] == [0, 2000, 2000, 0]
    assert [read(long, at) for at in (1000, 4599, 8198, 11799)] == [0, 2000, 2000, 0]
    assert cache.account("key", conversation(block("l" * 8000, ttl="1h"))).cache_read == 2000


def test_the_two_lifetimes_are_told_apart_and_all_classes_add_up() -> None:
    cache = PromptCache(lambda: 0.0)
    asked = conversation(block("a" * 8000, ttl="1h"), block("b" * 4000, ttl="5m"), block("c" * 400))
    usage = cache.account("key", asked)
    assert (usage.cache_write_1h, usage.cache_write_5m, usage.input_tokens) == (2000, 1000, 100)
    assert usage.total == 3100
    details = usage.as_usage(7)["cache_creation"]
    assert details == {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}


def test_a_mark_looks_back_twenty_blocks_and_no_further() -> None:
    cache = PromptCache(lambda: 0.0)
    cache.account("key", conversation(block("a" * 8000, ttl="5m"))).begun()
    for more, read in ((19, 2000), (20, 0)):
        rest = [block(f"{n}") for n in range(more - 1)]
        usage = cache.account("key", conversation(block("a" * 8000), *rest, block("end", ttl="5m")))
        assert usage.cache_read == read
