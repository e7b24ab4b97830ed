"""The Event Histories of one run, from its first on."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowHistory


async def histories(client: Client, handle: WorkflowHandle[Any, Any]) -> list[WorkflowHistory]:
    """All of them, in order. Followed from the last back: a query at the wrong moment makes the time-skipping server
    forget the end of one, never the beginning."""
    found: list[WorkflowHistory] = []
    run_id = (await client.get_workflow_handle(handle.id).describe()).run_id
    while run_id:
        found.append(await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history())
        run_id = found[-1].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found[::-1]
