"""Steps in a hand-written Workflow: the same names, the same run underneath."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from tenuto.activities.reports import ReportActivities
from tenuto.workflows.inspectable import Inspectable
from tenuto.workflows.run import Run

from .played_steps import PlayedSteps, default

with workflow.unsafe.imports_passed_through():
    from tenuto.workflows import functions as tenuto
    from tenuto.workflows.contracts import RunInput, RunReport, Script
    from tenuto.workflows.setup_contracts import Policy
    from tenuto.workflows.step_contracts import RunCommandInput, RunCommandResult, StepInput

    from .conftest import Stage

QUEUE = "hand-written"
SCRIPT = Script(name="chores", dialect="python", source="", sha256="")


@workflow.defn(name="Chores")
class Chores(Inspectable):
    """Does what its arguments name."""

    @workflow.init
    def __init__(self, input: RunInput) -> None:
        self.current = Run(input)

    @workflow.run
    async def run(self, input: RunInput) -> RunReport:
        bodies: dict[str, Callable[[], Awaitable[Any]]] = {
            "everything": self.everything,
            "checked": lambda: tenuto.sh("make", check=True),
            "relocked": lambda: tenuto.lock("a", lambda: tenuto.lock("a", self.nothing)),
            "locked": self.locked,
        }
        return await self.current.execute(tenuto.within(self.current, bodies[input.args]))

    async def nothing(self) -> None:
        return None

    async def everything(self) -> list[Any]:
        await tenuto.write("a.txt", "x")
        return [
            (await tenuto.sh("make", env={"A": "1"}, timeout=5))["stdout"],
            await tenuto.read("a.txt"),
            await tenuto.glob("*.py"),
            await tenuto.grep("x", "*.py"),
            await tenuto.mcp("tracker", "list"),
            (await tenuto.pull_request(branch="b", title="t", body="c"))["reason"],
        ]

    async def locked(self) -> list[Any]:
        async def held(name: str) -> str:
            tenuto.log(f"in {name}")
            await tenuto.read(name)
            tenuto.log(f"out {name}")
            if name == "2":
                raise tenuto.CallFailed("no", kind="no")
            return name

        return await tenuto.parallel([lambda n=n: tenuto.lock("a", lambda: held(n)) for n in "123"])  # type: ignore[misc]


async def start(stage: Stage, what: str) -> WorkflowHandle[Chores, RunReport]:
    run = RunInput(script=SCRIPT, args=what, has_args=True, policy=Policy(), workspace="/nowhere")
    return await stage.client.start_workflow(Chores.run, run, id=f"wf_{uuid.uuid4().hex[:12]}", task_queue=QUEUE)


def working(stage: Stage, steps: PlayedSteps) -> Worker:
    reports = ReportActivities(stage.store)
    activities: list[Callable[..., Any]] = [*steps.all, reports.write_report, reports.append_log]
    return Worker(stage.client, task_queue=QUEUE, workflows=[Chores], activities=activities)


async def kind_of_failure(handle: WorkflowHandle[Any, Any]) -> str | None:
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause.type


async def test_every_step_has_the_value_that_a_python_script_gets(stage: Stage) -> None:
    steps = PlayedSteps()
    async with working(stage, steps):
        report = await (await start(stage, "everything")).result()
    lines = [{"path": "a.py", "line": 1, "text": "x"}]
    assert report.result == ["done\n", "text", ["a.py", "b.py"], lines, {"n": 1}, "no forge"]
    command = next(one for one in steps.seen if isinstance(one, RunCommandInput))
    assert (command.env, command.timeout_s, command.repeat) == ({"A": "1"}, 5, True)


async def test_an_uncaught_failure_of_a_step_fails_the_run_with_its_kind(stage: Stage) -> None:
    async def play(input: StepInput) -> Any:
        return RunCommandResult(exit_code=1) if isinstance(input, RunCommandInput) else await default(input)

    async with working(stage, PlayedSteps(play)):
        assert await kind_of_failure(await start(stage, "checked")) == "command_failed"


async def test_a_lock_is_held_by_one_at_a_time_and_given_back_by_a_failure(stage: Stage) -> None:
    async with working(stage, PlayedSteps()):
        handle = await start(stage, "locked")
        report = await handle.result()
        lines = await handle.query(Chores.log)
    assert report.result == ["1", None, "3"]
    assert [line for line in lines if line.startswith(("in", "out"))] == [
        *("in 1", "out 1", "in 2", "out 2", "in 3", "out 3")
    ]


async def test_a_lock_taken_again_inside_itself_is_stuck(stage: Stage) -> None:
    async with working(stage, PlayedSteps()):
        assert await kind_of_failure(await start(stage, "relocked")) == "stuck"
