"""Where a request's cache points go, and which prefix it shares with its siblings. Pure.

The API caches prefixes in the order tools, `system`, messages; an entry is written at each cache point and found by
looking back at most 20 blocks from one (API documentation, "Prompt caching"). So what siblings share comes first, with
a point at its end, and a conversation that goes on has one point at its end and one where its last request ended: a
turn of twenty parallel tool calls would else be longer than the look back. Every point is explicit: the automatic one
at the top of a request is not known on every platform.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .tool_text import tool_text

POINT = {"type": "ephemeral"}
POINTS_MAX = 4
"""The API refuses a fifth one."""
BYTES_PER_TOKEN = 4
"""A careful guess: source code and prose have fewer."""
_NO_POINT = frozenset({"thinking", "redacted_thinking"})
"""Blocks that cannot carry a cache point."""


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The parts of `system`, most widely shared first. Each text is a block of its own."""

    standing: Sequence[str] = field(default_factory=tuple)
    """The same for every agent of a run: standing instructions, the project's own."""
    context: Sequence[str] = field(default_factory=tuple)
    """Shared material, the same for all siblings."""
    own: Sequence[str] = field(default_factory=tuple)
    """What is particular to the agent: its definition, how to give a structured answer."""

    def texts(self) -> list[str]:
        """All of it, in order."""
        return [*self.standing, *self.context, *self.own]


def with_cache_points(request: Mapping[str, Any], system: SystemPrompt, *, goes_on: bool) -> dict[str, Any]:
    """The request with its `system` as text blocks and its cache points.

    Args:
        request: without `system`; it is not changed.
        system: empty texts are left out, which the API refuses.
        goes_on: whether further requests will extend this conversation, as those with tools do. A point in a
            conversation of one turn would be paid and never read.
    """
    parts = (system.standing, system.context, system.own)
    standing, context, own = ([text for text in part if text.strip()] for part in parts)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in (*standing, *context, *own)]
    for end in {len(standing), len(standing) + len(context)} - {0}:
        blocks[end - 1]["cache_control"] = POINT
    made = dict(request)
    if blocks:
        made["system"] = blocks
    if goes_on:
        made["messages"] = _with_points(request["messages"])
    return made


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a request shares with its siblings. Equal digests are equal bytes."""

    digest: bytes
    tokens: int
    """Estimated."""


def shared_prefix(request: Mapping[str, Any]) -> Prefix | None:
    """The request's prefix up to the last cache point in `system`; `None` where there is none.

    A schema for the output counts, since the API puts it into the prompt in front of everything.
    """
    system = request.get("system")
    if not isinstance(system, list):
        return None
    marked = [index for index, block in enumerate(system) if "cache_control" in block]
    if not marked:
        return None
    form = (request.get("output_config") or {}).get("format")
    parts = [request["model"], form, system[: marked[-1] + 1]]
    text = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass") + tool_text(request.get("tools"))
    return Prefix(hashlib.sha256(text).digest(), len(text) // BYTES_PER_TOKEN)


def _with_points(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Points at the end of the last user message, and of the one that ended the request before this one."""
    made = [dict(message) for message in messages]
    users = [index for index, message in enumerate(made) if message["role"] == "user"]
    answers = [index for index, message in enumerate(made) if message["role"] == "assistant"]
    ends = users[-1:]
    if answers:
        ends += [index for index in users if index < answers[-1]][-1:]
    for index in set(ends):
        made[index]["content"] = _with_point(made[index]["content"])
    return made


def _with_point(content: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else [dict(block) for block in content]
    for block in reversed(blocks):
        if block["type"] not in _NO_POINT and block.get("text") != "":
            block["cache_control"] = POINT
            break
    return blocks
