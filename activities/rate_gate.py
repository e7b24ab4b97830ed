"""One gate per credential: after a rate limit nobody in this process asks on it before the limit is over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tenuto.workflows import failure_kinds as kinds

from .errors import RetryLater, Verdict
from .rate_limits import exhausted_for_s

WAIT_HERE_S = 30.0
"""A longer wait frees the Activity's slot: Temporal starts the attempt again when it is over."""
SPREAD_S = 0.25
"""Those who waited do not all ask in the same instant."""


class RateGate:
    """Closed until a moment of the monotonic clock; open when that has passed."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._kind = kinds.RATE_LIMIT

    def left_s(self) -> float:
        """Seconds until it opens; 0 when it is open."""
        return max(0.0, self._closed_until - time.monotonic())

    def close(self, seconds: float, kind: str = kinds.RATE_LIMIT) -> None:
        """Close for so long, or leave it closed for longer."""
        until = time.monotonic() + seconds
        if until > self._closed_until:
            self._closed_until, self._kind = until, kind

    def learn(self, headers: Mapping[str, str]) -> None:
        """Slow down before the limit: an exhausted counter closes the gate until its reset."""
        wait = exhausted_for_s(headers, time.time())
        if wait:
            self.close(wait)

    def obey(self, verdict: Verdict) -> None:
        """Close as a verdict says."""
        if verdict.closes_gate and verdict.delay_s is not None:
            self.close(verdict.delay_s, verdict.kind)

    async def passage(self, say: Callable[[str], None]) -> None:
        """Wait until the gate is open. `say` is told what is being waited for.

        Raises:
            RetryLater: it stays closed for more than `WAIT_HERE_S`.
        """
        while (left := self.left_s()) > 0:
            until = datetime.fromtimestamp(time.time() + left, UTC).strftime("%H:%M:%S")
            if left > WAIT_HERE_S:
                raise RetryLater(self._kind, f"the rate limit holds until {until} UTC", left + _spread())
            say(f"waiting for the rate limit until {until}")
            await asyncio.sleep(left + _spread())


def _spread() -> float:
    return random.uniform(0, SPREAD_S)
