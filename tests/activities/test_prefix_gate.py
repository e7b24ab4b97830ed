"""Who is held before a shared prefix, who leads, and for how long at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tenuto.activities import prefix_gate
from tenuto.activities.prefix_gate import Passage, PrefixGate

WRITTEN = {"cache_creation_input_tokens": 5000, "cache_read_input_tokens": 0}
NOTHING = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


class Siblings:
    """Agents at one gate, in the order in which they were let through."""

    def __init__(self, gate: PrefixGate, key: str | None = "prefix") -> None:
        self.gate, self.key = gate, key
        self.through: list[tuple[int, Passage]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def arrive(self, count: int) -> None:
        self.tasks += [asyncio.create_task(self._pass(len(self.tasks) + number)) for number in range(count)]

    async def _pass(self, number: int) -> None:
        self.through.append((number, await self.gate.passage(self.key)))

    async def settle(self) -> list[int]:
        """Who is through once nothing moves any more."""
        for _ in range(300):
            await asyncio.sleep(0)
        return [number for number, _ in self.through]


@pytest.fixture
def gate() -> PrefixGate:
    return PrefixGate()


async def test_siblings_wait_until_the_first_ones_response_has_begun(gate: PrefixGate) -> None:
    siblings = Siblings(gate)
    siblings.arrive(100)
    assert await siblings.settle() == [0]
    siblings.through[0][1].begun(WRITTEN)
    assert await siblings.settle() == list(range(100))


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_when_the_first_one_fails_the_next_one_leads_at_once(gate: PrefixGate, ending: str) -> None:
    siblings = Siblings(gate)
    siblings.arrive(5)
    await siblings.settle()
    for number in range(3):
        assert [who for who, _ in siblings.through] == list(range(number + 1)), ending
        siblings.through[number][1].ended()
        await siblings.settle()
    siblings.through[3][1].begun(WRITTEN)
    siblings.through[3][1].ended()
    assert await siblings.settle() == [0, 1, 2, 3, 4]


async def test_one_that_is_cancelled_while_it_waits_holds_nobody_up(gate: PrefixGate) -> None:
    siblings = Siblings(gate)
    siblings.arrive(4)
    await siblings.settle()
    siblings.tasks[1].cancel()
    siblings.through[0][1].ended()
    assert await siblings.settle() == [0, 2]


async def test_a_silent_leader_gives_way_and_nobody_waits_without_end(
    gate: PrefixGate, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(prefix_gate, "LEAD_S", 0.2)
    monkeypatch.setattr(prefix_gate, "WAIT_S", 0.5)
    started = time.monotonic()
    siblings = Siblings(gate)
    siblings.arrive(20)
    await until(lambda: len(siblings.through) >= 2)
    assert time.monotonic() - started >= 0.2
    await until(lambda: len(siblings.through) == 20)
    assert time.monotonic() - started >= 0.5


async def test_an_entry_is_warm_for_five_minutes_from_its_last_use() -> None:
    clock = [0.0]
    gate = PrefixGate(lambda: clock[0])
    siblings = Siblings(gate)
    siblings.arrive(1)
    await siblings.settle()
    siblings.through[0][1].begun(WRITTEN)
    for at in (200.0, 400.0, 600.0):
        clock[0] = at
        siblings.arrive(2)
        await siblings.settle()
        assert len(siblings.through) == len(siblings.tasks)
        siblings.through[-1][1].begun({"cache_read_input_tokens": 5000})
    clock[0] = 901.0
    siblings.arrive(2)
    await siblings.settle()
    assert len(siblings.through) == len(siblings.tasks) - 1


async def test_a_prefix_that_the_api_does_not_cache_holds_nobody(gate: PrefixGate) -> None:
    siblings = Siblings(gate)
    siblings.arrive(1)
    await siblings.settle()
    siblings.through[0][1].begun(NOTHING)
    siblings.arrive(9)
    assert len(await siblings.settle()) == 10


async def test_other_prefixes_and_requests_without_one_are_not_held(gate: PrefixGate) -> None:
    first, other, free = Siblings(gate, "one"), Siblings(gate, "two"), Siblings(gate, None)
    for siblings in (first, other):
        siblings.arrive(2)
        assert await siblings.settle() == [0]
    free.arrive(5)
    assert await free.settle() == [0, 1, 2, 3, 4]
    for _, passage in free.through:
        passage.begun(WRITTEN)
        passage.ended()


async def test_only_so_many_prefixes_are_remembered(gate: PrefixGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_gate, "PREFIXES_MAX", 3)
    for number in range(10):
        (await gate.passage(f"prefix {number}")).begun(WRITTEN)
    assert len(gate._entries) == 3
