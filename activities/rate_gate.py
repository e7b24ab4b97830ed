"""One gate per credential: after a rate limit nobody in this process asks on it before the limit is over.

And before it: the less a response says is left, the fewer requests are under way at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tenuto.workflows import failure_kinds as kinds

from .errors import RetryLater, Verdict
from .rate_limits import counters, exhausted_for_s

WAIT_HERE_S = 10.0
"""A longer wait frees the Activity's slot: Temporal starts the attempt again when it is over."""
SPREAD_S = 0.25
"""Those who waited do not all ask in the same instant."""


SCARCE = 0.25
"""Below this share of a limit in tokens, requests at once shrink in proportion to what is left."""
LOOK_S = 1.0
"""Who waits for room looks again after that: what was known of the limit may be over."""


class RateGate:
    """Closed until a moment of the monotonic clock; open, and so and so wide, when that has passed."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._kind = kinds.RATE_LIMIT
        self._message = ""
        self._inside = 0
        self._plenty = 1
        """Most requests at once while nothing was scarce."""
        self._room: float = float("inf")
        self._room_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def left_s(self) -> float:
        """Seconds until it opens; 0 when it is open."""
        return max(0.0, self._closed_until - time.monotonic())

    def close(self, seconds: float, kind: str = kinds.RATE_LIMIT, message: str = "") -> None:
        """Close for so long, or leave it closed for longer."""
        until = time.monotonic() + seconds
        if until > self._closed_until:
            self._closed_until, self._kind, self._message = until, kind, message

    def open(self) -> None:
        """Forget what the API said: somebody knows better."""
        self._closed_until = self._room_until = 0.0
        self._admit()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Slow down before the limit; an exhausted counter closes the gate until its reset."""
        now = time.time()
        wait = exhausted_for_s(headers, now)
        if wait:
            self.close(wait)
        room, reset_s = float("inf"), 0.0
        for counter in counters(headers, now):
            if counter.name == "requests":
                bound = counter.remaining
            elif counter.share < SCARCE:
                bound = self._plenty * counter.share / SCARCE
            else:
                continue
            if bound < max(room, self._plenty):
                reset_s = max(reset_s, counter.reset_s)
            room = min(room, bound)
        self._room, self._room_until = max(1.0, room), time.monotonic() + reset_s
        self._admit()

    def obey(self, verdict: Verdict) -> None:
        """Close as a verdict says."""
        if verdict.closes_gate and verdict.delay_s is not None:
            self.close(verdict.delay_s, verdict.kind, verdict.message)

    def check(self) -> None:
        """Raise `RetryLater` if it stays closed for more than `WAIT_HERE_S`."""
        left = self.left_s()
        if left > WAIT_HERE_S:
            until = _clock(left)
            message = f"the rate limit holds until {until} UTC" + (f": {self._message}" if self._message else "")
            raise RetryLater(self._kind, message, left + _spread())

    async def passage(self, say: Callable[[str], None]) -> None:
        """Wait until the gate is open. `say` is told what is being waited for.

        Raises:
            RetryLater: it stays closed for more than `WAIT_HERE_S`.
        """
        while (left := self.left_s()) > 0:
            self.check()
            say(f"waiting for the rate limit until {_clock(left)}")
            await asyncio.sleep(left + _spread())

    @asynccontextmanager
    async def place(self, say: Callable[[str], None]) -> AsyncIterator[None]:
        """One of the places of requests under way at once; `say` is told of a wait for one."""
        while self._inside >= self._wide():
            say("waiting for others: little is left of the rate limit")
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await asyncio.wait({turn}, timeout=LOOK_S)
            finally:
                if not turn.done():
                    turn.cancel()
        self._inside += 1
        if self._wide() == float("inf"):
            self._plenty = max(self._plenty, self._inside)
        try:
            yield
        finally:
            self._inside -= 1
            self._admit()

    def _wide(self) -> float:
        return self._room if time.monotonic() < self._room_until else float("inf")

    def _admit(self) -> None:
        """Wake as many as there is room for, in the order in which they came."""
        free = self._wide() - self._inside
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%H:%M:%S")


def _spread() -> float:
    return random.uniform(0, SPREAD_S)
