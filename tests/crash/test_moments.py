"""A Worker killed at one event of a small run's history after the other, whatever the run was doing just then."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from tenuto.worker.service import service as embedded

from ..e2e.served import Served, ended, finished_before

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

SMALL = """from tenuto import Meta, agent, log, sleep
meta = Meta(name="small", description="One after the other")
async def main(args):
    first = await agent("small task 1")
    log("half")
    await sleep(0.1)
    second = await agent("small task 2")
    return [first, second]
"""
MOMENTS = (2, 5, 7, 11, 16)
"""Events in the history when the Worker is killed: the run was accepted, its first agent asked, that agent answered,
the timer set, the second agent asked."""


@pytest.fixture(scope="module")
def undisturbed(service: Served) -> Any:
    service.tenuto.script("small.py", SMALL)
    return ended(service.follow("run", "small.py", "--json"))["result"]


@pytest.mark.parametrize("events", MOMENTS)
def test_the_result_is_the_same_and_nothing_finished_is_asked_again(
    served: Served, undisturbed: Any, events: int
) -> None:
    served.tenuto("down")  # a supervisor that saw no Worker die yet: repeated deaths are waited out
    (worker,) = served.tenuto.json("up")["worker_pids"]
    served.api.control(latency_s=0.1)
    run_id = f"wf_moment_{events}"
    follower = served.follow("run", "small.py", "--json", "--id", run_id)
    asyncio.run(_reach(_address(served), run_id, events))
    killed_at = time.time()
    os.kill(worker, signal.SIGKILL)
    report = ended(follower)
    assert report["result"] == undisturbed
    assert report["census"]["done"] == 2
    finished = finished_before(served.history(run_id), killed_at)
    counts = Counter(record["prompt"] for record in served.asked("small"))
    labels = {agent["id"]: agent["label"] for agent in report["agents"]}
    assert all(counts[labels[agent]] == 1 for agent in finished)
    assert max(counts.values()) <= 2


async def _reach(address: str, run_id: str, events: int) -> None:
    """Return as soon as a run's history is so long, or the run has ended."""
    client = await Client.connect(address)
    handle = client.get_workflow_handle(run_id)
    async with asyncio.timeout(30):
        while True:
            try:
                described = await handle.describe()
            except RPCError:
                continue  # not started yet
            if described.history_length >= events or described.status != WorkflowExecutionStatus.RUNNING:
                return


def _address(served: Served) -> str:
    found = embedded.current(served.tenuto.home)
    assert found is not None
    return found.address
