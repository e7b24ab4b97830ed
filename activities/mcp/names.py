"""Names of MCP tools, as models see them and permission rules write them: `mcp__server__tool`. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

NAME_CHARS_MAX = 64
"""Of the Messages API, whose names are letters, digits, `_` and `-`."""
_REFUSED = re.compile(r"[^A-Za-z0-9_-]")


def prefix_of(server: str) -> str:
    """What the names of a server's tools begin with, and the rule that means all of them: `mcp__server`."""
    return f"mcp__{_REFUSED.sub('_', server)}"


def tool_name(server: str, tool: str) -> str:
    """The name of one tool. Characters that the API refuses become `_`; what is too long ends in a hash of itself."""
    name = f"{prefix_of(server)}__{_REFUSED.sub('_', tool)}"
    return name if len(name) <= NAME_CHARS_MAX else _hashed(name, server, tool)


def tool_names(tools: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Names for many tools, by (server, tool), each one different.

    Where two would have the same name, the one that is written so keeps it and the others get a hash: which one that is
    depends on the names alone, never on the order in which servers answered.
    """
    named: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for server, tool in sorted(set(tools), key=lambda pair: (_altered(*pair), pair)):
        name = tool_name(server, tool)
        if name in taken:
            name = _hashed(name, server, tool)
        taken.add(name)
        named[server, tool] = name
    return named


def _altered(server: str, tool: str) -> bool:
    return tool_name(server, tool) != f"mcp__{server}__{tool}"


def _hashed(name: str, server: str, tool: str) -> str:
    tail = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:8]
    return f"{name[: NAME_CHARS_MAX - 9]}_{tail}"
