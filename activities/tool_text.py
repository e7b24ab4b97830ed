"""The definitions of an agent's tools as JSON, written out once for all requests that carry the same list."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

KEPT_MAX = 64

_kept: OrderedDict[int, tuple[Sequence[Any], bytes]] = OrderedDict()
"""By the identity of the list, which is kept with its text: siblings share one (`tools.belt.Offer`)."""


def tool_text(tools: Sequence[dict[str, Any]] | None) -> bytes:
    """JSON of a list that nobody changes any more; nothing for no tools."""
    if not tools:
        return b""
    kept = _kept.pop(id(tools), None) or (tools, json.dumps(tools, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    _kept[id(tools)] = kept
    if len(_kept) > KEPT_MAX:
        _kept.popitem(last=False)
    return kept[1]
