"""The hand-written Workflow: the script API without a script."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import RunAgentInput, RunInput, RunLimits, RunReport, Script
from tenuto.workflows.survey import Survey

from .conftest import QUEUE, Stage, echo

SCRIPT = Script(name="survey", dialect="python", source="", sha256="")


async def start(stage: Stage, args: Any, limits: RunLimits | None = None) -> WorkflowHandle[Survey, RunReport]:
    run = RunInput(script=SCRIPT, args=args, has_args=True, limits=limits or RunLimits())
    return await stage.client.start_workflow(Survey.run, run, id=f"wf_{uuid.uuid4().hex[:12]}", task_queue=QUEUE)


async def fail_on_bad(input: RunAgentInput) -> Any:
    if "Subject: bad" in input.prompt:
        raise ApplicationError("no such thing", type="invalid_request_error", non_retryable=True)
    return await echo(input) if input.phase == "Conclude" else f"{input.label} done"


async def test_each_subject_is_asked_then_challenged_then_all_is_concluded(stage: Stage) -> None:
    async with stage.playing(fail_on_bad):
        report = await (await start(stage, {"question": "Safe?", "items": ["tar", "gzip"]})).result()
    assert report.status == "completed"
    assert report.result["answers"] == {"tar": "challenge tar done", "gzip": "challenge gzip done"}
    assert "tar: challenge tar done\n\ngzip: challenge gzip done" in report.result["conclusion"]
    assert [(phase.title, phase.agents) for phase in report.phases] == [("Ask", 2), ("Challenge", 2), ("Conclude", 1)]


async def test_a_subject_without_an_answer_is_none_and_the_run_is_degraded(stage: Stage) -> None:
    async with stage.playing(fail_on_bad):
        handle = await start(stage, {"question": "Safe?", "items": ["bad", "tar"]})
        report = await handle.result()
        lines = await handle.query(Survey.log)
    assert report.status == "degraded"
    assert report.result["answers"]["bad"] is None
    assert [(failure.label, failure.kind) for failure in report.failures] == [("ask bad", "invalid_request_error")]
    assert "1 of 2 subjects have an answer" in lines


async def test_the_cap_of_the_run_holds_in_a_hand_written_workflow(stage: Stage) -> None:
    async with stage.playing(fail_on_bad):
        handle = await start(stage, {"question": "Safe?", "items": ["tar"]}, RunLimits(agents=2))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    assert report.error.kind == "agent_cap"
    assert report.census.done == 2


@pytest.mark.parametrize("args", [None, "text", {"question": "Safe?"}, {"question": 1, "items": []}])
async def test_arguments_of_another_shape_fail_the_run_with_what_was_expected(stage: Stage, args: Any) -> None:
    async with stage.playing():
        handle = await start(stage, args)
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == "bad_args"
    assert '"question": text' in str(raised.value.cause)
