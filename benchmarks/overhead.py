"""What a run costs over bare Temporal: 1,000 agents of an instant model beside 1,000 no-op Activities, same width.

Both run on one dev server in one go, in turn, several rounds; only the ratio means anything on a noisy machine.
Prints agents per second of both, the Worker's CPU time per agent, the ratio, events and bytes of history per agent, and
the Worker's memory.

    python benchmarks/overhead.py [--agents 1000] [--width 16] [--rounds 3] [--dialect python|javascript]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from tenuto.activities.store import Store
    from tenuto.worker.config import Settings
    from tenuto.worker.implementations import Implementations
    from tenuto.worker.plugin import TenutoPlugin
    from tenuto.worker.process import settle, workers_for
    from tenuto.worker.service.server import DYNAMIC_CONFIG, binary
    from tenuto.worker.simulation import Simulation
    from tenuto.workflows.contracts import RunInput, RunLimits, Script
    from tenuto.workflows.orchestration import Orchestration
    from tenuto.workflows.policy.decide import DEFAULT_ALLOW
    from tenuto.workflows.script.dialects import close_interpreters, load
    from tenuto.workflows.setup_contracts import Policy

QUEUE = "bench"
SCRIPTS = {
    "python": (
        "bench.py",
        "from tenuto import Meta, agent, parallel\n"
        'meta = Meta(name="bench", description="many agents")\n'
        "async def main(args):\n"
        '    return len(await parallel([agent(f"work {i}") for i in range(args)]))\n',
    ),
    "javascript": (
        "bench.js",
        "export const meta = { name: 'bench', description: 'many agents' }\n"
        "const all = await parallel(Array.from({ length: args }, (_, i) => () => agent(`work ${i}`)))\n"
        "return all.length\n",
    ),
}


@activity.defn
async def nothing(prompt: str) -> str:
    return f"done {prompt}"


@workflow.defn
class Bare:
    @workflow.run
    async def run(self, agents: int, width: int) -> int:
        gate = asyncio.Semaphore(width)

        async def call(number: int) -> str:
            async with gate:
                return await workflow.execute_activity(
                    nothing,
                    f"work {number}",
                    start_to_close_timeout=timedelta(minutes=1),
                    heartbeat_timeout=timedelta(seconds=30),
                )

        return len(await asyncio.gather(*(call(number) for number in range(agents))))


async def history(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    events = (await handle.fetch_history()).events
    return len(events), sum(event.ByteSize() for event in events)


class Round(NamedTuple):
    """One run, whole."""

    seconds: float
    cpu_seconds: float
    """Of the process: the Worker's, the benchmark included."""
    events: int
    history_bytes: int


async def bare_run(client: Client, agents: int, width: int) -> Round:
    async with Worker(client, task_queue=f"{QUEUE}-bare", workflows=[Bare], activities=[nothing]):
        started, worked = time.perf_counter(), time.process_time()
        handle = await client.start_workflow(
            Bare.run, args=[agents, width], id=f"bare-{uuid.uuid4()}", task_queue=f"{QUEUE}-bare"
        )
        assert await handle.result() == agents
        took, worked = time.perf_counter() - started, time.process_time() - worked
    return Round(took, worked, *await history(handle))


async def tenuto_run(client: Client, agents: int, width: int, dialect: str, workspace: Path) -> Round:
    """A run as `tenuto run` starts it: in a workspace, so its agents are given tools."""
    name, source = SCRIPTS[dialect]
    run = RunInput(
        script=Script.of(load(source.encode(), name)),
        args=agents,
        has_args=True,
        limits=RunLimits(agents=agents, concurrency=width),
        simulate=True,
        workspace=str(workspace),
        policy=Policy(allow=list(DEFAULT_ALLOW)),
    )
    started, worked = time.perf_counter(), time.process_time()
    handle = await client.start_workflow(
        Orchestration.run, run, id=f"wf_{uuid.uuid4().hex[:12]}", task_queue=QUEUE, task_timeout=timedelta(seconds=4)
    )
    report = await handle.result()
    took, worked = time.perf_counter() - started, time.process_time() - worked
    assert report.result == agents, report
    assert report.status == "completed", report
    return Round(took, worked, *await history(handle))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dialect", choices=sorted(SCRIPTS), default="python")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = [part for value in DYNAMIC_CONFIG for part in ("--dynamic-config-value", value)]
        model = subprocess.Popen(  # noqa: ASYNC220 - it starts once, before anything is measured
            [sys.executable, str(Path(__file__).with_name("instant_model.py"))], stdout=subprocess.PIPE, text=True
        )
        assert model.stdout is not None
        url = model.stdout.readline().strip()
        try:
            async with await WorkflowEnvironment.start_local(
                dev_server_existing_path=str(binary()),
                dev_server_database_filename=str(home / "temporal.db"),
                dev_server_extra_args=config,
            ) as environment:
                await measure(environment.client.service_client.config.target_host, home, url, asked)
        finally:
            model.terminate()
            model.wait()
            close_interpreters()


async def measure(address: str, home: Path, url: str, asked: argparse.Namespace) -> None:
    store = Store(f"file://{home}/store")
    plain = await Client.connect(address)
    client = await Client.connect(address, plugins=[TenutoPlugin(store)])
    settings = Settings.load(environ={"TENUTO_HOME": str(home), "TENUTO_TASK_QUEUE": QUEUE})
    workspace = home / "workspace"
    workspace.mkdir()
    ours, bare = [], []
    async with (
        ElsewhereSimulation(home, url) as simulation,
        Implementations(settings, store, simulation) as implementations,
        workers_for(client, settings, implementations)[0],
    ):
        settle()
        await tenuto_run(client, 32, asked.width, asked.dialect, workspace)  # warm interpreters and connections
        for _ in range(asked.rounds):
            bare.append(await bare_run(plain, asked.agents, asked.width))
            ours.append(await tenuto_run(client, asked.agents, asked.width, asked.dialect, workspace))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ratios = [b.seconds / o.seconds for b, o in zip(bare, ours, strict=True)]
    for name, rows in (("bare Temporal", bare), (f"tenuto ({asked.dialect})", ours)):
        seconds = statistics.median(row.seconds for row in rows)
        cpu_ms = statistics.median(row.cpu_seconds for row in rows) * 1000 / asked.agents
        print(
            f"{name:20} {asked.agents / seconds:6.0f} agents/s  {seconds:5.2f} s  {cpu_ms:5.2f} ms of CPU,"
            f" {rows[-1].events / asked.agents:3.1f} events and {rows[-1].history_bytes / asked.agents:3.0f} bytes of"
            " history per agent"
        )
    print(f"ratio to bare        {statistics.median(ratios):.2f}  (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")
    print(f"Worker memory        {memory:.0f} MB at its peak, benchmark included")


class ElsewhereSimulation(Simulation):
    """The model in a process of its own, as a real one is."""

    def __init__(self, home: Path, url: str) -> None:
        super().__init__(home)
        self._elsewhere = url

    async def url(self) -> str:
        return self._elsewhere


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)
