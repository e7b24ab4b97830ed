"""Answers of the simulated API, read by the real client."""

from __future__ import annotations

import asyncio
import time

from anthropic import AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent, TextBlock, ToolUseBlock
from anthropic.types.model_param import ModelParam
from httpx2 import AsyncClient
from pydantic import TypeAdapter

from tenuto.worker.simulated_api import SimulatedApi
from tenuto.worker.simulated_api.models import MODELS

from .conftest import MODEL, Ask

FORECAST = {
    "name": "forecast",
    "description": "The weather of a place",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["place", "days"],
    },
}


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


async def test_an_answer_is_short_marked_as_simulated_and_about_the_prompt(ask: Ask) -> None:
    message = await ask("Audit src/login.py for missing checks.\nBe thorough.")
    assert text_of(message).startswith("[simulated] ")
    assert "Audit src/login.py for missing checks" in text_of(message)
    assert message.stop_reason == "end_turn"


async def test_equal_requests_get_equal_answers_streamed_or_not_under_new_ids(ask: Ask) -> None:
    first, second, third = await ask("a"), await ask("a"), await ask("a", stream=True)
    assert text_of(first) == text_of(second) == text_of(third)
    assert first.usage == second.usage == third.usage
    assert len({first.id, second.id, third.id}) == 3


async def test_a_stream_is_the_events_of_the_documented_flow(api: SimulatedApi, client: AsyncAnthropic) -> None:
    """Each event also validates strictly against the SDK's own type; the SDK itself would accept less."""
    body = {"model": MODEL, "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    async with AsyncClient() as http:
        response = await http.post(f"{api.url}/v1/messages", json=body, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = [frame.split("\n") for frame in response.text.removesuffix("\n\n").split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in frames]
    start, begin, ping, *deltas, stop, delta, end = names
    assert (start, begin, ping) == ("message_start", "content_block_start", "ping")
    assert (stop, delta, end) == ("content_block_stop", "message_delta", "message_stop")
    assert set(deltas) == {"content_block_delta"}
    adapter: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    for name, data in frames:
        if name != "event: ping":
            assert adapter.validate_json(data.removeprefix("data: ")).type == name.removeprefix("event: ")


async def test_a_message_validates_against_the_clients_own_type(api: SimulatedApi) -> None:
    body = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": "Bearer token", "anthropic-version": "2023-06-01"}
    async with AsyncClient() as http:
        response = await http.post(f"{api.url}/v1/messages", json=body, headers=headers)
    message = Message.model_validate_json(response.content, strict=True)
    assert message.usage.input_tokens == 2


async def test_a_forced_tool_is_called_with_input_of_its_schema(ask: Ask) -> None:
    for stream in (False, True):
        message = await ask(
            "Weather?", stream=stream, tools=[FORECAST], tool_choice={"type": "tool", "name": "forecast"}
        )
        (block,) = message.content
        assert isinstance(block, ToolUseBlock)
        assert block.name == "forecast"
        assert set(block.input) == {"place", "days"}
        assert message.stop_reason == "tool_use"


async def test_a_tool_result_ends_in_a_text(ask: Ask) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "forecast", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
    conversation = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    message = await ask(messages=conversation, tools=[FORECAST])
    assert message.stop_reason == "end_turn"


async def test_max_tokens_and_stop_sequences_end_an_answer(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"reply": {"text": "One, two, three, four."}}])
    short = await ask(max_tokens=3)
    assert (short.stop_reason, text_of(short), short.usage.output_tokens) == ("max_tokens", "One, two, th", 3)
    stopped = await ask(stop_sequences=["four", "two"])
    assert (stopped.stop_reason, stopped.stop_sequence, text_of(stopped)) == ("stop_sequence", "two", "One, ")


async def test_no_tokens_asked_for_is_an_empty_answer(ask: Ask) -> None:
    for stream in (False, True):
        empty = await ask(max_tokens=0, stream=stream)
        assert (empty.content, empty.stop_reason, empty.usage.output_tokens) == ([], "max_tokens", 0)


async def test_every_model_of_the_client_is_served_and_no_other(client: AsyncAnthropic) -> None:
    known = next(part for part in ModelParam.__args__ if part is not str).__args__  # type: ignore[attr-defined]
    listed = [model.id async for model in client.models.list()]
    assert sorted(listed) == sorted(known) == sorted(MODELS)
    one = await client.models.retrieve("claude-opus-5-5")
    assert (one.display_name, one.line, one.max_tokens) == ("Claude Opus 5.5", "opus", 128_000)


async def test_tokens_are_counted_as_the_answer_then_charges_them(client: AsyncAnthropic, ask: Ask) -> None:
    counted = await client.messages.count_tokens(
        model=MODEL, system="s" * 400, messages=[{"role": "user", "content": "u" * 401}]
    )
    answered = await ask("u" * 401, system="s" * 400)
    assert counted.input_tokens == answered.usage.input_tokens == 100 + 101


async def test_latency_passes_before_the_first_byte_and_chunks_come_apart(api: SimulatedApi, ask: Ask) -> None:
    api.control(latency_s=0.2, chunk_s=0.01)
    started = time.monotonic()
    await ask(stream=True)
    assert time.monotonic() - started >= 0.2 + 6 * 0.01


async def test_many_at_once_are_all_answered(api: SimulatedApi, ask: Ask) -> None:
    api.control(latency_s=0.05)
    answers = await asyncio.gather(*(ask(f"question {n}", stream=True) for n in range(60)))
    assert all(f"question {n}" in text_of(answer) for n, answer in enumerate(answers))
    assert api.summary()["in_flight_max"] > 10
    assert api.summary()["completed"] == 60


async def test_large_requests_and_answers_pass_whole(api: SimulatedApi, ask: Ask) -> None:
    text = "é" * 300_000
    api.control(rules=[{"reply": {"text": text}}])
    answer = await ask("p" * 3_000_000, stream=True, max_tokens=128_000)
    assert text_of(answer) == text
    assert answer.usage.input_tokens == 750_000
