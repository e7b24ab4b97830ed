"""Fixtures: a simulated API, a store in a folder, and one `run_agent` attempt after another, as Temporal makes them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from tenuto.activities.agent import AgentActivities
from tenuto.activities.credentials import Credentials
from tenuto.activities.store import Store
from tenuto.activities.transcript import Transcript
from tenuto.worker.simulated_api import SimulatedApi
from tenuto.workflows.contracts import AgentProgress, RunAgentInput, RunAgentResult
from tenuto.workflows.control_contracts import AcceptedInput, HeldInput

MODEL = "claude-sonnet-5-5"


@pytest.fixture
async def api() -> AsyncIterator[SimulatedApi]:
    async with SimulatedApi() as api:
        yield api


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store((tmp_path / "store").as_uri())


@dataclasses.dataclass
class Stage:
    """A Worker's agent Activities, with credentials of one's own choice."""

    store: Store
    api: SimulatedApi
    home: Path
    environ: dict[str, str]
    activities: AgentActivities
    beats: list[AgentProgress]
    told: list[HeldInput | AcceptedInput] = dataclasses.field(default_factory=list)
    """What the run was told."""

    async def run(self, prompt: str = "Say something.", *, attempt: int = 1, **given: Any) -> RunAgentResult:
        """One attempt of one agent."""
        return await self.environment(attempt).run(self.activities.run_agent, self.input(prompt, **given))

    def environment(self, attempt: int = 1) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        environment.on_heartbeat = lambda *details: self.beats.extend(details)
        return environment

    def input(self, prompt: str = "Say something.", **given: Any) -> RunAgentInput:
        return RunAgentInput(
            **{"run_id": "wf_test", "agent": "a1", "label": "tester", "model": MODEL, "prompt": prompt, **given}
        )

    async def record(self, agent: str = "a1") -> dict[str, Any]:
        data: dict[str, Any] = json.loads(await self.store.get(f"runs/wf_test/agents/{agent}/record.json"))
        return data

    async def turns(self, agent: str = "a1") -> list[dict[str, Any]]:
        transcript = Transcript(self.store, f"runs/wf_test/agents/{agent}")
        await transcript.load()
        return [message.model_dump(mode="json", exclude_defaults=True) for message in transcript.messages]


@pytest.fixture
async def stage(api: SimulatedApi, store: Store, tmp_path: Path) -> AsyncIterator[Stage]:
    environ = {"ANTHROPIC_API_KEY": "key-one", "ANTHROPIC_BASE_URL": api.url}

    async def simulated_url() -> str:
        return api.url

    told: list[HeldInput | AcceptedInput] = []

    async def tell(_run_id: str, input: HeldInput | AcceptedInput) -> None:
        told.append(input)

    activities = AgentActivities(store, Credentials(tmp_path, environ), simulated_url, tell=tell)
    yield Stage(store, api, tmp_path, environ, activities, [], told)
    await activities.close()


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait for a condition, with a deadline of its own that is far below the test's."""

    async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    return until
