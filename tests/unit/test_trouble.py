"""What a person is told to do about a run whose Workflow Task fails again and again."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes

from tenuto.worker.trouble import remedy

UNHANDLED = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
OTHER_CODE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (UNHANDLED, "InterpreterBusy", "give the machine less to do"),
        (UNHANDLED, "StepOverLimit", "give the machine less to do"),
        (UNHANDLED, "OtherInterpreter", "mend or upgrade the Workers"),
        (OTHER_CODE, "", "start one of the version that began it"),
    ],
)
def test_the_remedy_goes_with_the_reason(cause: WorkflowTaskFailedCause.ValueType, kind: str, words: str) -> None:
    failure = Failure(application_failure_info=ApplicationFailureInfo(type=kind))
    assert words in remedy(WorkflowTaskFailedEventAttributes(cause=cause, failure=failure))
