"""How much of a text a page shows."""

from __future__ import annotations

EXCERPT_CHARS = 1500
COSTLIEST = 20
"""Of a list that is told in part."""


def excerpt(text: str) -> str:
    """The beginning of a long text, and that there is more."""
    if len(text) <= EXCERPT_CHARS:
        return text
    return f"{text[:EXCERPT_CHARS]}\n… and {len(text) - EXCERPT_CHARS:,} more characters"
