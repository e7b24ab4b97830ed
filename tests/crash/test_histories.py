"""A run that goes on in new Event Histories, its Worker killed in each of them: no finished agent is paid again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from datetime import datetime

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus

from tenuto.worker.service import service as embedded
from tenuto.worker.simulated_api import SimulatedApi

from ..e2e.served import Served, Tenuto, ended, finished_at, until

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

AGENTS = 150
EVENTS = "150"
WIDTH = 16


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("histories")
    with SimulatedApi.in_thread() as api:
        key = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-test", "TENUTO_HISTORY_EVENTS_MAX": EVENTS}
        tenuto = Tenuto(folder / "home", folder, key)
        try:
            tenuto.json("up")
            yield Served(tenuto, api)
        finally:
            tenuto("down")


async def histories(address: str, run_id: str) -> dict[str, list[HistoryEvent]]:
    """All histories of a run, newest first."""
    client = await Client.connect(address)
    found: dict[str, list[HistoryEvent]] = {}
    execution = (await client.get_workflow_handle(run_id).describe()).run_id
    while execution:
        history = await client.get_workflow_handle(run_id, run_id=execution).fetch_history()
        found[execution] = list(history.events)
        started = history.events[0].workflow_execution_started_event_attributes
        execution = started.continued_execution_run_id
    return found


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_a_worker_killed_in_each_history_costs_no_finished_agent(served: Served, script: str) -> None:
    run_id = f"wf_histories_{script[-2:]}"
    address = served.tenuto.json("up")["address"]
    served.api.control(latency_s=0.2)
    follower = served.start(script, run_id, n=AGENTS, name="same")
    killed: list[str] = []

    async def newest() -> str | None:
        """The run id of the history that it is in; `None` once it has ended."""
        described = await (await Client.connect(address)).get_workflow_handle(run_id).describe()
        return described.run_id if described.status == WorkflowExecutionStatus.RUNNING else None

    until(lambda: served.answered("same") >= 1)
    first = execution = asyncio.run(newest())
    while (now := asyncio.run(newest())) is not None:
        if now != execution:
            execution = now
            (worker,) = until(lambda: _workers(served))
            os.kill(worker, signal.SIGKILL)
            killed.append(now)
    report = ended(follower)
    assert (report["status"], report["census"]["done"]) == ("completed", AGENTS)
    assert len(report["result"]["said"]) == AGENTS
    chain = asyncio.run(histories(address, run_id))
    assert first in chain
    assert len(killed) >= 2
    assert len(chain) > len(killed)
    labels = {agent["id"]: agent["label"] for agent in report["agents"]}
    done_at = {labels[agent]: at for events in chain.values() for agent, at in finished_at(events).items()}
    requests = served.asked("same")
    assert {record["prompt"] for record in requests} == set(done_at)
    assert not [record for record in requests if record["received"] > done_at[record["prompt"]]]
    assert len(requests) - AGENTS <= WIDTH * len(killed)


def test_a_run_in_a_later_history_is_read_and_stopped_as_one(served: Served) -> None:
    address = served.tenuto.json("up")["address"]
    served.api.control(latency_s=1.5)
    follower = served.start("many.js", "wf_stopped", n=AGENTS, name="stopped")
    until(lambda: served.asked("stopped"), timeout_s=60)
    until(lambda: len(asyncio.run(histories(address, "wf_stopped"))) >= 2, timeout_s=60)
    began = datetime.fromisoformat(served.tenuto.json("show", "wf_stopped")["started_at"])
    assert served.tenuto("stop", "wf_stopped").returncode == 0
    report = ended(follower, code=4)
    assert report["status"] == "stopped"
    assert 0 < report["census"]["done"] < AGENTS
    assert report["census"]["done"] == len(report["partial"])
    chain = asyncio.run(histories(address, "wf_stopped"))
    first = min(events[0].event_time.ToNanoseconds() for events in chain.values()) / 1e9
    assert abs(began.timestamp() - first) < 1
    assert [run["run_id"] for run in served.tenuto.json("ls")].count("wf_stopped") == 1
    assert "goes on in history 2" in served.tenuto("logs", "wf_stopped").stdout


def _workers(served: Served) -> tuple[int, ...]:
    found = embedded.current(served.tenuto.home)
    return found.worker_pids if found is not None else ()
