"""What differs between models: what their prompt cache keeps, how much they read, whether the API compacts for them.

Sources: the pages "Prompt caching", "Context windows" and "Compaction at a token threshold" of the API documentation,
October 2026; a model newer than these pages has its predecessor's values. Unknown models get the careful value.
"""

from __future__ import annotations

from .prices import listed_id

CACHE_TOKENS_MIN: tuple[tuple[str, int], ...] = (
    ("claude-fable-5", 512),
    ("claude-mythos-5", 512),
    ("claude-opus-5", 512),
    ("claude-sonnet-5", 1024),
    ("claude-opus-4-8", 1024),
    ("claude-sonnet-4", 1024),
    ("claude-opus-4-1", 1024),
    ("claude-opus-4-7", 2048),
    ("claude-mythos-preview", 2048),
    ("claude-3", 2048),
    ("claude-haiku", 4096),
    ("claude-opus-4-6", 4096),
    ("claude-opus-4-5", 4096),
)
"""Shortest prefix in tokens that is kept, by the start of the model's id."""
CACHE_TOKENS_MIN_ELSE = 4096

CONTEXT_TOKENS: tuple[tuple[str, int], ...] = (
    ("claude-fable-5", 1_000_000),
    ("claude-mythos", 1_000_000),
    ("claude-opus-5", 1_000_000),
    ("claude-sonnet-5", 1_000_000),
    ("claude-haiku-5", 1_000_000),
    ("claude-opus-4-8", 1_000_000),
    ("claude-opus-4-7", 1_000_000),
    ("claude-opus-4-6", 1_000_000),
    ("claude-sonnet-4-6", 1_000_000),
)
"""Context window in tokens, by the start of the model's id."""
CONTEXT_TOKENS_ELSE = 200_000

_NOT_COMPACTED = (
    "claude-3",
    "claude-opus-4-5",
    "claude-opus-4-1",
    "claude-opus-4-0",
    "claude-opus-4-2",
    "claude-sonnet-4-5",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-haiku-4-5",
)
"""Models for which the API does not compact; `-4-2…` are the dated ids of version 4.0."""


def cache_tokens_min(model: str) -> int:
    """Tokens that a prefix must have to be kept in the prompt cache."""
    return _by_start(model, CACHE_TOKENS_MIN, CACHE_TOKENS_MIN_ELSE)


def context_tokens(model: str) -> int:
    """Tokens of the model's context window, input and output together."""
    return _by_start(model, CONTEXT_TOKENS, CONTEXT_TOKENS_ELSE)


def compacts(model: str) -> bool:
    """Whether the API is likely to compact for this model; what it refuses in the end is learnt by asking."""
    return not listed_id(model).startswith(_NOT_COMPACTED)


def _by_start(model: str, table: tuple[tuple[str, int], ...], otherwise: int) -> int:
    name = listed_id(model)
    return next((value for start, value in table if name.startswith(start)), otherwise)
