"""What a conversation does next, from its messages alone."""

from __future__ import annotations

import pytest

from tenuto.activities.errors import AgentFailed
from tenuto.activities.next_step import CONTINUE, Ask, Done, Say, answer_text, next_step
from tenuto.activities.structured_output import OutputForm
from tenuto.activities.transcript import Message, Purpose

FORM = OutputForm({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


def said(purpose: Purpose, text: str, stop_reason: str | None = None) -> Message:
    content = [{"type": "text", "text": text}] if purpose == "answer" else text
    return Message(purpose=purpose, content=content, at="2026-01-01T00:00:00Z", stop_reason=stop_reason)


PROMPT = said("prompt", "p")


def test_whoever_was_spoken_to_answers() -> None:
    for last in (PROMPT, said("repair", "r"), said("continue", "c")):
        assert next_step([PROMPT, last], None) == Ask()


def test_an_end_of_turn_is_the_value() -> None:
    assert next_step([PROMPT, said("answer", "a", "end_turn")], None) == Done("a")
    assert next_step([PROMPT, said("answer", '{"n": 1}', "end_turn")], FORM) == Done({"n": 1})


def test_only_text_is_in_the_value() -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = Message(purpose="answer", content=blocks, at="", stop_reason="end_turn")
    assert next_step([PROMPT, message], None) == Done("ab")


def test_a_cut_answer_is_continued_without_a_schema_and_repaired_with_one() -> None:
    cut = [PROMPT, said("answer", '{"n": 1}', "max_tokens")]
    assert next_step(cut, None) == Say("continue", CONTINUE)
    repair = next_step(cut, FORM)
    assert isinstance(repair, Say)
    assert "cut off" in repair.text


def test_a_paused_turn_is_taken_up_and_its_text_joined() -> None:
    paused = [PROMPT, said("answer", "one ", "pause_turn")]
    assert next_step(paused, None) == Ask()
    assert next_step([*paused, said("answer", "two", "end_turn")], None) == Done("one two")


def test_a_repaired_answer_stands_alone() -> None:
    messages = [PROMPT, said("answer", "wrong", "end_turn"), said("repair", "r"), said("answer", "right", "end_turn")]
    assert answer_text(messages) == "right"


def test_the_same_messages_give_the_same_step() -> None:
    messages = [PROMPT, said("answer", '{"n": "x"}', "end_turn")]
    assert next_step(messages, FORM) == next_step(list(messages), FORM)


def test_a_refusal_gives_the_explanation() -> None:
    refusal = Message(
        purpose="answer", content=[], at="", stop_reason="refusal", stop_details={"explanation": "not this"}
    )
    with pytest.raises(AgentFailed, match="not this") as raised:
        next_step([PROMPT, refusal], None)
    assert raised.value.kind == "refusal"
