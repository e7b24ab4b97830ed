"""Dollars of a request, from the price list that ships with `genai-prices` (no network).

Prices are tiered by request (long context costs more), so they are reckoned per request, never on a sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from genai_prices import Usage, calc_price

PROVIDER = "anthropic"


def cost(model: str, usage: Mapping[str, Any]) -> float | None:
    """Dollars of one request by the `usage` object of its response, or `None` for a model without a known price."""
    if not known(model):
        return None
    return _price(_listed(model), usage)


@lru_cache(maxsize=512)
def known(model: str) -> bool:
    """Whether the price list has this model."""
    try:
        _price(_listed(model), {"input_tokens": 1, "output_tokens": 1})
    except LookupError:
        return False
    return True


def _price(model: str, usage: Mapping[str, Any]) -> float:
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    by_ttl = usage.get("cache_creation") or {}
    tokens = Usage(
        # The library counts cached tokens into the input; the API counts them beside it.
        input_tokens=(usage.get("input_tokens") or 0) + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=by_ttl.get("ephemeral_1h_input_tokens") or None,
        output_tokens=usage.get("output_tokens") or 0,
    )
    return float(calc_price(tokens, model, provider_id=PROVIDER).total_price)


def _listed(model: str) -> str:
    """The model's own id within a platform's: `us.anthropic.claude-x-v1:0`, `claude-x@20260101`."""
    name = model.rpartition("anthropic.")[2]
    return name.partition("@")[0].removesuffix("-v1:0")
