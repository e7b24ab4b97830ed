"""The Event Histories of one run, from its first on."""

from __future__ import annotations

from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory


async def histories(client: Client, handle: WorkflowHandle[Any, Any]) -> list[WorkflowHistory]:
    """All of them, in order; `handle` is from the start of the run."""
    found: list[WorkflowHistory] = []
    run_id = handle.first_execution_run_id
    while run_id:
        found.append(await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history())
        last: HistoryEvent = found[-1].events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found
