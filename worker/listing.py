"""Which Workflow Executions of a Task Queue are runs.

A run starts Workflows of its own: one a review, one a converging, one a notice. In a large run they are hundreds, so a
list that stops after some executions must not count them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from tenuto.workflows import details

STARTED_BY_RUNS = ("AdversarialReview", "Convergence", "Notification")
"""Types of Workflow that runs start as children; started by a person they are runs like any other."""
_OURS = ", ".join(f"'{name}'" for name in STARTED_BY_RUNS)
NO_CHILDREN = f"(ParentWorkflowId IS NULL OR WorkflowType NOT IN ({_OURS}))"


async def executions(client: Client, task_queue: str, limit: int | None) -> AsyncIterator[WorkflowExecution]:
    """The executions that are runs, each run once, in the order of the Temporal Service: live ones first.

    Args:
        limit: how many runs at the most; `None` for all of them.
    """
    # A run that went on in a new history is listed by that one.
    every = f"TaskQueue = '{task_queue}' AND ExecutionStatus != 'ContinuedAsNew'"
    seen: set[str] = set()
    for query in (f"{every} AND {NO_CHILDREN}", every):
        try:
            async for execution in client.list_workflows(query):
                # Children have no memo of ours, so that they are told apart by a service that does not know the query.
                if details.MEMO not in execution.raw_info.memo.fields or execution.id in seen:
                    continue
                seen.add(execution.id)
                yield execution
                if len(seen) == limit:
                    return
            return
        except RPCError as error:
            # A Temporal Service of before 1.23 knows no parents in a query; and has no other to try after the second.
            if error.status != RPCStatusCode.INVALID_ARGUMENT or query == every:
                raise
