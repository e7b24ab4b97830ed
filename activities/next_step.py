"""What a conversation does next, decided from its messages alone. Pure.

A new attempt reads the messages from the store and comes to the same decision, so nothing that was answered is asked
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenuto.workflows import failure_kinds as kinds

from .errors import AgentFailed
from .placeholders import calls_in_vain, only_placeholders
from .structured_output import OutputForm, WrongAnswer
from .transcript import Message, Purpose

ANSWERS_MAX = 5
"""Answers that may miss the schema, the first one included."""
CONTINUATIONS_MAX = 5
"""How often an answer that reached `max_tokens` is continued."""
PAUSES_MAX = 50
"""How often a turn that the API paused (`pause_turn`) is taken up again."""
TURNS_MAX = 2000
"""Answers of one conversation: hours of work, and yet an end for an agent that goes round in circles."""
RAW_CHARS = 1500
"""Of a last answer that missed its schema, in the failure's message; the record has all of it."""

CONTINUE = (
    "Your answer was cut off at the output limit. Continue exactly where it stopped: repeat nothing, add no remark."
)
REPAIR = (
    "That answer does not satisfy the required JSON Schema:\n{errors}\n"
    "Answer again with the whole corrected JSON object and nothing else."
)
PLACEHOLDER = (
    "That answer holds nothing but placeholders, and all {calls} calls of tools so far failed or were refused. Try "
    "another way to find out what was asked, if there is one, and answer again in the same form. If there is none, "
    "say in words what could not be found out, and why; if you mean that there is nothing, say that in a sentence."
)
CALL_AGAIN = (
    "Your call of {tool} was cut off at the output limit, so it was not made. Make it again with a shorter input; do "
    "large work in several calls."
)
CUT_OFF = "- the answer was cut off at the output limit; answer more briefly"


@dataclass(frozen=True, slots=True)
class Ask:
    """The model is to speak."""


@dataclass(frozen=True, slots=True)
class Say:
    """A message to the model comes first."""

    purpose: Purpose
    text: str


@dataclass(frozen=True, slots=True)
class UseTools:
    """The calls of the last answer are to be run, and their results come first."""


@dataclass(frozen=True, slots=True)
class Done:
    """The conversation has its value."""

    value: Any


def next_step(messages: Sequence[Message], form: OutputForm | None) -> Ask | Say | UseTools | Done:
    """Decide from a conversation that begins with the prompt.

    Raises:
        AgentFailed: `refusal`, `max_tokens`, `turns` or `schema`.
    """
    last = messages[-1]
    if last.purpose != "answer":
        return Ask()
    if last.stop_reason == "refusal":
        explanation = (last.stop_details or {}).get("explanation")
        raise AgentFailed(kinds.REFUSAL, explanation or "the model declined to answer")
    if last.overflowed:
        # On what fits: the next request leaves out more than this one, or there is none.
        return Ask()
    if last.tool_uses:
        if _turns(messages) >= TURNS_MAX:
            raise AgentFailed(kinds.TURNS, f"no answer after {TURNS_MAX:,} turns")
        return UseTools()
    if last.cut_tool_use is not None:
        return _call_again(messages, last.cut_tool_use)
    if last.stop_reason == "pause_turn" and _run_of_pauses(messages) <= PAUSES_MAX:
        return Ask()
    step = _plain(messages) if form is None else _structured(messages, form)
    return _in_earnest(messages, step, form) if isinstance(step, Done) else step


def answer_text(messages: Sequence[Message]) -> str:
    """The last answer, with the parts it continues."""
    parts: list[str] = []
    for message in reversed(messages):
        if message.overflowed:
            continue
        if message.purpose == "answer":
            parts.append(message.text)
        elif message.purpose != "continue":
            break
    return "".join(reversed(parts))


def _call_again(messages: Sequence[Message], tool: str) -> Say:
    cut = 0
    for message in reversed(messages):
        if message.purpose == "answer" and message.cut_tool_use is None:
            break
        cut += message.purpose == "call_again"
    if cut >= CONTINUATIONS_MAX:
        raise AgentFailed(
            kinds.MAX_TOKENS, f"a call of {tool} was still unfinished at max_tokens after {cut + 1} attempts at it"
        )
    return Say("call_again", CALL_AGAIN.format(tool=tool))


def _plain(messages: Sequence[Message]) -> Say | Done:
    if messages[-1].stop_reason != "max_tokens":
        return Done(answer_text(messages))
    if _continuations(messages) >= CONTINUATIONS_MAX:
        raise AgentFailed(
            kinds.MAX_TOKENS,
            f"the answer was still unfinished after {CONTINUATIONS_MAX} continuations of max_tokens each",
        )
    return Say("continue", CONTINUE)


def _continuations(messages: Sequence[Message]) -> int:
    """How often the answer under way was continued."""
    count = 0
    for message in reversed(messages):
        if message.purpose == "continue":
            count += 1
        elif message.purpose != "answer":
            break
    return count


def _turns(messages: Sequence[Message]) -> int:
    return sum(message.purpose == "answer" for message in _own(messages))


def _own(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages since the last follow-up: what lies before it was another agent's conversation."""
    start = max((index for index, message in enumerate(messages) if message.purpose == "follow_up"), default=0)
    return messages[start:]


def _structured(messages: Sequence[Message], form: OutputForm) -> Say | Done:
    text = answer_text(messages)
    try:
        if messages[-1].stop_reason == "max_tokens":
            raise WrongAnswer(CUT_OFF)
        return Done(form.read(text, instructed=messages[-1].instructed))
    except WrongAnswer as error:
        wrong = str(error)
    answers = _answers(messages)
    if answers >= ANSWERS_MAX:
        raise AgentFailed(
            kinds.SCHEMA, f"no answer satisfied the schema in {answers} attempts:\n{wrong}\nlast answer: {_raw(text)}"
        )
    return Say("repair", REPAIR.format(errors=wrong))


def _in_earnest(messages: Sequence[Message], done: Done, form: OutputForm | None) -> Say | Done:
    """The value, unless it only keeps a place because no tool did its work."""
    calls = calls_in_vain(messages)
    if not calls or not only_placeholders(done.value, frozenset() if form is None else form.words):
        return done
    answers = _answers(messages)
    if answers >= ANSWERS_MAX:
        raise AgentFailed(
            kinds.SCHEMA,
            f"a placeholder after failed tools: all {calls} calls of tools failed or were refused, and none of "
            f"{answers} answers says anything\nlast answer: {_raw(answer_text(messages))}",
        )
    return Say("repair", PLACEHOLDER.format(calls=calls))


def _answers(messages: Sequence[Message]) -> int:
    """How many answers were given that might have been the last, the one at hand included."""
    return 1 + sum(message.purpose == "repair" for message in _own(messages))


def _raw(text: str) -> str:
    return text if len(text) <= RAW_CHARS else f"{text[:RAW_CHARS]}… ({len(text)} characters)"


def _run_of_pauses(messages: Sequence[Message]) -> int:
    count = 0
    for message in reversed(messages):
        if message.stop_reason != "pause_turn":
            break
        count += 1
    return count
