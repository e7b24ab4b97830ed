"""A validated request, seen as a conversation: what rules match on, what answers are derived from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .models import MODELS, Model

_NOT_IN_THE_ANSWER = frozenset({"stream", "metadata"})


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(content: Any) -> str:
    """All text in a message's `content` or in `system`, tool results included, lines joined."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for block in content or ():
        if block.get("type") == "text":
            parts.append(block["text"])
        elif block.get("type") == "tool_result":
            parts.append(text_of(block.get("content")))
    return "\n".join(parts)


def _answers(messages: list[dict[str, Any]]) -> int:
    """Answers so far. A compaction of ours says how many came before it, whether or not they are sent along."""
    count = 0
    for message in messages:
        if message["role"] != "assistant":
            continue
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "compaction":
                count = max(count, turns_of(block))
        count += 1
    return count


def turns_of(compaction: dict[str, Any]) -> int:
    """How many answers a compaction of ours stands for."""
    text = str(compaction.get("encrypted_content") or "")
    return int(text[6:]) if text.startswith("turns:") and text[6:].isdecimal() else 0


def _instructed(system: str) -> dict[str, Any] | None:
    _, opened, rest = system.partition("<json_schema>")
    text, closed, _ = rest.partition("</json_schema>")
    if not (opened and closed):
        return None
    try:
        schema = json.loads(text)
    except ValueError:
        return None  # prose that only looks like it
    return schema if isinstance(schema, dict) else None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One request of `POST /v1/messages` that passed validation."""

    body: dict[str, Any]
    model: Model
    prompt: str
    """Text of the first user message."""
    last: str
    """Text of the last user message."""
    turn: int
    """1 for a first request; one more for every assistant message that it brings along, and for each that a compaction
    stands for."""
    digest: str
    """Hex hash of all that may change the answer. Streamed or not, the answer is the same."""

    @classmethod
    def of(cls, body: dict[str, Any]) -> Conversation:
        """Read a body that `validate.check_request` accepted."""
        user = [message["content"] for message in body["messages"] if message["role"] == "user"]
        turn = 1 + _answers(body["messages"])
        answered = {key: value for key, value in body.items() if key not in _NOT_IN_THE_ANSWER}
        digest = hashlib.sha256(canonical(answered).encode("utf-8", "surrogatepass")).hexdigest()
        prompt = text_of(user[0])
        return cls(body, MODELS[body["model"]], prompt, prompt if len(user) == 1 else text_of(user[-1]), turn, digest)

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of `output_config.format`, or one that `system` gives between `<json_schema>` tags.

        A model does what its instructions say; clients put a schema there that the API does not take.
        """
        form = (self.body.get("output_config") or {}).get("format")
        return form["schema"] if form else _instructed(text_of(self.body.get("system")))

    @property
    def forced_tool(self) -> dict[str, Any] | None:
        """The definition of the tool that `tool_choice` demands; for `any`, the first that has a schema."""
        choice = self.body.get("tool_choice") or {}
        tools: list[dict[str, Any]] = self.body.get("tools") or []
        if choice.get("type") == "tool":
            return next(tool for tool in tools if tool.get("name") == choice["name"])
        if choice.get("type") == "any":
            return next((tool for tool in tools if "input_schema" in tool), tools[0])
        return None
