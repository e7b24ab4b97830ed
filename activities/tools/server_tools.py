"""WebSearch and WebFetch: the API's own server tools, which it runs itself.

The first version of each, without dynamic filtering: every model takes them, and they need no code execution
(`web_search_20250305`, `web_fetch_20250910` in anthropic 2.11; later ones differ in fields that are not used here).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SERVER_TOOLS = {"WebSearch": "web_search", "WebFetch": "web_fetch"}
"""Names in permission rules and agent definitions -> names in `server_tool_use` blocks."""
USES_MAX = 8
"""Of each tool in one request."""
FETCHED_TOKENS_MAX = 25_000
"""Of one page: it is paid for on every later turn."""


def web_search(
    allowed: Sequence[str] | None = None, blocked: Sequence[str] = (), max_uses: int = USES_MAX
) -> dict[str, Any]:
    """The definition of WebSearch.

    Args:
        allowed: domains, their subdomains counted in; `None` for all of them.
        blocked: domains, where all others are allowed: the API takes one of the two.
    """
    return _definition("web_search_20250305", "web_search", allowed, blocked, max_uses)


def web_fetch(
    allowed: Sequence[str] | None = None, blocked: Sequence[str] = (), max_uses: int = USES_MAX
) -> dict[str, Any]:
    """The definition of WebFetch. Arguments as `web_search`."""
    tool = _definition("web_fetch_20250910", "web_fetch", allowed, blocked, max_uses)
    return {**tool, "max_content_tokens": FETCHED_TOKENS_MAX}


def _definition(
    kind: str, name: str, allowed: Sequence[str] | None, blocked: Sequence[str], max_uses: int
) -> dict[str, Any]:
    if allowed is not None and not allowed:
        raise ValueError(f"{name} with no domain at all would be let loose on every one: do not offer it")
    tool: dict[str, Any] = {"type": kind, "name": name, "max_uses": max_uses}
    # Sorted: siblings with the same rules are to have the same bytes.
    if allowed is not None:
        tool["allowed_domains"] = sorted(set(allowed))
    elif blocked:
        tool["blocked_domains"] = sorted(set(blocked))
    return tool
