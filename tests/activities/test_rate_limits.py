"""Reading rate-limit headers, and the gate that obeys them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from tenuto.activities.errors import RetryLater, Verdict
from tenuto.activities.rate_gate import WAIT_HERE_S, RateGate
from tenuto.activities.rate_limits import LONGEST_WAIT_S, exhausted_for_s, retry_after_s

NOW = 1_790_000_000.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "1e99"}, LONGEST_WAIT_S),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}, 10.0),
    ],
)
def test_retry_after_is_seconds_milliseconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


def test_only_an_exhausted_counter_makes_wait() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "12",
        "anthropic-ratelimit-requests-reset": at(50),
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": at(20),
    }
    assert exhausted_for_s(headers, NOW) == 20.0
    assert exhausted_for_s({**headers, "anthropic-ratelimit-input-tokens-remaining": "1"}, NOW) is None
    assert exhausted_for_s({"anthropic-ratelimit-requests-remaining": "0"}, NOW) is None


async def test_a_closed_gate_lets_nobody_through_before_its_time() -> None:
    gate = RateGate()
    gate.close(0.2)
    gate.close(0.05)
    said: list[str] = []
    started = time.monotonic()
    await asyncio.gather(*(gate.passage(said.append) for _ in range(20)))
    assert time.monotonic() - started >= 0.2
    assert len(said) == 20
    assert all(line.startswith("waiting for the rate limit until ") for line in said)


async def test_a_long_wait_gives_the_slot_back() -> None:
    gate = RateGate()
    gate.obey(Verdict("retry", "quota", "m", WAIT_HERE_S + 10, closes_gate=True))
    with pytest.raises(RetryLater) as raised:
        await gate.passage(lambda _doing: None)
    assert raised.value.kind == "quota"
    assert WAIT_HERE_S < raised.value.delay_s <= WAIT_HERE_S + 11


async def test_an_overloaded_api_closes_no_gate() -> None:
    gate = RateGate()
    gate.obey(Verdict("retry", "overloaded_error", "m", 20.0))
    assert gate.left_s() == 0.0
    await gate.passage(pytest.fail)


async def test_an_exhausted_counter_closes_the_gate_until_its_reset() -> None:
    gate = RateGate()
    reset = datetime.fromtimestamp(time.time() + 25, UTC).isoformat()
    gate.learn({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": reset})
    assert 20 < gate.left_s() <= 25


def shown(name: str, remaining: int, limit: int = 100, reset_s: float = 3600) -> dict[str, str]:
    reset = datetime.fromtimestamp(time.time() + reset_s, UTC).isoformat()
    prefix = f"anthropic-ratelimit-{name}"
    return {f"{prefix}-limit": str(limit), f"{prefix}-remaining": str(remaining), f"{prefix}-reset": reset}


async def most_at_once(gate: RateGate, n: int) -> int:
    inside = most = 0

    async def ask() -> None:
        nonlocal inside, most
        async with gate.place(lambda _doing: None):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(n)))
    return most


@pytest.mark.parametrize(
    ("headers", "most"),
    [
        (shown("requests", 90), 40),
        (shown("requests", 3), 3),
        (shown("requests", 3, reset_s=0), 40),
        (shown("input-tokens", 30_000, 100_000), 40),
        (shown("input-tokens", 5_000, 100_000), 8),
        (shown("output-tokens", 100, 100_000), 1),
        ({**shown("input-tokens", 5_000, 100_000), **shown("requests", 5)}, 5),
    ],
)
async def test_the_less_is_left_the_fewer_ask_at_once(headers: dict[str, str], most: int) -> None:
    gate = RateGate()
    assert await most_at_once(gate, 40) == 40
    gate.learn(headers)
    assert await most_at_once(gate, 40) == most


async def test_a_place_is_given_back_by_whoever_is_cancelled_while_waiting() -> None:
    gate = RateGate()
    gate.learn(shown("requests", 1))
    async with gate.place(lambda _doing: None):
        waiting = asyncio.create_task(most_at_once(gate, 3))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert await most_at_once(gate, 3) == 1
