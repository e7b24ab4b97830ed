"""A conversation that is too long for its model all the same: the oldest results of tools are cleared here. Pure.

Each overflow clears more; what is never touched is the prompt, what the model said, and its latest results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anthropic

KEPT = (12, 4, 1)
"""How many of the latest tool results stay after the first, second and third overflow."""
CLEARED = "[This old result was cleared to save space. Call the tool again if it is needed.]"
CLEARED_INPUT: dict[str, Any] = {"cleared": "This old input was cleared to save space."}
INPUT_CHARS_MAX = 1000
"""Longer inputs of cleared calls are cleared with them."""
_TOO_LONG = (
    "prompt is too long",
    "exceed context limit",
    "exceeds the context window",
    "input is too long",
    "request exceeds the maximum size",
)
"""In the words of the API, and of Bedrock."""


def is_overflow(error: anthropic.APIStatusError) -> bool:
    """Whether a request was refused because it is longer than the model's context window, or than any request."""
    if error.status_code == 413:
        return True
    text = (error.api_message or error.message).lower()
    return error.status_code == 400 and any(words in text for words in _TOO_LONG)


def fitted(messages: Sequence[Mapping[str, Any]], overflows: int) -> list[dict[str, Any]] | None:
    """The messages as they are sent after so many overflows; `None` when nothing more can be cleared.

    A step that would clear nothing is skipped, so that every overflow makes the conversation shorter.
    """
    plain = [dict(message) for message in messages]
    if not overflows:
        return plain
    order = [block["tool_use_id"] for message in plain for block in _blocks(message) if block["type"] == "tool_result"]
    steps = [kept for kept in KEPT if kept < len(order)]
    if overflows > len(steps):
        return None
    old = frozenset(order[: len(order) - steps[overflows - 1]])
    return [_without(message, old) for message in plain]


def _without(message: dict[str, Any], old: frozenset[str]) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return message
    return {**message, "content": [_cleared(block, old) for block in message["content"]]}


def _cleared(block: dict[str, Any], old: frozenset[str]) -> dict[str, Any]:
    if block["type"] == "tool_result" and block["tool_use_id"] in old:
        return {**block, "content": CLEARED}
    if block["type"] == "tool_use" and block["id"] in old and len(json.dumps(block["input"])) > INPUT_CHARS_MAX:
        return {**block, "input": CLEARED_INPUT}
    return block


def _blocks(message: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    content = message["content"]
    return () if isinstance(content, str) else content
