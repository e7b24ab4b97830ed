"""Siblings of one run through the `run_agent` Activity: the shared prefix is paid once and read by all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from .conftest import Stage

CONTEXT = ["".join(f"fact {number} of many\n" for number in range(2800))]
"""About 50 KB."""


async def siblings(stage: Stage, count: int, *, wide: int = 16, **given: Any) -> list[Any]:
    places = asyncio.Semaphore(wide)

    async def one(number: int) -> Any:
        async with places:
            return await stage.run(f"Work {number}.", agent=f"a{number}", context=CONTEXT, **given)

    return await asyncio.gather(*(one(number) for number in range(count)))


async def test_the_shared_context_is_written_once_and_read_by_every_sibling(stage: Stage) -> None:
    stage.api.control(latency_s=0.1)
    results = await siblings(stage, 40)
    written = [result.usage.cache_creation_input_tokens for result in results]
    read = [result.usage.cache_read_input_tokens for result in results]
    assert sorted(written)[:-1] == [0] * 39
    assert sorted(read) == [0, *[max(written)] * 39]
    assert max(written) >= 12_000


async def test_width_is_lost_only_until_the_first_response_has_begun(stage: Stage) -> None:
    stage.api.control(latency_s=0.3)
    await siblings(stage, 33, wide=16)
    first, second, *_ = [request["received"] for request in stage.api.requests()]
    assert second - first >= 0.3
    assert stage.api.summary()["in_flight_max"] >= 15


async def test_a_first_one_that_fails_hands_over_and_no_sibling_fails_with_it(stage: Stage) -> None:
    stage.api.control(latency_s=0.1, rules=[{"times": 2, "fault": {"status": 529}}])
    ended = await asyncio.gather(
        *(stage.run(f"Work {n}.", agent=f"a{n}", context=CONTEXT) for n in range(10)), return_exceptions=True
    )
    failed = [error for error in ended if isinstance(error, ApplicationError)]
    assert [error.type for error in failed] == ["overloaded_error"] * 2
    written = [one.usage.cache_creation_input_tokens for one in ended if not isinstance(one, BaseException)]
    assert len(written) == 8
    assert sum(count > 0 for count in written) == 1


async def test_a_first_one_that_is_stopped_hands_over(stage: Stage, until: Callable[..., Any]) -> None:
    stage.api.control(rules=[{"match": {"prompt_contains": "slow"}, "latency_s": 60}])
    first = asyncio.create_task(stage.run("slow", agent="a0", context=CONTEXT))
    await until(lambda: stage.api.summary()["in_flight"] == 1)
    second = asyncio.create_task(stage.run("quick", agent="a1", context=CONTEXT))
    await until(lambda: bool(stage.activities._api._prefixes._entries))
    assert len(stage.api.requests()) == 1
    first.cancel()
    await asyncio.wait([first])
    assert (await second).value


async def test_a_prefix_under_the_models_minimum_holds_nobody(stage: Stage) -> None:
    stage.api.control(latency_s=0.3)
    await asyncio.gather(*(stage.run("Work.", agent=f"a{n}", context=["short"]) for n in range(8)))
    assert stage.api.summary()["in_flight_max"] == 8


async def test_a_rate_limit_that_meets_the_first_one_is_waited_for_by_all(stage: Stage) -> None:
    stage.api.control(latency_s=0.1, rules=[{"times": 1, "fault": {"status": 429, "retry_after": 1}}])
    ended = await asyncio.gather(
        *(stage.run(f"Work {n}.", agent=f"a{n}", context=CONTEXT) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(error, ApplicationError) for error in ended) == 1
    written = [one.usage.cache_creation_input_tokens for one in ended if not isinstance(one, BaseException)]
    assert sum(count > 0 for count in written) == 1
    first, *others = [request["received"] for request in stage.api.requests()]
    assert min(others) - first >= 1


async def test_context_that_is_no_text_fails_the_agent_plainly(stage: Stage) -> None:
    with pytest.raises(ApplicationError) as raised:
        await stage.run(context=["x" * (5 * 1024 * 1024)])
    assert raised.value.type == "unusable_context"
    assert "4 MB" in raised.value.message
