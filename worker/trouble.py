"""Why a run that lives does not get on: no Worker takes its Workflow Task, every attempt at it fails, or all it has
under way waits for something outside.

A Worker that cannot replay a run leaves it alone: the Workflow Task fails, nothing else happens to the run, and it goes
on when a Worker that can takes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from tenuto.activities.until_kept import WAITING_FOR_STORE
from tenuto.workflows.failure_kinds import HOLDS, RATE_LIMIT
from tenuto.workflows.script.protocol import InterpreterBusy
from tenuto.workflows.step_limit import StepOverLimit

NOT_TAKEN_S = 5.0
"""A Workflow Task that waits longer has no Worker."""
LOOKED_AT = 10
"""Events at the end of the history; the failed task is one of the last."""
MESSAGE_CHARS = 500
BUSY = (InterpreterBusy.__name__, StepOverLimit.__name__)
"""Failures of a Workflow Task for want of time on this machine."""
TRIED_OFTEN = 3
"""Attempts that an Activity may take without a word about it."""


async def trouble_of(client: Client, described: WorkflowExecutionDescription) -> str | None:
    """What keeps the run from its next step, and the remedy, in one line; `None` where nothing does."""
    pending = described.raw_description.pending_workflow_task
    if not described.raw_description.HasField("pending_workflow_task"):
        return await _all_wait(client, described)
    if pending.attempt > 1:
        failed = await _last_failure(client, described)
        if failed is not None and failed.failure.message:
            message = " ".join(failed.failure.message.split())[:MESSAGE_CHARS].rstrip(".")
            return f"its Workflow Task failed {pending.attempt - 1} times: {message}. {remedy(failed)}"
    waited_s = (datetime.now(UTC) - pending.scheduled_time.ToDatetime(UTC)).total_seconds()
    if not pending.HasField("started_time") and waited_s > NOT_TAKEN_S:
        return f"no Worker has taken its next step for {waited_s:.0f} s. Start one: tenuto up, or tenuto worker"
    return None


async def _all_wait(client: Client, described: WorkflowExecutionDescription) -> str | None:
    """What everything waits for that is under way, in the words of one of it."""
    under_way, words = described.raw_description.pending_activities, None
    for activity in under_way:
        words = await _waits_for(client, activity)
        if words is None:
            return None
    if words is None:
        return None
    return f"all that is under way ({len(under_way)}) waits, and goes on by itself when that is over: {words}"


async def _waits_for(client: Client, activity: PendingActivityInfo) -> str | None:
    """What an Activity says that it waits for, or why it was tried in vain; holds of a whole run are shown as such."""
    if activity.heartbeat_details.payloads:
        (progress, *_) = await client.data_converter.decode(activity.heartbeat_details.payloads)
        doing = progress.get("activity") if isinstance(progress, dict) else None
        if isinstance(doing, str) and doing.startswith(WAITING_FOR_STORE):
            return doing
    failure, kind = activity.last_failure, activity.last_failure.application_failure_info.type
    if activity.attempt <= TRIED_OFTEN or not failure.message or kind in HOLDS or kind == RATE_LIMIT:
        return None
    return f"{kind}: {' '.join(failure.message.split())[:MESSAGE_CHARS]}, tried {activity.attempt - 1} times"


async def _last_failure(
    client: Client, described: WorkflowExecutionDescription
) -> WorkflowTaskFailedEventAttributes | None:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=described.id, run_id=described.run_id),
        maximum_page_size=LOOKED_AT,
    )
    try:
        answer = await client.workflow_service.get_workflow_execution_history_reverse(
            request, timeout=timedelta(seconds=3)
        )
    except RPCError:
        return None  # the run is shown without it
    for event in answer.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return event.workflow_task_failed_event_attributes
    return None


def remedy(failed: WorkflowTaskFailedEventAttributes) -> str:
    """What a person does about it."""
    if failed.failure.application_failure_info.type in BUSY:
        return "It is tried again by itself, later each time: give the machine less to do, or start a Worker on another"
    if failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR:
        return (
            "The Workers run code that cannot replay it: start one of the version that began it, or stop it and resume "
            "it in a new run (tenuto stop, tenuto resume), which pays for no finished agent again"
        )
    return (
        "It is tried again until it succeeds: mend or upgrade the Workers, whose logs say more, or stop it and resume "
        "it in a new run (tenuto stop, tenuto resume)"
    )
