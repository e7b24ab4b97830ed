"""Conversations that outgrow their model: what the API is asked to do, and what is done where it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from temporalio.exceptions import ApplicationError

from tenuto.activities import context_management
from tenuto.activities.agent import AgentActivities
from tenuto.activities.context_management import (
    ContextManagement,
    silence_s,
    since_compaction,
    with_plain_summaries,
)
from tenuto.activities.credentials import Credentials
from tenuto.activities.tools.tool import Note, Place, ToolCall, ToolResult

from .conftest import MODEL, Stage
from .tool_play import Counting, Played

OLDER = "claude-haiku-4-5"
RESULT_CHARS = 40_000
"""Ten thousand tokens, as the simulated API counts."""


@dataclass
class Big(Counting):
    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        self.calls.append(call)
        return ToolResult(f"result {call.input['n']} " + "x" * RESULT_CHARS)


@pytest.fixture
async def long(stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose agents have a tool with large results."""

    async def simulated_url() -> str:
        return stage.api.url

    tools: list[Counting] = [Big("Look")]
    played = Played(stage.store, tmp_path, tools)
    activities = AgentActivities(stage.store, Credentials(tmp_path, stage.environ), simulated_url, played)
    yield Stage(stage.store, stage.api, stage.home, stage.environ, activities, stage.beats)
    await activities.close()


def looks(turns: int, *, text: str = "all done") -> list[dict[str, Any]]:
    """A script: so many turns with one call each, then the answer."""
    return [*({"tool_use": [{"name": "Look", "input": {"n": n}}]} for n in range(turns)), {"text": text}]


def sizes(stage: Stage) -> list[int]:
    """Input tokens of every answered request, compactions left out."""
    records = [record for record in stage.api.requests() if record["usage"]]
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return [sum(record["usage"][name] for name in names) for record in records]


async def test_a_long_conversation_is_compacted_by_the_api_and_goes_on(long: Stage) -> None:
    long.api.control(rules=[{"script": looks(40)}])
    result = await long.run(model=MODEL)
    assert result.value == "all done"
    answers = [turn for turn in await long.turns() if turn["purpose"] == "answer"]
    compacted = [turn for turn in answers if turn["content"][0]["type"] == "compaction"]
    assert len(answers) == 41
    assert 2 <= len(compacted) <= 4
    assert max(sizes(long)) < 165_000
    betas = {record["headers"].get("anthropic-beta") for record in long.api.requests()}
    assert betas == {"compact-2026-01-12"}


async def test_the_summing_up_is_paid_for_too(long: Stage) -> None:
    long.api.control(rules=[{"script": looks(20)}])
    result = await long.run(model=MODEL)
    billed = long.api.usage()["completed"]
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert getattr(result.usage, name) == billed[name]
    assert result.usage.usd > 0


async def test_a_conversation_that_was_compacted_is_continued_by_another_attempt(long: Stage) -> None:
    script = looks(25)
    long.api.control(rules=[{"match": {"turn": 20}, "times": 1, "fault": {"status": 529}}, {"script": script}])
    with pytest.raises(ApplicationError):
        await long.run(model=MODEL)
    before = len(long.api.requests())
    assert (await long.run(model=MODEL, attempt=2)).value == "all done"
    assert len(long.api.requests()) - before == 26 - 19


@pytest.mark.parametrize("turns", [1, 14])
async def test_a_silent_compaction_is_not_a_stall(long: Stage, turns: int) -> None:
    script = looks(turns)
    script[-1] = {**script[-1], "compaction": "What was done so far.", "compaction_s": 2.0}
    long.api.control(rules=[{"script": script}])
    started = time.monotonic()
    result = await long.run(model=MODEL, stall_ms=1000)
    assert result.value == "all done"
    assert time.monotonic() - started >= 2.0
    assert len(long.api.requests()) == turns + 1


async def test_silence_where_nothing_is_compacted_is_a_stall(long: Stage) -> None:
    long.api.control(rules=[{"match": {"turn": 2}, "fault": {"stall_after_events": 4}}, {"script": looks(2)}])
    with pytest.raises(ApplicationError) as raised:
        await long.run(model=MODEL, stall_ms=300)
    assert raised.value.type == "stalled"


async def test_an_older_model_gets_its_oldest_tool_results_cleared(long: Stage) -> None:
    long.api.control(rules=[{"script": looks(25)}])
    assert (await long.run(model=OLDER)).value == "all done"
    records = long.api.requests()
    assert {record["headers"].get("anthropic-beta") for record in records} == {"context-management-2025-06-27"}
    assert any("clear_tool_uses_20250919" in record.get("applied_edits", ()) for record in records)
    assert max(sizes(long)) < 140_000


async def test_a_refused_beta_is_done_without_and_not_asked_for_again(long: Stage) -> None:
    long.api.control(refused_betas=["compact-2026-01-12"], rules=[{"script": looks(3)}])
    assert (await long.run(model=MODEL)).value == "all done"
    sent = [record["headers"].get("anthropic-beta") for record in long.api.requests()]
    assert sent == ["compact-2026-01-12", *["context-management-2025-06-27"] * 4]
    await long.run(model=MODEL, agent="a2")
    assert long.api.requests()[-1]["headers"]["anthropic-beta"] == "context-management-2025-06-27"
    statuses = [record["status"] for record in long.api.requests()]
    assert statuses.count(400) == 1


async def test_where_both_are_refused_old_results_are_cleared_here(long: Stage) -> None:
    betas = list(context_management.BETAS.values())
    long.api.control(refused_betas=betas, context_tokens_max=150_000, rules=[{"script": looks(40)}])
    result = await long.run(model=MODEL)
    assert result.value == "all done"
    refused = [record for record in long.api.requests() if record["status"] == 400]
    assert len(refused) <= 2 + 3
    assert max(sizes(long)) <= 150_000
    look = long.activities._equipment.tools[0]  # type: ignore[attr-defined]
    assert [call.input["n"] for call in look.calls] == list(range(40))


async def test_a_full_window_in_the_middle_of_an_answer_is_asked_again_on_less(long: Stage) -> None:
    """The half answer is paid and kept for the record, but neither used nor sent back."""
    full = {"tool_use": [{"name": "Look", "input": {"n": 99}}], "stop_reason": "model_context_window_exceeded"}
    long.api.control(
        rules=[{"match": {"turn": 15}, "times": 1, "reply": {"text": "half", **full}}, {"script": looks(14)}]
    )
    result = await long.run(model=OLDER)
    assert result.value == "all done"
    answers = [turn for turn in await long.turns() if turn["purpose"] == "answer"]
    assert [turn["stop_reason"] for turn in answers].count("model_context_window_exceeded") == 1
    look = long.activities._equipment.tools[0]  # type: ignore[attr-defined]
    assert [call.input["n"] for call in look.calls] == list(range(14))


async def test_what_cannot_be_made_shorter_is_a_context_window_failure(long: Stage) -> None:
    long.api.control(context_tokens_max=1000)
    for model in (MODEL, OLDER):
        with pytest.raises(ApplicationError) as raised:
            await long.run("p" * 8000, model=model)
        assert (raised.value.type, raised.value.non_retryable) == ("context_window", True)
        assert "prompt is too long" in raised.value.message


async def test_a_window_that_is_always_full_ends_the_agent(long: Stage) -> None:
    reply = {"text": "half", "stop_reason": "model_context_window_exceeded"}
    long.api.control(rules=[{"match": {"turn": 21}, "reply": reply}, {"script": looks(20)}])
    with pytest.raises(ApplicationError) as raised:
        await long.run(model=OLDER)
    assert raised.value.type == "context_window"
    assert len(long.api.requests()) == 20 + 4


# ---------------------------------------------------------------------------------------------------- pure parts


def said(*contents: Any) -> list[dict[str, Any]]:
    return [
        {"role": "assistant" if number % 2 else "user", "content": content} for number, content in enumerate(contents)
    ]


def summary(**given: Any) -> dict[str, Any]:
    return {"type": "compaction", "content": "so far", "encrypted_content": "opaque", **given}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_a_compaction_goes_back_as_it_came_and_stands_for_what_was_before_it() -> None:
    block = summary(signature="s", tool_changes=[])
    messages = said("prompt", [text("one")], "two", [block, text("three")], "four")
    sent = ContextManagement().apply({"model": MODEL, "max_tokens": 9, "messages": messages}, [], simulate=False)
    assert sent["messages"] == [messages[0], messages[3], messages[4]]
    assert sent["betas"] == ["compact-2026-01-12"]


def test_a_failed_compaction_stands_for_nothing() -> None:
    messages = said("prompt", [text("one")], "two", [{"type": "compaction", "content": None}, text("three")], "four")
    assert since_compaction(messages) == messages


def test_without_the_beta_a_summary_is_sent_as_text() -> None:
    messages = said("prompt", [summary(), text("three")], "four")
    plain = with_plain_summaries(messages)[1]["content"]
    assert [block["type"] for block in plain] == ["text", "text"]
    assert "so far" in plain[0]["text"]
    opaque = said("prompt", [text("one")], "two", [summary(content=None), text("three")], "four")
    assert since_compaction(opaque, readable=True) == opaque
    assert with_plain_summaries(opaque)[3]["content"] == [text("three")]


def test_what_no_summary_makes_shorter_does_not_set_off_one_compaction_after_another() -> None:
    def trigger(prompt: str, model: str = MODEL) -> int:
        request = {"model": model, "max_tokens": 32_000, "messages": said(prompt)}
        sent = ContextManagement().apply(request, ["system"], simulate=False)
        return int(sent["context_management"]["edits"][0]["trigger"]["value"])

    assert trigger("short") == 150_000
    assert trigger("p" * 800_000) == pytest.approx(400_000, rel=0.01)
    assert trigger("p" * 3_900_000) == 1_000_000 - 32_000 - 16_000
    assert trigger("short", "claude-unheard-of-1") == 150_000


def test_only_a_conversation_that_may_be_compacted_may_be_silent_for_long() -> None:
    def patience(words: str, model: str = MODEL) -> float:
        request = {"model": model, "max_tokens": 99, "messages": said("prompt", [text(words)], "go on")}
        return silence_s(ContextManagement().apply(request, [], simulate=False), 30.0)

    assert patience("w" * 1000) == 30.0
    assert patience("w" * 500_000) == 600.0
    assert patience("w" * 500_000, OLDER) == 30.0
    assert silence_s({"model": MODEL, "messages": said("p")}, 30.0) == 30.0


def refusal(message: str, status: int = 400) -> anthropic.APIStatusError:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://localhost"), text=json.dumps(body))
    return anthropic.BadRequestError(message, response=response, body=body)


@pytest.mark.parametrize(
    ("message", "about_it"),
    [
        ("Unexpected value(s) `compact-2026-01-12` for the `anthropic-beta` header.", True),
        ("context_management: Extra inputs are not permitted", True),
        ("invalid beta flag", True),
        ("context_management.edits.0: `compact_20260112` is not supported on this model", True),
        ("messages.0.content: Field required", False),
        ("tools.3.custom.input_schema.type: Field required", False),
    ],
)
def test_what_a_refusal_is_about_is_read_from_its_words(message: str, about_it: bool) -> None:
    context = ContextManagement()
    request = {"model": MODEL, "max_tokens": 9, "messages": said("p")}
    sent = context.apply(request, [], simulate=False)
    assert context.learn_from(refusal(message), sent, simulate=False) is about_it
    again = context.apply(request, [], simulate=False)["betas"]
    assert again == (["context-management-2025-06-27"] if about_it else ["compact-2026-01-12"])
    assert context.apply(request, [], simulate=True)["betas"] == ["compact-2026-01-12"]
    assert not context.learn_from(refusal(message), request, simulate=False)
