"""WebSearch and WebFetch: the API's own server tools, which it runs itself.

The first versions of each, without dynamic filtering: every model takes them, and they need no code execution
(`web_search_20250305`, `web_fetch_20250910` in anthropic 2.11; later versions differ in fields that are not used here).
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


def web_search(allowed_domains: Sequence[str] = (), max_uses: int = USES_MAX) -> dict[str, Any]:
    """The definition of WebSearch. No domains means all of them."""
    return _definition("web_search_20250305", "web_search", allowed_domains, max_uses)


def web_fetch(allowed_domains: Sequence[str] = (), max_uses: int = USES_MAX) -> dict[str, Any]:
    """The definition of WebFetch. No domains means all of them."""
    tool = _definition("web_fetch_20250910", "web_fetch", allowed_domains, max_uses)
    return {**tool, "max_content_tokens": FETCHED_TOKENS_MAX}


def _definition(kind: str, name: str, domains: Sequence[str], max_uses: int) -> dict[str, Any]:
    tool: dict[str, Any] = {"type": kind, "name": name, "max_uses": max_uses}
    if domains:
        # Sorted: siblings with the same rules are to have the same bytes.
        tool["allowed_domains"] = sorted(set(domains))
    return tool
