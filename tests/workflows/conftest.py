"""A real Worker with the real sandbox on the time-skipping server; only the agents are played."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tenuto.activities.ceilings import CeilingActivities
from tenuto.activities.reports import ReportActivities
from tenuto.activities.saved_workflows import ScriptActivities
from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.workflows.contracts import RunAgentInput, RunAgentResult, RunInput, RunLimits, RunReport, Script, Usage
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.script.dialects import load

from .played_steps import PlayedSteps

Play = Callable[[RunAgentInput], Awaitable[Any]]
QUEUE = "tests"


async def echo(input: RunAgentInput) -> Any:
    return f"answer to: {input.prompt}"


@dataclass
class Stage:
    """A Worker whose agents do what the test says."""

    client: Client
    store: Store
    home: Path
    asked: list[RunAgentInput] = field(default_factory=list)
    running: int = 0
    running_max: int = 0
    gates_opened: int = 0
    environment: WorkflowEnvironment | None = None

    async def skip(self, time: timedelta) -> None:
        """Let Workflow time pass."""
        assert self.environment is not None
        await self.environment.sleep(time)

    @asynccontextmanager
    async def playing(
        self, play: Play = echo, steps: PlayedSteps | None = None, queue: str = QUEUE, *, cached: bool = True
    ) -> AsyncIterator[None]:
        @activity.defn(name="run_agent")
        async def run_agent(input: RunAgentInput) -> RunAgentResult:
            self.asked.append(input)
            self.running += 1
            self.running_max = max(self.running_max, self.running)
            try:
                value = await play(input)
            finally:
                self.running -= 1
            return RunAgentResult(value=value, usage=Usage(input_tokens=10, output_tokens=5, usd=0.001))

        @activity.defn(name="open_gates")
        async def open_gates() -> None:
            self.gates_opened += 1

        reports, played = ReportActivities(self.store), steps.all if steps is not None else []
        scripts = ScriptActivities(self.home)
        async with Worker(
            self.client,
            task_queue=queue,
            activities=[
                *(run_agent, open_gates, CeilingActivities(self.store).tell_ceilings),
                *(reports.write_report, reports.append_log, scripts.load_script),
                *played,
            ],
            # Another Worker is to go on at once, instead of when the server gives up this one's own queue.
            max_cached_workflows=1000 if cached else 0,
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            default_heartbeat_throttle_interval=timedelta(milliseconds=100),
        ):
            yield

    async def start(
        self,
        source: str,
        name: str = "script.py",
        *,
        args: Any = None,
        has_args: bool = False,
        limits: RunLimits | None = None,
        workspace: str | None = None,
        **given: Any,
    ) -> WorkflowHandle[Orchestration, RunReport]:
        run = RunInput(
            script=Script.of(load(source.encode(), name)),
            args=args,
            has_args=has_args,
            limits=limits or RunLimits(),
            workspace=workspace,
            **given,
        )
        return await self.client.start_workflow(
            Orchestration.run,
            run,
            id=f"wf_{uuid.uuid4().hex[:12]}",
            task_queue=QUEUE,
            task_timeout=timedelta(seconds=4),
        )

    async def result(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """The result that the run left in the store."""
        return json.loads(await self.store.get(f"runs/{handle.id}/result.json"))

    async def report(self, handle: WorkflowHandle[Any, Any]) -> RunReport:
        """The report that the run left in the store."""
        return RunReport.model_validate_json(await self.store.get(f"runs/{handle.id}/report.json"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = Store(f"file://{tmp_path}/store")
    server = Path(sys.executable).with_name("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(server), plugins=[TenutoPlugin(store)]
    ) as environment:
        yield Stage(environment.client, store, tmp_path, environment=environment)


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()
