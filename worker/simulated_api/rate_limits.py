"""Rate limits per credential, and the headers that show them: token buckets that refill continuously, as documented."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from .errors import ApiError
from .rules import Limits

SHOWN_WITHOUT_LIMIT = 4_000_000
"""Per minute, in the headers, where no limit is set."""
_CLASSES = ("requests", "input-tokens", "output-tokens")


class _Bucket:
    """`capacity` units, refilled once a minute, continuously."""

    def __init__(self, capacity: int | None, now: float) -> None:
        self.limited = capacity is not None
        self.capacity = capacity or SHOWN_WITHOUT_LIMIT
        self.level = float(self.capacity)
        self.at = now

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.capacity / 60)
        self.at = now

    def seconds_to(self, units: float) -> float:
        return max(0.0, (min(units, self.capacity) - self.level) * 60 / self.capacity)


class RateLimits:
    """The buckets of every credential. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits = Limits()
        self._keys: dict[str, tuple[_Bucket, _Bucket, _Bucket]] = {}
        self._stamps: dict[int, bytes] = {}

    def set(self, limits: Limits) -> None:
        """Start over, with full buckets of these sizes."""
        self._limits = limits
        self._keys.clear()

    @property
    def limits(self) -> Limits:
        """Those in force."""
        return self._limits

    def admit(self, key: str, input_tokens: int) -> None:
        """Take one request and its input out of the buckets.

        Raises:
            ApiError: status 429 with `retry-after`, the whole seconds until it would fit.
        """
        requests, inputs, outputs = buckets = self._buckets(key)
        for bucket, needed, what in (
            (requests, 1, "requests"),
            (inputs, input_tokens, "input tokens"),
            (outputs, 1, "output tokens"),
        ):
            wait = bucket.seconds_to(needed) if bucket.limited else 0.0
            if wait > 0:
                raise ApiError(
                    429,
                    f"This request would exceed your organization's rate limit of {bucket.capacity} {what} per minute.",
                    headers={"retry-after": str(math.ceil(wait))},
                )
        buckets[0].level -= 1
        buckets[1].level -= input_tokens

    def used(self, key: str, output_tokens: int) -> None:
        """Take output out of its bucket, once it was made."""
        self._buckets(key)[2].level -= output_tokens

    def headers(self, key: str) -> list[tuple[bytes, bytes]]:
        """The `anthropic-ratelimit-*` headers of a response."""
        buckets = self._buckets(key)
        found: list[tuple[bytes, bytes]] = []
        for name, bucket in zip(_CLASSES, buckets, strict=True):
            found.extend(self._three(name, bucket.capacity, bucket.level, bucket.seconds_to(bucket.capacity)))
        _, inputs, outputs = buckets
        wait = max(inputs.seconds_to(inputs.capacity), outputs.seconds_to(outputs.capacity))
        found.extend(self._three("tokens", inputs.capacity + outputs.capacity, inputs.level + outputs.level, wait))
        return found

    def _buckets(self, key: str) -> tuple[_Bucket, _Bucket, _Bucket]:
        now = self._clock()
        buckets = self._keys.get(key)
        if buckets is None:
            limits = self._limits
            buckets = self._keys[key] = (
                _Bucket(limits.requests, now),
                _Bucket(limits.input_tokens, now),
                _Bucket(limits.output_tokens, now),
            )
        for bucket in buckets:
            bucket.refill(now)
        return buckets

    def _three(self, name: str, limit: int, level: float, wait: float) -> list[tuple[bytes, bytes]]:
        prefix = b"anthropic-ratelimit-" + name.encode()
        return [
            (prefix + b"-limit", b"%d" % limit),
            (prefix + b"-remaining", b"%d" % max(0, int(level))),
            (prefix + b"-reset", self._stamp(math.ceil(self._clock() + wait))),
        ]

    def _stamp(self, second: int) -> bytes:
        """RFC 3339 time of a Unix second; the same few are asked for again and again."""
        stamp = self._stamps.get(second)
        if stamp is None:
            if len(self._stamps) > 1000:
                self._stamps.clear()
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            stamp = self._stamps[second] = text.encode()
        return stamp
