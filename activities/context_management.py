"""How a conversation stays within the context window for hours, by means of the API.

Where a model has it, the API compacts: past a number of input tokens it puts a summary before its answer, as a
`compaction` block that is sent back as it came and stands for all that was said before it. Other models get their
oldest tool results cleared. Both are in beta, so either can be refused by a model or a platform; what was refused is
not sent again by this Worker. What is left then is `context_overflow`.

Source: API documentation, "Compaction at a token threshold" and "Context editing", October 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anthropic

from .model_limits import compacts, context_tokens
from .prompt_cache import BYTES_PER_TOKEN
from .streaming import COMPACTION_SILENCE_S
from .tool_text import tool_text

COMPACT, CLEAR = "compact_20260112", "clear_tool_uses_20250919"
BETAS = {COMPACT: "compact-2026-01-12", CLEAR: "context-management-2025-06-27"}
TRIGGER_TOKENS = 150_000
"""The API's own default: a model works better, and cheaper, in a small context than in a full one."""
HEADROOM_TOKENS = 16_000
"""Kept free of input beside the answer: tokens are estimated here and counted there."""
KEEP_TOOL_USES = 8
CLEAR_AT_LEAST_TOKENS = 20_000
"""Clearing ends the cached prefix where it begins, so that little of it costs more than it saves."""
CONTEXT_CLEARED_AT = 100_000
_ABOUT_IT = ("context_management", "context management", "compact", "clear_tool_uses", "anthropic-beta", "beta flag")
SUMMARY = "Summary of this conversation so far:\n\n{summary}"


class ContextManagement:
    """What to ask of the API for each model, learnt from what it refuses. One per Worker."""

    def __init__(self) -> None:
        self._refused: set[tuple[bool, str, str]] = set()

    def apply(self, request: Mapping[str, Any], system: Sequence[str], *, simulate: bool) -> dict[str, Any]:
        """The request with what the API is to do about its length; for a conversation with tools.

        `system` are the texts that it will be sent with. It takes `client.beta.messages.create` to send it. Messages
        before the last compaction are left out, but for the prompt: the API would pass them over, and after hours
        they are more than a request may hold.
        """
        way = self._way(simulate, request["model"])
        made = dict(request)
        if way == COMPACT:
            made["messages"] = since_compaction(request["messages"])
        else:
            # Without its beta the API knows no such block.
            made["messages"] = with_plain_summaries(since_compaction(request["messages"], readable=True))
        if way is not None:
            made["betas"] = [BETAS[way]]
            made["context_management"] = {"edits": [_compaction(made, system) if way == COMPACT else _clearing()]}
        return made

    def learn_from(self, error: anthropic.APIStatusError, request: Mapping[str, Any], *, simulate: bool) -> bool:
        """Whether the next request can do without what this one was refused for."""
        way = _way_of(request)
        if way is None or error.status_code not in (400, 403, 404):
            return False
        text = (error.api_message or error.message).lower()
        if not any(words in text for words in (*_ABOUT_IT, *BETAS.values())):
            return False
        self._refused.add((simulate, request["model"], way))
        return True

    def _way(self, simulate: bool, model: str) -> str | None:
        ways = (COMPACT, CLEAR) if compacts(model) else (CLEAR,)
        return next((way for way in ways if (simulate, model, way) not in self._refused), None)


def since_compaction(messages: Sequence[Mapping[str, Any]], *, readable: bool = False) -> list[dict[str, Any]]:
    """The prompt and everything from the last compaction on; all messages where there is none.

    `readable` passes over compactions that only the API can read.
    """
    names = ("content",) if readable else ("content", "encrypted_content")
    for index in range(len(messages) - 1, 0, -1):
        if any(_is_summary(block, names) for block in _blocks(messages[index])):
            prompt = [dict(messages[0])] if messages[0]["role"] == "user" else []
            return [*prompt, *map(dict, messages[index:])]
    return [dict(message) for message in messages]


def with_plain_summaries(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages with compactions as text, for where the API does not take them as blocks."""
    made = []
    for message in messages:
        blocks = _blocks(message)
        if any(block["type"] == "compaction" for block in blocks):
            texts = [_plain(block) for block in blocks if block["type"] != "compaction" or block.get("content")]
            if texts:
                made.append({**message, "content": texts})
            continue
        made.append(dict(message))
    return made


def silence_s(request: Mapping[str, Any], stall_s: float) -> float:
    """How long a response to this request may be silent before its first block."""
    if _way_of(request) != COMPACT:
        return stall_s
    trigger = request["context_management"]["edits"][0]["trigger"]["value"]
    # Three bytes a token: rather wait for a compaction that does not come than cut off one that does.
    known = len(tool_text(request.get("tools"))) + _bytes_of(request.get("system"), request["messages"])
    near = known / 3 >= trigger
    return max(stall_s, COMPACTION_SILENCE_S) if near else stall_s


def _compaction(request: Mapping[str, Any], system: Sequence[str]) -> dict[str, Any]:
    # What no summary makes shorter must lie well below the trigger, or every turn would compact.
    fixed = (len(tool_text(request.get("tools"))) + _bytes_of(system, request["messages"][:1])) // BYTES_PER_TOKEN
    most = context_tokens(request["model"]) - int(request["max_tokens"]) - HEADROOM_TOKENS
    trigger = min(max(TRIGGER_TOKENS, 2 * fixed), most)
    return {"type": COMPACT, "trigger": {"type": "input_tokens", "value": trigger}}


def _clearing() -> dict[str, Any]:
    return {
        "type": CLEAR,
        "trigger": {"type": "input_tokens", "value": CONTEXT_CLEARED_AT},
        "keep": {"type": "tool_uses", "value": KEEP_TOOL_USES},
        "clear_at_least": {"type": "input_tokens", "value": CLEAR_AT_LEAST_TOKENS},
    }


def _way_of(request: Mapping[str, Any]) -> str | None:
    edits = (request.get("context_management") or {}).get("edits")
    return edits[0]["type"] if edits else None


def _bytes_of(*parts: Any) -> int:
    return sum(len(json.dumps(part, ensure_ascii=False).encode("utf-8", "surrogatepass")) for part in parts if part)


def _blocks(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message["content"]
    return () if isinstance(content, str) else content


def _is_summary(block: Mapping[str, Any], names: Sequence[str]) -> bool:
    """A compaction without content failed, and stands for nothing."""
    return block["type"] == "compaction" and any(block.get(name) for name in names)


def _plain(block: Mapping[str, Any]) -> dict[str, Any]:
    if block["type"] != "compaction":
        return dict(block)
    return {"type": "text", "text": SUMMARY.format(summary=block["content"])}
