"""Attempts that a dead Worker of this host left behind.

Their slots would stay taken until the heartbeat timeout. A Worker that starts fails them, by Activity id, so that they
are tried again at once.
"""

from __future__ import annotations

import logging

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from .identity import is_dead_here

log = logging.getLogger(__name__)


async def release_orphans(client: Client, task_queue: str) -> int:
    """Fail every started attempt whose Worker was a process of this host that is gone.

    Returns:
        How many attempts were handed back.
    """
    released = 0
    query = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}'"
    async for execution in client.list_workflows(query):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                continue  # it ended while we looked
            raise
        for pending in description.raw_description.pending_activities:
            started = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if started and is_dead_here(pending.last_worker_identity):
                released += await _release(client, execution.id, execution.run_id, pending.activity_id)
    if released:
        log.info("handed back %d attempts of Workers that are gone", released)
    return released


async def _release(client: Client, workflow_id: str, run_id: str, activity_id: str) -> int:
    lost = ApplicationError("the Worker that ran this attempt is gone", type="worker_lost")
    handle = client.get_async_activity_handle(workflow_id=workflow_id, run_id=run_id, activity_id=activity_id)
    try:
        await handle.fail(lost)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return 0  # it timed out or ended by itself
        raise
    return 1
