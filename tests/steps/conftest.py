"""One attempt of a step after another, as Temporal makes them, in a real workspace inside the real sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tenuto.activities.places import Places, StepStations
from tenuto.activities.run_setup import SetupActivities
from tenuto.activities.steps.activities import StepActivities
from tenuto.activities.store import Store
from tenuto.activities.tools.ripgrep import found_lines
from tenuto.activities.tools.tool import ToolError
from tenuto.workflows.policy.decide import DEFAULT_ALLOW
from tenuto.workflows.setup_contracts import Policy, PrepareRunInput, RunSetup
from tenuto.workflows.step_contracts import StepInput

RUN = "wf_test"


class WorkerLost(BaseException):
    """Ends an attempt in the middle, as a SIGKILL does: no handler of ours sees it as an error."""


class PlayedServers:
    """MCP servers that do what the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any], str]] = []
        self.answer: Any = {"ok": True}
        self.may_repeat = False

    async def call(
        self, server: str, tool: str, input: dict[str, Any], key: str, setup: RunSetup, *, say: Callable[[str], None]
    ) -> Any:
        self.calls.append((server, tool, input, key))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def repeatable(self, server: str, tool: str, setup: RunSetup) -> bool:
        return self.may_repeat


@dataclasses.dataclass
class Stage:
    """A Worker's steps and a workspace."""

    root: Path
    store: Store
    home: Path
    activities: StepActivities
    servers: PlayedServers
    setup: str = ""

    async def prepare(self, *allow: str, deny: tuple[str, ...] = (), **policy: Any) -> None:
        """Fix the setup of the run, as its Workflow has it done."""
        rules = Policy(allow=[*DEFAULT_ALLOW, *allow], deny=list(deny), **policy)
        prepare = SetupActivities(self.store, self.home).prepare_run
        input = PrepareRunInput(run_id=RUN, workspace=str(self.root), policy=rules)
        self.setup = (await self.environment().run(prepare, input)).key

    async def run(
        self, of: type[StepInput], *, step: str = "s1", attempt: int = 1, execution: str = "first", **given: Any
    ) -> Any:
        """One attempt of one step."""
        if not self.setup:
            await self.prepare()
        input = of.model_validate({"run_id": RUN, "step": step, "setup": self.setup, **given})
        names = {type_name(each): each for each in self.activities.all}
        return await self.environment(attempt, execution).run(names[of.__name__], input)

    async def fails(self, of: type[StepInput], kind: str, **given: Any) -> str:
        """One attempt that fails for good; its message."""
        with pytest.raises(ApplicationError) as raised:
            await self.run(of, **given)
        assert (raised.value.type, raised.value.non_retryable) == (kind, True), raised.value
        return raised.value.message

    def environment(self, attempt: int = 1, execution: str = "first") -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt, workflow_run_id=execution)
        return environment

    async def kept(self, name: str, step: str = "s1") -> dict[str, Any]:
        data: dict[str, Any] = json.loads(await self.store.get(f"runs/{RUN}/steps/{step}/{name}.json"))
        return data


def type_name(activity: Callable[..., Any]) -> str:
    """Name of the input type that an Activity takes."""
    return str(activity.__annotations__["input"])


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    root, home = tmp_path / "workspace", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    store, servers = Store((tmp_path / "store").as_uri()), PlayedServers()
    stations = StepStations(store, Places(store, home))
    return Stage(root, store, home, StepActivities(store, stations, found_lines, servers), servers)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition, with a deadline of its own."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


__all__ = ["RUN", "PlayedServers", "Stage", "ToolError", "WorkerLost", "until"]
