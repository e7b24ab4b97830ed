"""What a run stands on goes away for a while: the server, the way to it, the disk, one of two Workers."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time

import pytest
from temporalio.client import Client

from ..cli.command import until
from .bench import Bench
from .cuttable import Cuttable
from .disturbed import Calm, cut_off, reach, run
from .evidence import holds, write_down

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

SEED = int(os.environ.get("TENUTO_CHAOS_SEED", "1"))
AWAY_S = 5.0
"""Shorter than the heartbeat timeout: then nothing needs to be asked for twice, and nothing may be."""


async def test_the_server_is_killed_and_comes_back(bench: Bench, calm: Calm) -> None:
    expected = await calm.of("everything.py")
    bench.one_worker()
    at = sorted(random.Random(SEED).sample(range(2, 320), 2))

    async def kill(client: Client, run_id: str) -> list[float]:
        for event in at:
            await reach(client, run_id, event)
            bench.kill_server()
            await asyncio.to_thread(bench.start_server)
        return []

    ran = await run(bench, "everything.py", "wf_server", kill)
    holds(ran, expected, bench, ("server", at))
    write_down("Server killed at events", ran, expected, at=at)


async def test_the_worker_is_cut_off_from_the_server(bench: Bench, calm: Calm) -> None:
    expected = await calm.of("everything.js")
    bench.end()
    at = random.Random(SEED).randrange(2, 320)
    async with Cuttable("127.0.0.1", bench.port) as way:
        bench.start_worker(TEMPORAL_ADDRESS=way.address)

        ran = await run(bench, "everything.js", "wf_cut", cut_off(way, at, AWAY_S))
        holds(ran, expected, bench, ("cut off", at))
        assert way.refused > 0, "it was not cut off for long enough to be noticed"
    write_down("Worker cut off from the server", ran, expected, at=at, away_s=AWAY_S)


@pytest.mark.parametrize("whose", ["worker", "all"])
async def test_the_disk_is_full_for_a_while(bench: Bench, calm: Calm, whose: str) -> None:
    """A file may grow no further, which is what a full disk is to a process and needs no rights to arrange."""
    expected = await calm.of("wide.py")
    worker = bench.one_worker()
    asked = random.Random(SEED).randrange(4, 30)
    assert bench.server is not None
    pids = (worker.pid,) if whose == "worker" else (worker.pid, bench.server.pid)

    def says_why() -> bool:
        return "waiting for the store" in (bench.tenuto.json("show", f"wf_full_{whose}")["trouble"] or "")

    async def fill(_client: Client, _run_id: str) -> list[float]:
        await asyncio.to_thread(until, lambda: len(bench.api.requests()) >= asked)
        before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        await asyncio.sleep(AWAY_S)
        if whose == "worker":
            await asyncio.to_thread(until, says_why)
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        return []

    ran = await run(bench, "wide.py", f"wf_full_{whose}", fill)
    holds(ran, expected, bench, ("disk full", whose, asked))
    write_down(f"Disk full for {whose}", ran, expected, asked=asked, away_s=AWAY_S)


async def test_one_of_two_workers_is_killed_and_the_other_does_the_rest(bench: Bench, calm: Calm) -> None:
    expected = await calm.of("everything.py")
    chance = random.Random(SEED)
    bench.end()
    workers = [bench.start_worker(), bench.start_worker()]
    at, victim = chance.randrange(2, 320), chance.choice(workers)

    async def kill(client: Client, run_id: str) -> list[float]:
        await reach(client, run_id, at)
        moment = time.time()
        bench.kill_worker(victim)
        return [moment]

    ran = await run(bench, "everything.py", "wf_two", kill)
    holds(ran, expected, bench, ("one of two", at))
    write_down("One of two Workers killed", ran, expected, at=at)
