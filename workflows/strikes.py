"""How often a step of a run went over its limit in this process. Deliberately outside any Workflow's memory."""

from __future__ import annotations

import threading
from collections import OrderedDict

OUT = 2
"""Strikes after which a step ends its run."""
_KEPT = 10_000

_strikes: OrderedDict[tuple[str, int], int] = OrderedDict()
_lock = threading.Lock()


def count(run_id: str, step: int) -> int:
    """Add a strike and return how many there are."""
    with _lock:
        strikes = _strikes.pop((run_id, step), 0) + 1
        _strikes[run_id, step] = strikes
        while len(_strikes) > _KEPT:
            _strikes.popitem(last=False)
        return strikes


def forget() -> None:
    """Start over, as a new process would."""
    with _lock:
        _strikes.clear()
