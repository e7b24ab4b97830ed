"""The Activity that is one subagent, as every Workflow of a run calls it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from . import contracts, models
    from .bounds import TITLE_CHARS, cut
    from .contracts import RunAgentInput, RunAgentResult
    from .wire import HEARTBEAT

"""Shorter means false retries on a busy machine, and a false retry pays twice."""
LONGEST_ATTEMPT = timedelta(hours=24)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1))
"""Without an end: the Activity itself says which failures are final."""


async def execute_agent(input: RunAgentInput, task_queue: str | None) -> RunAgentResult:
    """The Activity itself; whoever calls has a place in the run's width."""
    return await workflow.execute_activity(
        contracts.run_agent,
        input,
        activity_id=input.agent,
        task_queue=task_queue,
        start_to_close_timeout=LONGEST_ATTEMPT,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RETRY,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=cut(f"{input.label} · {models.short(input.model)}", TITLE_CHARS),
    )
