"""Context management: what of a long conversation the model still sees, and the summary that stands for the rest.

The rules are those of the documentation's pages "Context editing" and "Compaction at a token threshold": edits are
applied to each request anew, before the model sees it; what was cleared is reported; a compaction is one more sampling,
whose tokens stand in `usage.iterations` alone, and its block stands for everything before it from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .cache import count_request, count_text
from .conversation import canonical

CLEAR_TOOL_USES, CLEAR_THINKING, COMPACT = "clear_tool_uses_20250919", "clear_thinking_20251015", "compact_20260112"
COMPACT_TRIGGER_TOKENS, CLEAR_TRIGGER_TOKENS, KEEP_TOOL_USES, KEEP_THINKING_TURNS = 150_000, 100_000, 3, 1
PLACEHOLDER = "[Old tool result content cleared]"


@dataclass(frozen=True, slots=True)
class Edited:
    """A request as the model sees it. `summary` is that of a compaction, which `before` was made from."""

    body: dict[str, Any]
    applied: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] | None = None
    before: dict[str, Any] = field(default_factory=dict)


def edited(body: dict[str, Any], turn: int, demanded: str | None = None) -> Edited:
    """Apply a request's edits in their order. `demanded` is a summary that a rule asks for, whatever the length."""
    made = {**body, "messages": since_summary(body["messages"])}
    applied: list[dict[str, Any]] = []
    for edit in (body.get("context_management") or {}).get("edits") or ():
        if edit["type"] == COMPACT:
            trigger = (edit.get("trigger") or {}).get("value", COMPACT_TRIGGER_TOKENS)
            if demanded is None and count_request(made) < trigger:
                continue
            summary = _summary(made, turn, demanded)
            short = {**made, "messages": [{"role": "assistant", "content": [summary]}]}
            return Edited(short, applied, summary, before=made)
        clear = _clear_tool_uses if edit["type"] == CLEAR_TOOL_USES else _clear_thinking
        messages, report = clear(made, edit)
        if report is not None:
            made = {**made, "messages": messages}
            applied.append(report)
    return Edited(made, applied)


def since_summary(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages from the last compaction on, which stands for all before it. A failed one stands for nothing."""
    for index in range(len(messages) - 1, -1, -1):
        content = messages[index]["content"]
        if isinstance(content, str):
            continue
        for number in range(len(content) - 1, -1, -1):
            if content[number]["type"] == "compaction" and content[number].get("content"):
                return [{**messages[index], "content": content[number:]}, *messages[index + 1 :]]
    return messages


def iteration(kind: str, usage: dict[str, Any]) -> dict[str, Any]:
    """One entry of `usage.iterations`."""
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return {"type": kind, **{name: usage[name] for name in names}, "cache_creation": usage["cache_creation"]}


def _summary(body: dict[str, Any], turn: int, demanded: str | None) -> dict[str, Any]:
    text = demanded or f"[simulated] Summary of {turn - 1} turns, {count_request(body)} tokens."
    return {"type": "compaction", "content": text, "encrypted_content": f"turns:{turn - 1}"}


def _clear_tool_uses(body: dict[str, Any], edit: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    messages = body["messages"]
    spared = set(edit.get("exclude_tools") or ())
    uses = [block["id"] for block in _each(messages, "tool_use") if block["name"] not in spared]
    trigger = edit.get("trigger") or {"type": "input_tokens", "value": CLEAR_TRIGGER_TOKENS}
    reached = len(uses) if trigger["type"] == "tool_uses" else count_request(body)
    if reached <= trigger["value"]:
        return messages, None
    keep = (edit.get("keep") or {}).get("value", KEEP_TOOL_USES)
    old = set(uses[: max(0, len(uses) - keep)])
    inputs = edit.get("clear_tool_inputs") or False

    def clear(block: dict[str, Any]) -> dict[str, Any]:
        if block["type"] == "tool_result" and block["tool_use_id"] in old:
            return {**block, "content": PLACEHOLDER}
        if block["type"] == "tool_use" and block["id"] in old and (inputs is True or block["name"] in (inputs or ())):
            return {**block, "input": {}}
        return block

    cleared = [_mapped(message, clear) for message in messages]
    saved = count_request(body) - count_request({**body, "messages": cleared})
    at_least = (edit.get("clear_at_least") or {}).get("value", 0)
    if not old or saved <= 0 or saved < at_least:
        return messages, None
    report = {"type": CLEAR_TOOL_USES, "cleared_tool_uses": len(old), "cleared_input_tokens": saved}
    return cleared, report


def _clear_thinking(body: dict[str, Any], edit: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    messages, keep = body["messages"], edit.get("keep") or {"value": KEEP_THINKING_TURNS}
    if keep == "all" or keep.get("type") == "all":
        return messages, None
    thinking = [
        index
        for index, message in enumerate(messages)
        if message["role"] == "assistant" and any(_each([message], "thinking"))
    ]
    old = set(thinking[: max(0, len(thinking) - keep["value"])])
    if not old:
        return messages, None
    cleared, saved = [], 0
    for index, message in enumerate(messages):
        if index in old:
            saved += sum(count_text(canonical(block)) for block in _each([message], "thinking"))
            message = {  # noqa: PLW2901 - the same message without its thinking
                **message,
                "content": [block for block in message["content"] if block["type"] != "thinking"],
            }
        cleared.append(message)
    report = {"type": CLEAR_THINKING, "cleared_thinking_turns": len(old), "cleared_input_tokens": saved}
    return cleared, report


def _each(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    contents = [message["content"] for message in messages if not isinstance(message["content"], str)]
    return [block for content in contents for block in content if block["type"] == kind]


def _mapped(message: dict[str, Any], change: Any) -> dict[str, Any]:
    content = message["content"]
    return message if isinstance(content, str) else {**message, "content": [change(block) for block in content]}
