"""Where cache points go, and which prefix a request shares with its siblings."""

from __future__ import annotations

import json
from typing import Any

from tenuto.activities.prompt_cache import POINT, SystemPrompt, shared_prefix, with_cache_points
from tenuto.worker.simulated_api.cache import PromptCache
from tenuto.worker.simulated_api.conversation import Conversation

MODEL = "claude-sonnet-5-5"
SYSTEM = SystemPrompt(standing=["Stand.", "Project."], context=["one", "two"], own=["You are a tester."])
TOOLS = [{"name": "Read", "description": "reads", "input_schema": {"type": "object"}}]


def request(*messages: dict[str, Any], **given: Any) -> dict[str, Any]:
    said = list(messages) or [{"role": "user", "content": "go"}]
    return {"model": MODEL, "max_tokens": 99, "messages": said, "tools": TOOLS, **given}


def turn(number: int, calls: int) -> list[dict[str, Any]]:
    ids = [f"toolu_{number}_{index}" for index in range(calls)]
    uses = [{"type": "tool_use", "id": id, "name": "Read", "input": {}} for id in ids]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "r" * 400} for id in ids]
    return [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]


def marked(made: dict[str, Any]) -> list[tuple[str, int]]:
    """Place of every cache point: the list it is in, and which block of it."""
    found = [("system", index) for index, block in enumerate(made["system"]) if "cache_control" in block]
    for number, message in enumerate(made["messages"]):
        if isinstance(message["content"], list):
            found += [
                (f"message {number}", i) for i, block in enumerate(message["content"]) if "cache_control" in block
            ]
    return found


def test_each_text_is_a_block_and_what_is_shared_comes_first() -> None:
    made = with_cache_points(request(), SYSTEM, goes_on=False)
    assert [block["text"] for block in made["system"]] == ["Stand.", "Project.", "one", "two", "You are a tester."]
    assert marked(made) == [("system", 1), ("system", 3)]


def test_without_context_the_point_is_at_the_end_of_the_standing_instructions() -> None:
    made = with_cache_points(request(), SystemPrompt(["Stand."], [], ["own"]), goes_on=False)
    assert marked(made) == [("system", 0)]


def test_blank_texts_are_left_out() -> None:
    made = with_cache_points(request(), SystemPrompt(["Stand.", " "], ["", "\n"], [""]), goes_on=False)
    assert [block["text"] for block in made["system"]] == ["Stand."]
    assert "system" not in with_cache_points(request(), SystemPrompt([""]), goes_on=True)


def test_siblings_share_every_byte_up_to_the_end_of_the_context() -> None:
    one = with_cache_points(request({"role": "user", "content": "a"}), SYSTEM, goes_on=True)
    other = with_cache_points(
        request({"role": "user", "content": "b"}), SystemPrompt(SYSTEM.standing, SYSTEM.context, ["else"]), goes_on=True
    )
    assert json.dumps([one["tools"], one["system"][:4]]) == json.dumps([other["tools"], other["system"][:4]])
    assert shared_prefix(one) == shared_prefix(other)


def test_another_model_tool_schema_or_context_is_another_prefix() -> None:
    first = shared_prefix(with_cache_points(request(), SYSTEM, goes_on=False))
    form = {"format": {"type": "json_schema", "schema": {}}}
    changes: tuple[dict[str, Any], ...] = ({"model": "claude-opus-5-5"}, {"tools": []}, {"output_config": form})
    for change in changes:
        assert shared_prefix(with_cache_points(request(**change), SYSTEM, goes_on=False)) != first
    context = SystemPrompt(SYSTEM.standing, ["one", "two!"], SYSTEM.own)
    assert shared_prefix(with_cache_points(request(), context, goes_on=False)) != first
    effort = with_cache_points(request(output_config={"effort": "high"}), SYSTEM, goes_on=False)
    assert shared_prefix(effort) == first
    assert shared_prefix(request()) is None


def test_a_conversation_that_goes_on_has_points_at_its_end_and_where_its_last_request_ended() -> None:
    prompt = {"role": "user", "content": "go"}
    first = with_cache_points(request(prompt), SYSTEM, goes_on=True)
    assert marked(first)[2:] == [("message 0", 0)]
    second = with_cache_points(request(prompt, *turn(1, 2)), SYSTEM, goes_on=True)
    assert marked(second)[2:] == [("message 0", 0), ("message 2", 1)]
    third = with_cache_points(request(prompt, *turn(1, 2), *turn(2, 1)), SYSTEM, goes_on=True)
    assert marked(third)[2:] == [("message 2", 1), ("message 4", 0)]


def test_a_conversation_of_one_turn_pays_for_no_point_of_its_own() -> None:
    assert marked(with_cache_points(request(), SYSTEM, goes_on=False))[2:] == []


def test_there_are_never_more_than_four_points_and_none_where_the_api_takes_none() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for number in range(30):
        said += turn(number, 3)
    said.append({"role": "user", "content": [{"type": "text", "text": "more"}, thinking]})
    made = with_cache_points(request(*said), SYSTEM, goes_on=True)
    assert len(marked(made)) == 4
    assert marked(made)[-1] == (f"message {len(said) - 1}", 0)


def test_the_request_that_was_given_is_not_changed() -> None:
    given = request({"role": "user", "content": "go"}, *turn(1, 2))
    before = json.dumps(given)
    with_cache_points(given, SYSTEM, goes_on=True)
    assert json.dumps(given) == before
    assert POINT == {"type": "ephemeral"}


def test_turns_of_thirty_parallel_calls_are_still_read_from_the_cache() -> None:
    """Sixty blocks lie between two ends: further than the API looks back from one point."""
    cache = PromptCache(lambda: 0.0)
    said: list[dict[str, Any]] = [{"role": "user", "content": "go " * 4000}]
    total_before = 0
    for number in range(4):
        made = with_cache_points(request(*said), SYSTEM, goes_on=True)
        usage = cache.account("key", Conversation.of(made))
        usage.begun()
        assert usage.cache_read == total_before
        assert usage.input_tokens == 0
        total_before = usage.total
        said += turn(number, 30)
