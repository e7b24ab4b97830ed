"""What a request may cost at the most, before it is sent. Pure.

Tokens are counted by the API, not here, so input is counted from its bytes, or from what the API counted for the
request before it. A guess is on the safe side: dense data, such as base64, has about two bytes a token, prose four.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import prices
from .context_management import COMPACT
from .tool_text import tool_text

BYTES_PER_TOKEN = 2
BLOCK_TOKENS = 8
"""Around each message and block."""
TOOLS_TOKENS = 1_000
"""What the API says to the model about tools and schemas beside their definitions."""
IMAGE_TOKENS = 5_000
"""An image has at most so many, whatever its bytes."""
SUMMARY_TOKENS = 32_000
"""Of a compaction that the API makes before it answers."""
RESULT_TOKENS = 5_000
"""Of one use of a server tool, on an average that is more than usual: as many uses as are allowed are counted, and the
conversation as read once more. The one case in which a request may cost more than this module says."""
_SERVER_TOOLS = ("web_search_", "web_fetch_")


@dataclass(frozen=True, slots=True)
class Input:
    """The input side of a request at its worst."""

    tokens: int
    """Of the conversation as it is sent."""
    samplings: int = 1
    """How often it may be read: for a compaction once more, and once more where server tools work."""
    results: int = 0
    """Tokens that server tools may add."""
    searches: int = 0
    summary: int = 0
    """Tokens written by a compaction."""


def input_of(request: Mapping[str, Any], counted: int | None, new: Sequence[Mapping[str, Any]]) -> Input:
    """The input of a request.

    Args:
        counted: tokens of the request before it with its answer, as the API counted them; `None` for the first.
        new: the messages that have come since.
    """
    tools = request.get("tools") or ()
    fixed = len(tool_text(request.get("tools"))) // BYTES_PER_TOKEN + (TOOLS_TOKENS if tools else 0)
    form = (request.get("output_config") or {}).get("format")
    fixed += _tokens(form) + TOOLS_TOKENS if form else 0
    tokens = fixed + sum(map(_tokens, request.get("system") or ())) + sum(map(message_tokens, request["messages"]))
    if counted is not None:
        tokens = min(tokens, counted + sum(map(message_tokens, new)))
    uses = sum(tool.get("max_uses", 0) for tool in tools if str(tool.get("type")).startswith(_SERVER_TOOLS))
    searches = sum(tool.get("max_uses", 0) for tool in tools if str(tool.get("type")).startswith("web_search_"))
    edits = (request.get("context_management") or {}).get("edits") or ()
    compacts = any(edit["type"] == COMPACT and tokens >= edit["trigger"]["value"] for edit in edits)
    return Input(
        tokens,
        samplings=1 + compacts + bool(uses),
        results=uses * RESULT_TOKENS,
        searches=searches,
        summary=SUMMARY_TOKENS if compacts else 0,
    )


def tokens_most(input: Input, max_tokens: int) -> int:
    """Tokens of all classes."""
    return input.samplings * input.tokens + input.results + input.summary + max_tokens


def usd_most(model: str, input: Input, max_tokens: int) -> float | None:
    """Dollars, or `None` where the model's price is not known. All input counts as written to the cache."""
    again = {"input_tokens": 0, "cache_creation_input_tokens": input.tokens}
    once = {"input_tokens": 0, "cache_creation_input_tokens": input.tokens + input.results}
    read = prices.cost(model, {**again, "output_tokens": 0})
    whole = prices.cost(model, {**once, "output_tokens": max_tokens + input.summary})
    if read is None or whole is None:
        return None
    searched = {"input_tokens": 0, "server_tool_use": {"web_search_requests": input.searches}}
    searches = prices.cost(model, searched) if input.searches else 0.0
    return whole + (input.samplings - 1) * read + (searches or 0.0)


def message_tokens(message: Mapping[str, Any]) -> int:
    """Tokens of one message."""
    content = message["content"]
    if isinstance(content, str):
        return _text(content) + BLOCK_TOKENS
    return BLOCK_TOKENS + sum(map(_tokens, content))


def _tokens(block: Any) -> int:
    """Of one block; images in it count by number, not by size."""
    if isinstance(block, Mapping):
        if block.get("type") == "image":
            return IMAGE_TOKENS
        if block.get("type") == "text":
            return BLOCK_TOKENS + _text(str(block.get("text", "")))
        if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
            return BLOCK_TOKENS + sum(map(_tokens, block["content"]))
    return BLOCK_TOKENS + _text(json.dumps(block, ensure_ascii=False))


def _text(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
