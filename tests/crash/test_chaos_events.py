"""A Worker killed at every event of a run that uses everything: by default at seeded ones, all with `full`.

`TENUTO_CHAOS=full` takes every event, one run each; `TENUTO_CHAOS=N` takes every Nth. Without it each dialect has one
run with several kills. `TENUTO_CHAOS_SEED` is the seed of what is drawn.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from temporalio.client import Client

from .bench import Bench
from .disturbed import Calm, reach, run
from .evidence import holds, write_down

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

SEED = int(os.environ.get("TENUTO_CHAOS_SEED", "1"))
HOW = os.environ.get("TENUTO_CHAOS", "")
SCRIPTS = ("everything.py", "everything.js")
EVENTS_MAX = 400
"""More than the run has; a kill at an event that never comes is skipped, and says so."""
DRAWN_MAX, KILLS = 330, 3
HISTORY_EVENTS = 60


def moments() -> list[tuple[str, tuple[int, ...]]]:
    """Scripts, each with the events at which the Worker is killed."""
    if HOW:
        step = 1 if HOW == "full" else int(HOW)
        return [(script, (event,)) for script in SCRIPTS for event in range(2, EVENTS_MAX, step)]
    chance = random.Random(SEED)
    return [(script, tuple(sorted(chance.sample(range(2, DRAWN_MAX), KILLS)))) for script in SCRIPTS]


@pytest.mark.parametrize(("script", "events"), moments(), ids=lambda value: str(value).replace(" ", ""))
async def test_the_result_is_the_same_and_nothing_happens_twice(
    bench: Bench, calm: Calm, script: str, events: tuple[int, ...]
) -> None:
    expected = await calm.of(script)
    worker = bench.one_worker()
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
    ran = await run(bench, script, name, kill)
    holds(ran, expected, bench, (script, killed))
    write_down("Worker killed at events", ran, expected, script=script, at=killed)


@pytest.mark.parametrize("script", SCRIPTS)
async def test_every_primitive_comes_through_new_histories(bench: Bench, calm: Calm, script: str) -> None:
    """Each of them is small: whatever the run is doing, some history ends in it."""
    expected = await calm.of(script)
    bench.one_worker()
    name = f"wf_histories_{script[-2:]}"
    ran = await run(bench, script, name, TENUTO_HISTORY_EVENTS_MAX=str(HISTORY_EVENTS))
    said = bench.tenuto.json("logs", name)["lines"]
    assert [line for line in said if "goes on in history" in line], "it all fitted into one"
    holds(ran, expected, bench, (script, "histories"))
    write_down("Histories of some events each", ran, expected, script=script)
