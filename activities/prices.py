"""Dollars of a request, from the price list that ships with `genai-prices` (no network).

Prices are tiered by request (long context costs more), so they are reckoned per request, never on a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from genai_prices import Usage, calc_price

PROVIDER = "anthropic"
CLASSES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def cost(model: str, usage: Mapping[str, Any]) -> float | None:
    """Dollars of one request by the `usage` object of its response, or `None` for a model without a known price."""
    if not known(model):
        return None
    listed = listed_id(model)
    return sum(_price(listed, _counted(part)) for part in _billed(usage))


def tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    """Billed tokens of one request by class, by the `usage` object of its response."""
    parts = list(_billed(usage))
    return {name: sum(part.get(name) or 0 for part in parts) for name in CLASSES}


@lru_cache(maxsize=512)
def known(model: str) -> bool:
    """Whether the price list has this model."""
    try:
        _price(listed_id(model), (("input_tokens", 1), ("output_tokens", 1)))
    except LookupError:
        return False
    return True


def _billed(usage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The samplings that are billed: the answer, and each compaction on the way to it.

    Compactions stand in `iterations` alone; the totals leave them out (API documentation, "Compaction at a token
    threshold").
    """
    yield usage
    for part in usage.get("iterations") or ():
        if part.get("type") == "compaction":
            yield part


def _counted(usage: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """The counts of one sampling, by the library's names."""
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    counts = {
        # The library counts cached tokens into the input; the API counts them beside it.
        "input_tokens": (usage.get("input_tokens") or 0) + read + written,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "web_searches": (usage.get("server_tool_use") or {}).get("web_search_requests"),
    }
    return tuple((name, count) for name, count in counts.items() if count)


@lru_cache(maxsize=4096)
def _price(model: str, counts: tuple[tuple[str, int], ...]) -> float:
    """Kept, since the library takes a third of a millisecond, and siblings often have the same counts."""
    return float(calc_price(Usage(**dict(counts)), model, provider_id=PROVIDER).total_price)


def listed_id(model: str) -> str:
    """The model's own id within a platform's: `us.anthropic.claude-x-v1:0`, `claude-x@20260101`."""
    name = model.rpartition("anthropic.")[2]
    return name.partition("@")[0].removesuffix("-v1:0")
