"""An answer that says nothing, of an agent whose tools all failed, is no value."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.activities.errors import AgentFailed
from tenuto.activities.next_step import ANSWERS_MAX, Done, Say, next_step
from tenuto.activities.placeholders import calls_in_vain, only_placeholders
from tenuto.activities.structured_output import OutputForm
from tenuto.activities.transcript import Message, Purpose, ToolRecord

FORM = OutputForm(
    {
        "type": "object",
        "properties": {"finding": {"type": "string"}, "n": {"type": "integer"}, "grade": {"enum": ["none", "high"]}},
    }
)


def said(purpose: Purpose, text: str) -> Message:
    content: Any = [{"type": "text", "text": text}] if purpose == "answer" else text
    return Message(purpose=purpose, content=content, at="", stop_reason="end_turn" if purpose == "answer" else None)


def tools(*calls: dict[str, bool | int]) -> list[Message]:
    """A turn of tool calls and its results."""
    records = [ToolRecord.model_validate({"name": "Bash", "input_sha256": "", **call}) for call in calls]
    uses = [{"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {}} for n in range(len(calls))]
    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "?"} for use in uses]
    return [
        Message(purpose="answer", content=uses, at="", stop_reason="tool_use"),
        Message(purpose="tool_results", content=results, at="", calls=records),
    ]


Call = dict[str, bool | int]
FAILED: Call = {"ok": False, "exit_code": 127}
REFUSED: Call = {"ok": False, "refused": True}
DONE: Call = {"ok": True}
FOUND_NONE: Call = {"ok": False, "exit_code": 1}
PROMPT = said("prompt", "look")


@pytest.mark.parametrize(
    "value",
    [
        *("", "  ", "N/A", "n/a.", "TODO", "[TBD]", "<placeholder>", "None", "null", "unknown", "…", "...", "-", "—"),
        *("Not  available", "Lorem ipsum", "**TODO**", '"N/A"'),
        *('{"finding": "placeholder", "n": 0}', '```json\n{"a": ["todo"]}\n```'),
        *({"finding": "placeholder", "n": 0}, {"a": "", "ok": True}, {"a": ["N/A", {"b": "tbd"}], "c": [], "d": None}),
    ],
)
def test_what_says_nothing(value: Any) -> None:
    assert only_placeholders(value)


@pytest.mark.parametrize(
    "value",
    [
        *("The file is not there.", "none of them", "TODO: mend it", "0", "false", "42", "[]", "{}"),
        *({}, {"findings": []}, {"n": 0}, {"ok": False}, {"finding": "n/a", "n": 3}, {"a": "TODO", "b": "a.py:3"}),
    ],
)
def test_what_says_something_or_keeps_no_place(value: Any) -> None:
    assert not only_placeholders(value)


@pytest.mark.parametrize("form", [None, FORM])
@pytest.mark.parametrize("calls", [[FAILED], [REFUSED, FAILED]])
def test_after_failed_tools_a_placeholder_is_asked_about_and_at_last_refused(
    form: OutputForm | None, calls: list[Call]
) -> None:
    answer = said("answer", '{"finding": "placeholder", "n": 0}')
    messages = [PROMPT, *tools(*calls), answer]
    for _ in range(ANSWERS_MAX - 1):
        step = next_step(messages, form)
        assert isinstance(step, Say) and step.purpose == "repair"
        assert f"all {len(calls)} calls of tools" in step.text
        messages += [said("repair", step.text), answer]
    with pytest.raises(AgentFailed, match="a placeholder after failed tools") as raised:
        next_step(messages, form)
    assert raised.value.kind == "schema" and '"finding": "placeholder"' in str(raised.value)
    told = [*messages[:-1], said("answer", '{"finding": "The file is not there."}')]
    assert isinstance(next_step(told, form), Done)
    looked = [*messages, *tools(DONE), answer]
    assert isinstance(next_step(looked, form), Done)


@pytest.mark.parametrize("calls", [[], [DONE], [FAILED, DONE], [{"ok": False, "unknown": True}], [FOUND_NONE]])
def test_without_failed_tools_alone_a_placeholder_is_the_agents_own_word(calls: list[Call]) -> None:
    turns = tools(*calls) if calls else []
    for text in ("", "N/A"):
        assert next_step([PROMPT, *turns, said("answer", text)], None) == Done(text)


def test_a_text_that_the_schema_names_is_meant() -> None:
    messages = [PROMPT, *tools(FAILED), said("answer", '{"grade": "none"}')]
    assert next_step(messages, FORM) == Done({"grade": "none"})


def test_tools_of_the_api_and_of_the_conversation_before_count_too() -> None:
    def block(kind: str, content: Any, **more: Any) -> Message:
        return Message(purpose="tool_results", content=[{"type": kind, "content": content, **more}], at="")

    assert calls_in_vain([block("tool_result", "x", is_error=True)]) == 1
    assert calls_in_vain([block("tool_result", "x", is_error=True), block("tool_result", "x")]) == 0
    assert calls_in_vain([block("web_search_tool_result", {"type": "web_search_tool_result_error"})]) == 1
    assert calls_in_vain([block("web_search_tool_result", [])]) == 0
