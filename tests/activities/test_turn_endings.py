"""How a turn may end, each way a case of its own: refusal, output limit, pause, a full window, a stall."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tenuto.activities.agent import AgentActivities
from tenuto.activities.credentials import Credentials
from tenuto.activities.errors import StreamBroken
from tenuto.activities.streaming import Response, _Reading

from .conftest import Stage
from .tool_play import Counting, Played


@pytest.fixture
async def armed(stage: Stage, tmp_path: Path) -> AsyncIterator[tuple[Stage, Counting]]:
    """A stage whose agents have one tool."""

    async def simulated_url() -> str:
        return stage.api.url

    tool = Counting("Look")
    played = Played(stage.store, tmp_path, [tool])
    activities = AgentActivities(stage.store, Credentials(tmp_path, stage.environ), simulated_url, played)
    yield Stage(stage.store, stage.api, stage.home, stage.environ, activities, stage.beats), tool
    await activities.close()


def look(n: int) -> dict[str, Any]:
    return {"name": "Look", "input": {"n": n}}


LONG = {"name": "Look", "input": {"n": 1, "why": "because " * 100}}


async def test_half_a_call_at_the_output_limit_is_not_made_and_the_model_is_told(
    armed: tuple[Stage, Counting],
) -> None:
    stage, tool = armed
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "fault": {"max_tokens": True}, "reply": {"text": "I look.", "tool_use": [LONG]}},
            {"match": {"last_contains": "Your call of Look was cut off"}, "reply": {"tool_use": [look(2)]}},
            {"reply": {"text": "seen"}},
        ]
    )
    assert (await stage.run()).value == "seen"
    assert [call.input for call in tool.calls] == [{"n": 2}]
    first = (await stage.turns())[1]
    assert [block["type"] for block in first["content"]] == ["text"]
    assert first["cut_tool_use"] == "Look"


async def test_whole_calls_before_the_half_one_are_made(armed: tuple[Stage, Counting]) -> None:
    stage, tool = armed
    uses = [look(1), look(2), LONG]
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "fault": {"max_tokens": True}, "reply": {"tool_use": uses}},
            {"match": {"last_contains": "Your call of Look was cut off"}, "reply": {"text": "I know"}},
        ]
    )
    assert (await stage.run()).value == "I know"
    assert [call.input["n"] for call in tool.calls] == [1, 2]


async def test_an_answer_that_begins_with_half_a_call_has_nothing_to_send_back(armed: tuple[Stage, Counting]) -> None:
    stage, tool = armed
    stage.api.control(
        rules=[
            {"match": {"nth": 1}, "fault": {"max_tokens": True}, "reply": {"tool_use": [LONG]}},
            {"reply": {"text": "fine"}},
        ]
    )
    assert (await stage.run()).value == "fine"
    assert not tool.calls


async def test_a_call_that_never_fits_ends_the_agent(armed: tuple[Stage, Counting]) -> None:
    stage, tool = armed
    stage.api.control(rules=[{"fault": {"max_tokens": True}, "reply": {"tool_use": [LONG]}}])
    with pytest.raises(ApplicationError, match="unfinished at max_tokens after 6 attempts") as raised:
        await stage.run()
    assert raised.value.type == "max_tokens"
    assert not tool.calls


async def test_a_cut_call_does_not_count_as_an_answer_that_misses_the_schema(armed: tuple[Stage, Counting]) -> None:
    stage, _tool = armed
    cut = {"fault": {"max_tokens": True}, "reply": {"tool_use": [LONG]}}
    stage.api.control(rules=[{**cut, "times": 5}, {"reply": {"json": {"ok": True}}}])
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    assert (await stage.run(output_schema=schema)).value == {"ok": True}


async def test_a_refusal_makes_no_call(armed: tuple[Stage, Counting]) -> None:
    stage, tool = armed
    stage.api.control(rules=[{"reply": {"tool_use": [look(1)], "stop_reason": "refusal"}}])
    with pytest.raises(ApplicationError) as raised:
        await stage.run()
    assert raised.value.type == "refusal"
    assert not tool.calls


async def test_a_paused_turn_is_taken_up_where_it_paused(armed: tuple[Stage, Counting]) -> None:
    stage, _tool = armed
    search = {"name": "web_search", "input": {"query": "q"}, "pending": True}
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"server_tool_use": [search], "text": "", "stop_reason": "pause_turn"}},
            {"reply": {"text": "found"}},
        ]
    )
    assert (await stage.run()).value.endswith("found")
    assert [record["status"] for record in stage.api.requests()] == [200, 200]


async def test_results_of_the_apis_own_tools_go_back_as_they_came(armed: tuple[Stage, Counting]) -> None:
    stage, tool = armed
    search = {"name": "web_search", "input": {"query": "q"}, "results": [{"url": "https://x.test/", "title": "X"}]}
    fetch = {"name": "web_fetch", "input": {"url": "https://x.test/"}, "text": "the page"}
    broken = {"name": "web_fetch", "input": {"url": "https://y.test/"}, "error": "url_not_accessible"}
    reply = {"server_tool_use": [search, fetch, broken], "text": "I searched.", "tool_use": [look(1)]}
    stage.api.control(rules=[{"script": [reply, {"text": "done"}]}])
    assert (await stage.run()).value == "done"
    content = (await stage.turns())[1]["content"]
    assert [block["type"] for block in content] == [
        *("server_tool_use", "web_search_tool_result", "server_tool_use", "web_fetch_tool_result"),
        *("server_tool_use", "web_fetch_tool_result", "text", "tool_use"),
    ]
    assert content[0]["input"] == {"query": "q"}
    assert content[1]["content"][0]["title"] == "X"
    assert len(tool.calls) == 1


async def test_searches_are_in_the_dollars(armed: tuple[Stage, Counting]) -> None:
    stage, _tool = armed
    stage.api.control(rules=[{"reply": {"server_tool_use": [{"name": "web_search"}] * 3, "text": "found"}}])
    result = await stage.run()
    assert result.usage.usd == pytest.approx(0.03, abs=0.005)


async def test_thoughts_go_back_unchanged(armed: tuple[Stage, Counting]) -> None:
    """The API refuses a conversation whose thinking was changed or left out."""
    stage, tool = armed
    think = [{"thinking": f"thought {n}", "tool_use": [look(n)]} for n in range(4)]
    stage.api.control(rules=[{"script": [*think, {"text": "thought through"}]}])
    assert (await stage.run()).value == "thought through"
    assert len(tool.calls) == 4


# ------------------------------------------------------------------------------------------- folding of events


def fold(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], stop_reason: str, stopped: bool = True) -> Response:
    reading = _Reading(Response())
    reading.take({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}})
    for index, (block, deltas) in enumerate(blocks):
        reading.take({"type": "content_block_start", "index": index, "content_block": block})
        for delta in deltas:
            reading.take({"type": "content_block_delta", "index": index, "delta": delta})
        if stopped or index < len(blocks) - 1:
            reading.take({"type": "content_block_stop", "index": index})
    reading.take({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 2}})
    reading.take({"type": "message_stop"})
    return reading.response


def call(text: str, name: str = "Bash") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    block = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    return block, [{"type": "input_json_delta", "partial_json": text}]


@pytest.mark.parametrize("text", ['{"command": "rm -rf /tmp/a', "", "{}", '{"command": "ls"}'])
@pytest.mark.parametrize("stopped", [True, False])
def test_the_last_call_of_an_answer_that_reached_its_limit_is_left_out(text: str, *, stopped: bool) -> None:
    """Even where its input so far is JSON: nobody knows what was to follow."""
    said: tuple[dict[str, Any], list[dict[str, Any]]] = ({"type": "text", "text": "a"}, [])
    response = fold(said, call("{}", "Read"), call(text), stop_reason="max_tokens", stopped=stopped)
    assert [block.get("name") for block in response.content] == [None, "Read"]
    assert response.cut_tool_use == "Bash"


def test_a_call_that_is_no_json_without_a_limit_is_a_broken_stream() -> None:
    with pytest.raises(StreamBroken, match="not JSON"):
        fold(call('{"a'), stop_reason="tool_use")
    with pytest.raises(StreamBroken, match="not JSON"):
        fold(call('{"a'), call("{}"), stop_reason="max_tokens")


def test_a_compaction_is_folded_whole() -> None:
    delta = {"type": "compaction_delta", "content": "so far", "encrypted_content": "opaque"}
    response = fold(({"type": "compaction", "content": None}, [delta]), stop_reason="end_turn")
    assert response.content == [{"type": "compaction", "content": "so far", "encrypted_content": "opaque"}]
