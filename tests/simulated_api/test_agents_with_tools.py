"""Playing an agent with tools: scripts, parallel calls, the API's own tools, thinking, and what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from pydantic import ValidationError

from tenuto.worker.simulated_api import SimulatedApi

from .conftest import MODEL, Ask

READ = {"name": "Read", "description": "reads", "input_schema": {"type": "object"}}
BASH = {"name": "Bash", "description": "runs", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
USER = {"role": "user", "content": "go"}


def use(id: str, name: str = "Read") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": {}}


def result(id: str, text: str = "r") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": text}


def says(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize("stream", [False, True])
async def test_one_rule_plays_a_whole_agent(api: SimulatedApi, ask: Ask, stream: bool) -> None:
    script = [
        {"text": "I look.", "tool_use": [{"name": "Read", "input": {"n": 1}}, {"name": "Read", "input": {"n": 2}}]},
        {"tool_use": [{"name": "Bash", "input": {"command": "make test"}}]},
        {"text": "The suite says: {last}", "templates": True},
    ]
    api.control(rules=[{"match": {"prompt_contains": "go"}, "script": script}])
    said: list[Any] = [USER]
    for calls in (["Read", "Read"], ["Bash"]):
        message = await ask(messages=said, tools=[READ, BASH], stream=stream)
        uses = [block for block in message.content if block.type == "tool_use"]
        assert ([block.name for block in uses], message.stop_reason) == (calls, "tool_use")
        said += [message.to_param(), user(*(result(block.id, f"{block.name} ok {{last}}") for block in uses))]
    last = await ask(messages=said, tools=[READ, BASH], stream=stream)
    assert last.content[0].text == "The suite says: Bash ok {last}"  # type: ignore[union-attr]
    assert last.stop_reason == "end_turn"


async def test_the_last_reply_of_a_script_repeats_and_templates_reach_into_inputs(api: SimulatedApi, ask: Ask) -> None:
    call = {"name": "Bash", "input": {"command": "echo {prompt}", "more": ["{turn}"]}}
    api.control(rules=[{"script": [{"tool_use": [call], "templates": True}, {"text": "{last}"}]}])
    first = await ask("hello", tools=[BASH])
    assert first.content[0].input == {"command": "echo hello", "more": ["1"]}  # type: ignore[union-attr]
    for said in ([USER, says(text("a")), USER], [USER, says(text("a")), USER, says(text("b")), USER]):
        assert (await ask(messages=said)).content[0].text == "{last}"  # type: ignore[union-attr]


def test_a_rule_has_a_reply_or_a_script() -> None:
    with pytest.raises(ValidationError, match="not both"):
        SimulatedApi().control(rules=[{"reply": {"text": "a"}, "script": [{"text": "b"}]}])


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([USER, says(use("a"), use("b")), user(result("a"))], "without `tool_result` blocks immediately after: b"),
    ([USER, says(use("a")), user(text("hm"), result("a"))], "without `tool_result` blocks immediately after: a"),
    ([USER, says(use("a")), user(result("a"), result("a"))], "each tool_use must have a single result"),
    ([USER, says(use("a")), user(result("a")), says(use("a")), user(result("a"))], "ids must be unique"),
    ([USER, says(use("a b")), user(result("a b"))], "String should match pattern"),
    ([USER, says({"type": "tool_use", "name": "Read", "input": {}}), USER], "tool_use.id: Field required"),
    ([USER, says({**use("a"), "input": "x"}), user(result("a"))], "tool_use.input: Input should be a valid dictionary"),
    ([USER, says(use("a"))], "without `tool_result` blocks immediately after: a"),
    (
        [USER, says({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}), USER],
        "`web_search` tool use with id `s` was found without a corresponding `web_search_tool_result` block",
    ),
    (
        [USER, says({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}), USER],
        "unexpected `tool_use_id` found in `web_search_tool_result` blocks: s",
    ),
    (
        [USER, says({"type": "thinking", "thinking": "hm", "signature": "forged"}), USER],
        r"messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
]


@pytest.mark.parametrize(("messages", "words"), REFUSED)
async def test_conversations_that_the_api_refuses(ask: Ask, messages: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words.replace("(", r"\(")):
        await ask(messages=messages, tools=[READ])


@pytest.mark.parametrize(
    "messages",
    [
        [USER, says(use("a"), use("b")), user(result("b"), result("a"), text("go on"))],
        [USER, says(use("a"), use("b")), user(result("a")), user(result("b")), user(text("go on"))],
        [USER, says(text("I call")), says(use("a")), user(result("a"))],
    ],
)
async def test_results_in_any_order_and_over_several_messages_are_taken(ask: Ask, messages: list[Any]) -> None:
    assert (await ask(messages=messages, tools=[READ])).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"type": "teleport"}, "Input tag 'teleport'"),
        ({"type": "web_search_20250305", "name": "search"}, "Input should be 'web_search'"),
        ({**READ, "description": 3}, "description: Input should be a valid string"),
        ({**READ, "input_schema": {"type": "object", "anyOf": []}}, "does not support oneOf, allOf, or anyOf"),
    ],
)
async def test_tools_that_the_api_refuses(ask: Ask, tool: dict[str, Any], words: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        await ask(tools=[tool])


@pytest.mark.parametrize("stream", [False, True])
async def test_server_tools_come_with_their_results_and_are_counted(api: SimulatedApi, ask: Ask, stream: bool) -> None:
    calls = [
        {"name": "web_search", "input": {"query": "q"}},
        {"name": "web_fetch", "input": {"url": "https://a.test/"}, "text": "the page"},
        {"name": "web_search", "input": {"query": "r"}, "error": "max_uses_exceeded"},
    ]
    api.control(rules=[{"match": {"turn": 1}, "reply": {"server_tool_use": calls, "text": "found"}}])
    message = await ask(tools=[SEARCH], stream=stream)
    assert [block.type for block in message.content[:2]] == ["server_tool_use", "web_search_tool_result"]
    used = message.usage.server_tool_use
    assert used is not None
    assert (used.web_search_requests, used.web_fetch_requests) == (2, 1)
    again = await ask(messages=[USER, message.to_param(), USER], tools=[SEARCH], stream=stream)
    assert again.stop_reason == "end_turn"


async def test_a_paused_turn_may_be_sent_back_as_the_last_message(api: SimulatedApi, ask: Ask) -> None:
    pending = {"name": "web_search", "input": {"query": "q"}, "pending": True}
    api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"server_tool_use": [pending], "text": "w", "stop_reason": "pause_turn"}}
        ]
    )
    paused = await ask(tools=[SEARCH])
    assert (await ask(messages=[USER, paused.to_param()], tools=[SEARCH])).stop_reason == "end_turn"


async def test_thinking_must_come_back_whole(api: SimulatedApi, ask: Ask) -> None:
    api.control(rules=[{"match": {"turn": 1}, "reply": {"thinking": "hm", "tool_use": [{"name": "Read"}]}}])
    thought, call = (block.to_dict() for block in (await ask(tools=[READ])).content)
    results = user(result(str(call["id"])))
    assert (await ask(messages=[USER, says(thought, call), results], tools=[READ])).content
    with pytest.raises(anthropic.BadRequestError, match="cannot be modified"):
        await ask(messages=[USER, says(call), results], tools=[READ])
    changed = {**thought, "thinking": "other"}
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        await ask(messages=[USER, says(changed, call), results], tools=[READ])


async def test_the_output_limit_may_fall_into_a_tool_call(api: SimulatedApi) -> None:
    reply = {"text": "I call.", "tool_use": [{"name": "Bash", "input": {"command": "c" * 400}}]}
    api.control(rules=[{"fault": {"max_tokens": True}, "reply": reply}])
    body = {"model": MODEL, "max_tokens": 4096, "stream": True, "messages": [USER], "tools": [BASH]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{api.url}/v1/messages", json=body, headers=headers)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    pieces = [event["delta"]["partial_json"] for event in events if event.get("delta", {}).get("partial_json")]
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads("".join(pieces))
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"


async def test_rules_can_be_given_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{"script": [{"text": "from the file"}]}]))
    module = [sys.executable, "-m", "tenuto.worker.simulated_api", "--rules"]
    serving = await asyncio.create_subprocess_exec(*module, str(file), stdout=asyncio.subprocess.PIPE)
    try:
        assert serving.stdout is not None
        url = (await asyncio.wait_for(serving.stdout.readline(), 20)).decode().strip()
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            message = await client.messages.create(model=MODEL, max_tokens=99, messages=[USER])  # type: ignore[list-item]
        assert message.content[0].text == "from the file"  # type: ignore[union-attr]
    finally:
        serving.terminate()
        await serving.wait()
    for content, words in (('[{"wrong": 1}]', b"wrong"), ("{", b"cannot be read")):
        file.write_text(content)
        failing = await asyncio.create_subprocess_exec(*module, str(file), stderr=asyncio.subprocess.PIPE)
        _, said = await failing.communicate()
        assert (failing.returncode, words in said, b"Traceback" in said) == (2, True, False)
