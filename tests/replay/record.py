"""Records golden histories: `python -m tests.replay.record [NAME …]`, without a name all that are not there yet.

A history that is there is never recorded again: it stands for the runs of those who have not upgraded. Where a change
is meant, add a scenario under a new name (`…-v2`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tenuto.activities import payload_store
from tenuto.activities.reports import ReportActivities
from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.worker.simulated_api.schema_values import value_for
from tenuto.workflows.ceiling_contracts import Standing, TellCeilingsInput, TellCeilingsResult
from tenuto.workflows.contracts import LoadScriptInput, RunAgentInput, RunAgentResult, RunReport, Script, Usage
from tenuto.workflows.control_contracts import AcceptedInput, AgentInput, HeldInput, SetLimitsInput
from tenuto.workflows.failure_kinds import CEILING
from tenuto.workflows.gate_contracts import LookAtGateFilesInput, LookAtGateFilesResult, TestCounts
from tenuto.workflows.journal_contracts import (
    OpenJournalInput,
    OpenJournalResult,
    RecallAgentsInput,
    RecallAgentsResult,
    RecalledAgent,
)
from tenuto.workflows.notice_contracts import NoticeInput
from tenuto.workflows.people_contracts import AnswerInput, EventInput
from tenuto.workflows.script.dialects import close_interpreters
from tenuto.workflows.setup_contracts import host_queue
from tenuto.workflows.share_contracts import AgentFailureDetails, Cost, ShareAsk
from tenuto.workflows.step_contracts import StepInput
from tenuto.workflows.worktree_contracts import IntegrateCommitInput, IntegrateCommitResult, MergeConflict

from ..workflows.histories import histories
from ..workflows.played_steps import PlayedSteps, default
from .later_scenarios import ALL
from .scenarios import JOURNAL, SETUP, Scenario, nested

HISTORIES = Path(__file__).parents[1] / "data" / "histories"
QUEUE = "golden"
DEADLINE_S = 60.0
WHOLE_BYTES = 1_000_000
"""Payloads up to here are in the history itself: replaying it needs no store."""
WHO = "golden"
ATTRIBUTES = ("TenutoWorkflow", "TenutoStatus", "TenutoOwner")


WANTS_MORE = AgentFailureDetails(
    usage=Usage(input_tokens=1, usd=0.001), ask=ShareAsk(floor=Cost(usd=0.05), least=Cost(usd=0.06), most=Cost(usd=0.1))
)


class Played:
    """Activities with the same answers each time."""

    def __init__(self, *, waits: bool, wide: int = 1) -> None:
        self._waits = waits
        self._wide = wide
        self._inside = 0
        self._merges = 0
        self.lowered = 0
        self.waiting = asyncio.Event()

    def go_on(self) -> None:
        """No agent waits any longer."""
        self._waits = False

    @activity.defn(name="open_gates")
    async def open_gates(self) -> None:
        """There are none."""

    @activity.defn(name="run_agent")
    async def run_agent(self, input: RunAgentInput) -> RunAgentResult:
        """Answer by the prompt: `bad` fails for good, a schema is satisfied, all else is echoed."""
        self._inside += 1
        while self._waits:
            if self._inside >= self._wide:
                self.waiting.set()
            activity.heartbeat()
            await asyncio.sleep(0.1)
        if self.lowered > (input.share.ceilings if input.share is not None else 0):
            raise ApplicationError("void", _void(self.lowered), type="share", non_retryable=True)
        if "dear" in input.prompt and input.share is not None and not input.share.renewed:
            raise ApplicationError("too little", WANTS_MORE, type="share", non_retryable=True)
        if "bad" in input.prompt:
            raise ApplicationError("no such thing", type="invalid_request_error", non_retryable=True)
        if input.output_schema and "verdict" in input.output_schema.get("properties", {}):
            return RunAgentResult(value=_judged(input.prompt), usage=Usage(input_tokens=9, output_tokens=3, usd=0.002))
        if "commit it" in input.prompt and input.isolation:
            commit = hashlib.sha1(input.prompt.encode()).hexdigest()
            return RunAgentResult(value="done", commit=commit, usage=Usage(input_tokens=8, output_tokens=2, usd=0.001))
        value: Any = {"n": 7} if input.output_schema else f"answer to: {input.prompt}"
        if input.output_schema and len(input.output_schema.get("properties", {})) > 1:
            value = value_for(input.output_schema, seed=input.prompt, topic="golden")
        given: dict[str, Any] = {"commit": "1" * 40} if input.isolation else {}
        return RunAgentResult(value=value, usage=Usage(input_tokens=10, output_tokens=5, usd=0.001), **given)

    @activity.defn(name="tell_ceilings")
    async def tell_ceilings(self, input: TellCeilingsInput) -> TellCeilingsResult:
        """All have paid a little."""
        self.lowered = max(input.lowered.values())
        paid = Standing(paid=Cost(usd=0.001, tokens=1), coming=Cost(usd=0.5, tokens=30_000, output_tokens=1_000))
        return TellCeilingsResult(standings={each.agent: paid for each in input.under_way})

    @activity.defn(name="integrate_commit")
    async def integrate_commit(self, input: IntegrateCommitInput) -> IntegrateCommitResult:
        """The first agent's commit fits, the second's when it goes on, the third's never."""
        self._merges += 1
        if self._merges in (1, 3):
            return IntegrateCommitResult(commit="2" * 40, note="merged" if self._merges == 1 else None)
        conflict = MergeConflict(files=["a.txt"], text="<<<<<<<", base="2" * 40)
        return IntegrateCommitResult(conflict=conflict)

    @activity.defn(name="notify")
    async def notify(self, input: NoticeInput) -> bool:
        """There is a hook, and it is content."""
        return True

    @activity.defn(name="load_script")
    async def load_script(self, input: LoadScriptInput) -> Script:
        """The one script that is called by others."""
        return nested()

    @activity.defn(name="open_journal")
    async def open_journal(self, input: OpenJournalInput) -> OpenJournalResult:
        """What the earlier run left, the same each time."""
        return JOURNAL

    @activity.defn(name="recall_agents")
    async def recall_agents(self, input: RecallAgentsInput) -> RecallAgentsResult:
        """Their values, all but of one whose record is gone."""
        return RecallAgentsResult(
            agents=[
                RecalledAgent(
                    found=call.was != "a3",
                    value=_judged("") if call.label.startswith("review") else f"kept by {call.was}",
                )
                for call in input.calls
            ]
        )


async def _step(input: StepInput) -> Any:
    """The same for every step of a kind; a workspace whose check is pytest has tests."""
    if isinstance(input, LookAtGateFilesInput) and input.command == "pytest -q":
        tests = TestCounts(tests=2)
        return LookAtGateFilesResult(tree="t1", definition="d1", files=1, before=tests, now=tests)
    return await default(input)


def _void(ceilings: int) -> AgentFailureDetails:
    assert WANTS_MORE.ask is not None
    return WANTS_MORE.model_copy(update={"ask": WANTS_MORE.ask.model_copy(update={"ceilings": ceilings})})


def _judged(prompt: str) -> dict[str, Any]:
    """A reviewer accepts what was revised, which is an answer to what reviewers said."""
    if "answer to: Independent reviewers" in prompt:
        return {"verdict": "pass", "objections": [], "evidence": ["it is mended"]}
    return {"verdict": "fail", "objections": ["it is a draft"], "evidence": []}


async def record(environment: WorkflowEnvironment, store: Store, name: str, scenario: Scenario) -> dict[str, str]:
    """Run a scenario to its end and return its history as JSON, and those of its children, by file."""
    wide = scenario.input.limits.concurrency if scenario.lowered is not None else 1
    played, steps, reports = (
        Played(waits=scenario.waits, wide=wide),
        PlayedSteps(_step, setup=SETUP),
        ReportActivities(store),
    )
    client = environment.client

    def working(queue: str) -> Worker:
        return Worker(
            client,
            task_queue=queue,
            identity=WHO,
            activities=[
                *(played.run_agent, played.open_gates, played.load_script, played.open_journal, played.recall_agents),
                *(played.integrate_commit, played.notify, played.tell_ceilings),
                *(reports.write_report, reports.append_log),
                *steps.all,
            ],
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            default_heartbeat_throttle_interval=timedelta(milliseconds=100),
        )

    async with working(QUEUE), working(host_queue(QUEUE, scenario.input.host or "nobody")):
        handle = await client.start_workflow(
            scenario.workflow, scenario.input, id=f"wf_{name}", task_queue=QUEUE, task_timeout=timedelta(seconds=4)
        )
        if scenario.waits:
            await asyncio.wait_for(played.waiting.wait(), DEADLINE_S)
            if scenario.lowered is not None:
                await handle.execute_update("set_limits", scenario.lowered)
                played.go_on()
            elif scenario.controlled:
                await _control(handle)
                played.go_on()
            else:
                await handle.cancel()
        if scenario.answered:
            await _answer(handle)
        if scenario.raised:
            await asyncio.wait_for(_at_the_ceiling(handle), DEADLINE_S)
            await handle.execute_update("set_limits", SetLimitsInput(usd=5.0))
        try:
            await asyncio.wait_for(handle.result(), DEADLINE_S)
        except WorkflowFailureError as error:
            print(f"{name}: {error.cause}", file=sys.stderr)
        files = {name: handle.id} | {f"children/{file}": handle.id + end for file, end in scenario.children.items()}
        kept = {file: await client.get_workflow_handle(id).fetch_history() for file, id in files.items()}
        if scenario.continued:
            *before, kept[name] = await histories(client, handle)
            assert before, f"{name} stayed in one history"
            if scenario.input.script.dialect == "python":
                # It goes over as its interpreter's snapshot, which only that version reads: not for the years.
                before, kept = before[:1], {}
            kept |= {f"continued/{name}.{number}": history for number, history in enumerate(before, 1)}
    texts = {file: _without_places(json.loads(history.to_json())) for file, history in kept.items()}
    for file, text in texts.items():
        if file.startswith("continued/"):  # replay does not look at what went over
            del text["events"][-1]["workflowExecutionContinuedAsNewEventAttributes"]["input"]
    return {file: json.dumps(text, indent=1, sort_keys=True) + "\n" for file, text in texts.items()}


async def _at_the_ceiling(handle: WorkflowHandle[Any, Any]) -> None:
    while True:
        report = await handle.query("progress", result_type=RunReport)
        if report.waiting_for is not None and report.waiting_for.kind == CEILING:
            return
        await asyncio.sleep(0.05)


async def _control(handle: WorkflowHandle[Any, Any]) -> None:
    """Everything once that a Worker tells a run, and that a person does to it."""
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await handle.signal("held", HeldInput(kind="credential", message="rejected"))
    await handle.signal("accepted", AcceptedInput())
    await handle.execute_update("pause")
    await handle.execute_update("set_limits", SetLimitsInput(concurrency=3, usd=5.0))
    await handle.execute_update("skip_agent", AgentInput(agent="a4"))
    await handle.execute_update("restart_agent", AgentInput(agent="a1"))
    await handle.execute_update("resume")
    await handle.signal("held", HeldInput(kind="quota", message="used up", until="2100-01-01T00:00:00+00:00"))
    await handle.execute_update("resume")
    await handle.signal("held", HeldInput(kind="quota", message="used up", until=soon))


async def _answer(handle: WorkflowHandle[Any, Any]) -> None:
    """Be the person, and what happens outside."""
    for number, answer in ((1, "blue"), (2, "because")):
        async with asyncio.timeout(DEADLINE_S):
            while len((await handle.query("report", result_type=RunReport)).questions) < number:
                await asyncio.sleep(0.05)
        await handle.execute_update("answer", AnswerInput(answer=answer, question=f"q{number}", by="ann"))
        if number == 1:
            await handle.signal("event", EventInput(name="deployed", payload={"build": 7}))


def _without_places(value: Any) -> Any:
    """Stack traces name the files of one machine, and replay does not look at them."""
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items() if key != "stackTrace"}
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def _recorded(name: str) -> bool:
    return any((HISTORIES / file).exists() for file in (f"{name}.json", f"continued/{name}.1.json"))


async def main(names: list[str]) -> None:
    """Record what was asked for, and refuse to overwrite."""
    missing = [name for name in ALL if not _recorded(name)]
    for name in names:
        if name not in missing:
            raise SystemExit(f"{name} is recorded already, or unknown; to record: {', '.join(missing) or 'nothing'}")
    payload_store.THRESHOLD_BYTES = WHOLE_BYTES
    for folder in ("children", "continued"):
        (HISTORIES / folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"file://{folder}")
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            plugins=[TenutoPlugin(store)],
            identity=WHO,
            search_attributes=[SearchAttributeKey.for_keyword(key) for key in ATTRIBUTES],
        ) as environment:
            for name in names or missing:
                for file, text in (await record(environment, store, name, ALL[name])).items():
                    (HISTORIES / f"{file}.json").write_text(text, encoding="utf-8")
                    print(f"{file}: {len(text):,} bytes")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
    close_interpreters()
    sys.stdout.flush()
    os._exit(0)
