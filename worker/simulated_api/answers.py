"""What the simulated model answers: content blocks, stop reason and output tokens, from nothing but the request."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from .cache import count_text
from .conversation import Conversation, canonical
from .errors import invalid
from .rules import Fault, Reply
from .sample_texts import answer_text, topic_of
from .schema_values import NoValue, value_for
from .thinking import signature_of


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `content` are blocks as a message carries them."""

    content: list[dict[str, Any]]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    cut_input: str | None = None
    """The JSON of the last block's input as far as it got, where the limit was reached within it."""

    @property
    def output_tokens(self) -> int:
        """A quarter of the characters sent."""
        return sum(_tokens(block) for block in self.content) + (count_text(self.cut_input) if self.cut_input else 0)


def answer(conversation: Conversation, reply: Reply | None = None, fault: Fault | None = None) -> Answer:
    """Answer a request; `reply` and `fault` are those of the rule that decides about it.

    Raises:
        ApiError: status 400, for a schema that no value satisfies.
    """
    if fault is not None and fault.refusal:
        details = {
            "type": "refusal",
            "category": None,
            "explanation": "[simulated] This request was refused on demand.",
        }
        return Answer([], "refusal", stop_details=details)
    limit = conversation.body["max_tokens"]
    if limit == 0:  # asked for to write the prompt cache, and nothing else
        return Answer([], "max_tokens")
    content = _content(conversation, reply)
    used_tool = any(block["type"] == "tool_use" for block in content)
    made = Answer(content, "tool_use" if used_tool else "end_turn")
    made = _stopped(made, conversation.body.get("stop_sequences") or [])
    if fault is not None and fault.max_tokens:
        limit = min(limit, max(1, made.output_tokens // 2))
    if made.output_tokens > limit:
        made = broken_off(made, limit)
    if reply is not None and reply.stop_reason is not None:
        made = replace(made, stop_reason=reply.stop_reason)
    return made


def _content(conversation: Conversation, reply: Reply | None) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = []
    if reply is not None:
        if reply.thinking is not None:
            signature = signature_of(reply.thinking)
            given.append({"type": "thinking", "thinking": reply.thinking, "signature": signature})
        for index, call in enumerate(reply.server_tool_use):
            given.extend(call.blocks(f"srvtoolu_sim{conversation.digest[:18]}{index:02d}"))
        if reply.text is not None:
            given.append(_text(reply.text))
        if "json_" in reply.model_fields_set:
            given.append(_text(canonical(reply.json_)))
        uses = [(use.name, use.input) for use in reply.tool_use]
        given.extend(_tool_use(conversation, index, name, value) for index, (name, value) in enumerate(uses))
    if any(block["type"] != "thinking" for block in given):
        return given
    return [*given, _own_block(conversation)]


def _own_block(conversation: Conversation) -> dict[str, Any]:
    topic = topic_of(conversation.prompt)
    tool = conversation.forced_tool
    schema = tool.get("input_schema", {"type": "object"}) if tool is not None else conversation.schema
    if schema is None:
        return _text(answer_text(conversation.prompt, random.Random(conversation.digest)))
    try:
        value = value_for(schema, seed=conversation.digest, topic=topic)
    except NoValue as error:
        raise invalid(f"simulated model: {error}") from error
    if tool is not None:
        return _tool_use(conversation, 0, tool.get("name") or tool["type"], value)
    return _text(canonical(value))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "citations": None}


def _tool_use(conversation: Conversation, index: int, name: str, value: dict[str, Any]) -> dict[str, Any]:
    id = f"toolu_sim{conversation.digest[:18]}{index:02d}"
    return {"type": "tool_use", "id": id, "name": name, "input": value}


def _tokens(block: dict[str, Any]) -> int:
    """What the model wrote; results of server tools are the API's."""
    return 0 if block["type"].endswith("_tool_result") else count_text(_text_of(block))


def _text_of(block: dict[str, Any]) -> str:
    kind = block["type"]
    return canonical(block["input"]) if kind in ("tool_use", "server_tool_use") else str(block[kind])


def _stopped(made: Answer, stops: list[str]) -> Answer:
    """The answer up to the first stop sequence in its text."""
    for index, block in enumerate(made.content):
        found = [
            (block["text"].find(stop), stop) for stop in stops if block["type"] == "text" and stop in block["text"]
        ]
        if found:
            at, stop = min(found)
            return Answer([*made.content[:index], _text(block["text"][:at])], "stop_sequence", stop)
    return made


def broken_off(made: Answer, limit: int) -> Answer:
    """The answer's first `limit` tokens. A tool call that does not fit begins, and its input ends early."""
    kept: list[dict[str, Any]] = []
    left = limit
    for block in made.content:
        tokens = _tokens(block)
        if tokens <= left:
            kept.append(block)
            left -= tokens
            continue
        if left <= 0:
            break
        if block["type"] == "tool_use":
            cut = _text_of(block)[: left * 4]
            return Answer([*kept, {**block, "input": {}}], "max_tokens", cut_input=cut)
        if block["type"] in ("text", "thinking"):
            kept.append({**block, block["type"]: block[block["type"]][: left * 4]})
        break
    return Answer(kept, "max_tokens")
