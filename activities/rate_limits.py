"""What response headers say about waiting: `retry-after`, and the `anthropic-ratelimit-*` family. Pure.

Source: the rate limits page of the API documentation. Times come back as seconds from `now`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 7 * 24 * 3600.0
"""No header makes anyone wait longer; afterwards the API is simply asked again."""

LIMITED = ("requests", "tokens", "input-tokens", "output-tokens")
"""The counters that have `-remaining` and `-reset` headers."""


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the response asks to wait: `retry-after-ms`, else `retry-after` (seconds or a date)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return _bounded(seconds)
    if text is None:
        return None
    try:
        return _bounded(parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def exhausted_for_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until every exhausted counter is reset, or `None` if none is exhausted.

    `anthropic-ratelimit-unified-*` (subscriptions) has a status instead of a count and its reset in Unix seconds.
    """
    waits = [
        _until(headers.get(f"anthropic-ratelimit-{name}-reset"), now)
        for name in LIMITED
        if headers.get(f"anthropic-ratelimit-{name}-remaining") == "0"
    ]
    if headers.get("anthropic-ratelimit-unified-status") == "rejected":
        waits.append(_until(headers.get("anthropic-ratelimit-unified-reset"), now))
    return max((wait for wait in waits if wait is not None), default=None)


@dataclass(frozen=True, slots=True)
class Counter:
    """One limit as a response shows it."""

    name: str
    limit: float
    remaining: float
    reset_s: float
    """Seconds until it is full again."""

    @property
    def share(self) -> float:
        """How much of it is left, 0 to 1."""
        return self.remaining / self.limit if self.limit else 0.0


def counters(headers: Mapping[str, str], now: float) -> list[Counter]:
    """The limits that the response shows in full."""
    found = []
    for name in LIMITED:
        prefix = f"anthropic-ratelimit-{name}"
        limit, remaining = _number(headers.get(f"{prefix}-limit")), _number(headers.get(f"{prefix}-remaining"))
        reset = _until(headers.get(f"{prefix}-reset"), now)
        if limit is not None and remaining is not None and reset is not None:
            found.append(Counter(name, limit, remaining, reset))
    return found


def _until(reset: str | None, now: float) -> float | None:
    seconds = _number(reset)
    if seconds is not None:
        return _bounded(seconds - now)
    try:
        return _bounded(datetime.fromisoformat(reset or "").timestamp() - now)
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
