"""`Notification`: one notice on its way out. A child that its run does not wait for: a hook that hangs hurts nobody."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from . import notice_contracts
    from .notice_contracts import NoticeInput, NoticeResult

ATTEMPT = timedelta(seconds=60)
GIVEN_UP = timedelta(days=1)
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=2), backoff_coefficient=2, maximum_interval=timedelta(minutes=10)
)


@workflow.defn(name="Notification")
class Notification:
    """Tells one hook one thing."""

    @workflow.run
    async def run(self, input: NoticeInput) -> NoticeResult:
        """Try for a day."""
        told = await workflow.execute_activity(
            notice_contracts.notify,
            input,
            start_to_close_timeout=ATTEMPT,
            schedule_to_close_timeout=GIVEN_UP,
            retry_policy=RETRY,
            summary=f"{input.notice.event}: {input.notice.message[:80]}",
        )
        return NoticeResult(told=told)
