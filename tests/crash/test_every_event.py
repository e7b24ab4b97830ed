"""A Worker killed at every event of a run that uses everything: by default at seeded ones, all with `full`.

`TENUTO_CHAOS=full` takes every event, one run each; `TENUTO_CHAOS=N` takes every Nth. Without it each dialect has one
run with several kills. `TENUTO_CHAOS_SEED` is the seed of what is drawn.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from temporalio.client import Client

from tenuto.worker.simulated_api import SimulatedApi

from .bench import Bench
from .disturbed import Ran, reach, run
from .evidence import holds, write_down

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

SEED = int(os.environ.get("TENUTO_CHAOS_SEED", "1"))
HOW = os.environ.get("TENUTO_CHAOS", "")
SCRIPTS = ("everything.py", "everything.js")
EVENTS_MAX = 400
"""More than the run has; a kill at an event that never comes is skipped, and says so."""
DRAWN_MAX, KILLS = 330, 3
LATENCY_S = 0.05


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with SimulatedApi.in_thread() as api:
        made = Bench(tmp_path_factory.mktemp("chaos"), api)
        made.start_server()
        try:
            yield made
        finally:
            made.end(server=True)
            assert made.strays() == []


@pytest.fixture(scope="module")
def calm() -> dict[str, Ran]:
    """The undisturbed runs, by script."""
    return {}


async def undisturbed(bench: Bench, calm: dict[str, Ran], script: str) -> Ran:
    if script not in calm:
        calm[script] = await run(bench, script, f"wf_calm_{script[-2:]}", latency_s=LATENCY_S)
    return calm[script]


def moments() -> list[tuple[str, tuple[int, ...]]]:
    """Scripts, each with the events at which the Worker is killed."""
    if HOW:
        step = 1 if HOW == "full" else int(HOW)
        return [(script, (event,)) for script in SCRIPTS for event in range(2, EVENTS_MAX, step)]
    chance = random.Random(SEED)
    return [(script, tuple(sorted(chance.sample(range(2, DRAWN_MAX), KILLS)))) for script in SCRIPTS]


@pytest.mark.parametrize(("script", "events"), moments(), ids=lambda value: str(value).replace(" ", ""))
async def test_the_result_is_the_same_and_nothing_happens_twice(
    bench: Bench, calm: dict[str, Ran], script: str, events: tuple[int, ...]
) -> None:
    worker = bench.workers[0] if bench.workers else bench.start_worker()
    expected = await undisturbed(bench, calm, script)
    killed: list[int] = []

    async def kill(client: Client, run_id: str) -> list[float]:
        nonlocal worker
        moments = []
        for event in events:
            if not await reach(client, run_id, event):
                break
            moments.append(time.time())
            bench.kill_worker(worker)
            worker = bench.start_worker()
            killed.append(event)
        return moments

    name = f"wf_{script[-2:]}_{'_'.join(map(str, events))}"
    ran = await run(bench, script, name, kill, latency_s=LATENCY_S)
    holds(ran, expected, bench, (script, killed))
    write_down("Worker killed at events", ran, expected, script=script, at=killed)
