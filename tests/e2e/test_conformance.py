"""The conformance table through a real Temporal server and Worker: only agents and steps are played, by the case file.

What depends on virtual time (`peak`, `seconds`, a clock that begins in 2023) is the driver's to check, without a
server; here it is what crosses Temporal: values, errors, failures, log lines, phases, locks and the order of the calls.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tenuto.activities.reports import ReportActivities
from tenuto.activities.saved_workflows import ScriptActivities
from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.worker.service.server import DYNAMIC_CONFIG
from tenuto.workflows.contracts import RunAgentInput, RunAgentResult, RunInput, RunLimits, RunReport, Script, Usage
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.script.dialects import load
from tenuto.workflows.script.protocol import Dialect, Failed
from tenuto.workflows.setup_contracts import AgentTypeView, Policy, PrepareRunResult
from tenuto.workflows.step_contracts import (
    CallMcpInput,
    CallMcpResult,
    FoundLine,
    GlobFilesInput,
    GrepFilesInput,
    OpenPullRequestInput,
    OpenPullRequestResult,
    ReadFileInput,
    RunCommandInput,
    RunCommandResult,
    StepInput,
    WriteFileInput,
)

from ..conformance.driver import Case, Seen, all_cases, check
from ..conformance.step_answers import default_answer, step_name
from ..workflows.played_steps import PlayedSteps

pytestmark = pytest.mark.e2e

QUEUE = "conformance"
AT_ONCE = 8
SECOND_S = 0.05
"""An agent's virtual second. Timers take their own time."""
LONGEST_S = 45
HEARTBEAT = timedelta(milliseconds=100)
LEFT_TO_THE_DRIVER = {
    "budget": "begins with tokens already spent",
    "ask_and_wait_for": "is answered by a person; workflow tests do so",
    "gate_command": "names what a gate comes to; workflow and step tests make it come to that",
    "gate_function": "counts gates as steps, which here they are not",
    "js_clock_and_random": "begins at a given time",
    "js_timers": "measures virtual time to the millisecond",
    "lock_one_at_a_time": "tells who ends first by virtual seconds; workflow tests do without",
    "py_clock_and_random": "begins at a given time",
    "review_call": "its reviewers are asked in other words; a workflow test plays them",
    "sleep_and_now": "sleeps for 90 s; a workflow test does so on the time-skipping server",
    "until_green": "names what a gate comes to; workflow tests make it come to that",
    "until_green_split": "likewise",
    "until_green_stuck": "likewise",
}
CHECKED = ("result", "failed", "log")
STEPS: dict[type[StepInput], str] = {
    RunCommandInput: "sh",
    ReadFileInput: "read",
    WriteFileInput: "write",
    GlobFilesInput: "glob",
    GrepFilesInput: "grep",
    CallMcpInput: "mcp",
    OpenPullRequestInput: "pull_request",
}
ACTIVITIES = {
    "run_command": "sh",
    "read_file": "read",
    "write_file": "write",
    "glob_files": "glob",
    "grep_files": "grep",
    "call_mcp": "mcp",
    "open_pull_request": "pull_request",
}
SETUP = PrepareRunResult(key="runs/x/setup/0.json", agent_types={"reviewer": AgentTypeView(sha256="0")})


class Theatre:
    """Plays every agent and step of every case; the run id names the case."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    @activity.defn(name="run_agent")
    async def run_agent(self, input: RunAgentInput) -> RunAgentResult:
        spec = self.cases[input.run_id].spec
        answer = spec.get("answers", {}).get(input.prompt, {"value": f"answer to: {input.prompt}"})
        if isinstance(answer, list):
            self._asked[input.run_id, input.prompt] += 1
            answer = answer[min(self._asked[input.run_id, input.prompt], len(answer)) - 1]
        await _take_time(answer)
        return RunAgentResult(value=answer.get("value"), usage=Usage(output_tokens=answer.get("tokens", 0)))

    async def step(self, input: StepInput) -> Any:
        """What the case says, in the shape of the step's Activity."""
        op, given = STEPS[type(input)], input.model_dump()
        default = default_answer(op, given)
        answer = self.cases[input.run_id].spec.get("steps", {}).get(step_name(op, given), {"value": default})
        await _take_time(answer)
        value = answer.get("value")
        if op == "sh":
            return RunCommandResult.model_validate({**default, **value})
        if op == "grep":
            return [FoundLine.model_validate(line) for line in value]
        if op == "mcp":
            return CallMcpResult(value=value)
        return OpenPullRequestResult.model_validate(value) if op == "pull_request" else value


async def _take_time(answer: Mapping[str, Any]) -> None:
    """Let an answer's seconds pass; raise the error that it is, if it is one."""
    beats = asyncio.create_task(_heartbeat())
    try:
        await asyncio.sleep(answer.get("seconds", 1) * SECOND_S)
    finally:
        beats.cancel()
    if "error" in answer:
        raise ApplicationError(answer["error"]["message"], type=answer["error"]["kind"], non_retryable=True)


async def _heartbeat() -> None:
    """Cancellation reaches an Activity only by its heartbeats."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT.total_seconds())


def run_input(case: Case, dialect: Dialect, workspace: Path) -> RunInput:
    """What the command would start, with the saved workflows that the case knows."""
    spec, path = case.spec, case.script(dialect)
    for ref, answer in spec.get("workflows", {}).items():
        saved = workspace / (ref if ref.endswith(".js") else f".tenuto/workflows/{ref}.js")
        saved.parent.mkdir(parents=True, exist_ok=True)
        name = json.dumps(saved.stem)
        saved.write_text(
            f"export const meta = {{name: {name}, description: 'd'}}\nreturn {json.dumps(answer['value'])}"
        )
    budget: Mapping[str, Any] = spec.get("budget", {})
    limits = RunLimits(
        agents=spec.get("limits", {}).get("agents", 1000),
        output_tokens=budget.get("total"),
        usd=budget.get("usd_total"),
    )
    return RunInput(
        script=Script.of(load(path.read_bytes(), path.name)),
        args=spec.get("args"),
        has_args="args" in spec,
        limits=limits,
        workspace=str(workspace),
        policy=Policy(),
        seed=spec.get("seed", "seed"),
        locale=True,
    )


async def perform(client: Client, store: Store, run: RunInput, run_id: str) -> tuple[Seen, list[str]]:
    """Run a case to its end: what was seen, and the titles of its phases."""
    handle = await client.start_workflow(Orchestration.run, run, id=run_id, task_queue=QUEUE)
    try:
        report = await handle.result()
    except WorkflowFailureError:  # the report in the store says why
        report = RunReport.model_validate_json(await store.get(f"runs/{run_id}/report.json"))
    seen = Seen(result=report.result, log=await handle.query(Orchestration.log))
    if report.error is not None:
        seen.failed = Failed(events=(), message=report.error.message, kind=report.error.kind, line=report.error.line)
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == "run_agent":
                seen.calls.append(json.loads(scheduled.input.payloads[0].data))
            elif scheduled.activity_type.name in ACTIVITIES:
                op = ACTIVITIES[scheduled.activity_type.name]
                seen.steps.append({"op": op, **json.loads(scheduled.input.payloads[0].data)})
    return seen, [phase.title for phase in report.phases]


def compare(case: Case, dialect: Dialect, seen: Seen, phases: list[str]) -> None:
    """Raises AssertionError where the run was not as the table says."""
    expect = case.expect(dialect)
    check(seen, {key: expect[key] for key in CHECKED if key in expect})
    assert set(expect.get("phases", [])) <= set(phases)
    if "calls" in expect and "limits" not in case.spec:  # a refused call never becomes an Activity
        prompts = [call if isinstance(call, str) else call["prompt"] for call in expect["calls"]]
        assert [call["prompt"] for call in seen.calls] == prompts
    if "steps" in expect:
        wanted = [step if isinstance(step, str) else step_name(step["op"], step) for step in expect["steps"]]
        assert [step_name(step["op"], step) for step in seen.steps] == wanted


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dialect", ["javascript", "python"])
async def test_runs_do_what_the_table_says(tmp_path: Path, dialect: Dialect) -> None:
    cases = [
        case
        for case in all_cases()
        if dialect in case.dialects and "refused" not in case.expect(dialect) and case.name not in LEFT_TO_THE_DRIVER
    ]
    assert len(cases) > 25
    store, theatre, turn = Store(f"file://{tmp_path}/store"), Theatre(), asyncio.Semaphore(AT_ONCE)
    wrong: dict[str, str] = {}

    async def one(client: Client, case: Case) -> None:
        run_id = f"wf_{case.name}"
        theatre.cases[run_id] = case
        async with turn:
            try:
                workspace = tmp_path / case.name
                workspace.mkdir()
                async with asyncio.timeout(LONGEST_S):
                    performed = await perform(client, store, run_input(case, dialect, workspace), run_id)
                compare(case, dialect, *performed)
            except (AssertionError, TimeoutError) as error:
                wrong[case.name] = str(error) or repr(error)

    server = Path(sys.executable).with_name("temporal")
    options = [word for value in DYNAMIC_CONFIG for word in ("--dynamic-config-value", value)]
    reports, scripts = ReportActivities(store), ScriptActivities(tmp_path / "home")
    steps = PlayedSteps(theatre.step, SETUP)
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(server), dev_server_extra_args=options, plugins=[TenutoPlugin(store)]
        ) as environment,
        Worker(
            environment.client,
            task_queue=QUEUE,
            activities=[theatre.run_agent, reports.write_report, reports.append_log, scripts.load_script, *steps.all],
            max_heartbeat_throttle_interval=HEARTBEAT,
            default_heartbeat_throttle_interval=HEARTBEAT,
        ),
    ):
        await asyncio.gather(*(one(environment.client, case) for case in cases))
    assert not wrong, "\n".join(f"{name}: {reason}" for name, reason in wrong.items())


def test_only_what_needs_virtual_time_is_left_to_the_driver() -> None:
    assert set(LEFT_TO_THE_DRIVER) <= {case.name for case in all_cases()}
