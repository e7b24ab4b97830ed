"""The commit that a review is about: read again whenever its author has revised it, always against the same base."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from . import change_contracts
    from .change_contracts import ReadChangeInput, ReadChangeResult, ReviewedChange
    from .failure_kinds import INTERNAL, NO_WORKSPACE
    from .review_contracts import Borrowing, Refusal
    from .wire import HEARTBEAT

LONGEST = timedelta(minutes=30)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""Without an end: the Activity itself says which failures are final."""


class ChangeGone(Exception):
    """What was to be reviewed cannot be read."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Change:
    """One change under review. `shown` is its diff as it was read last."""

    def __init__(self, borrowing: Borrowing, asked: ReviewedChange) -> None:
        self._borrowing = borrowing
        self._asked = asked
        self._reads = 0
        self._shown: ReadChangeResult | None = None

    @property
    def shown(self) -> ReadChangeResult:
        """Its diff, once it was read."""
        assert self._shown is not None
        return self._shown

    @property
    def commit(self) -> str:
        """As it was read last, else as it was named."""
        return self._asked.commit if self._shown is None else self._shown.commit

    @property
    def was_read(self) -> bool:
        """Whether there is a diff."""
        return self._shown is not None

    @property
    def whole(self) -> bool:
        """Whether it is all of the work."""
        return self._asked.whole

    async def read(self, commit: str | None = None, agent: str | None = None) -> None:
        """Read it for the next round.

        Args:
            commit: what the author made of it; `None` for the first time.
            agent: whose checkout that comes from.

        Raises:
            ChangeGone: it cannot be read, for good.
            asyncio.CancelledError: the review was cancelled.
        """
        has, before = self._borrowing, self._shown
        if has.setup is None:
            message = "review() of a commit needs a workspace, and this run has none: start it with --workspace DIR"
            raise ChangeGone(Refusal(kind=NO_WORKSPACE, message=message))
        self._reads += 1
        given: dict[str, Any] = {"base": before.base} if before is not None else {}
        owner = agent or self._asked.agent
        if self._asked.paths:
            given["paths"] = self._asked.paths
        if owner is not None:
            given["agent"] = owner
        name = workflow.info().workflow_id.rpartition("/")[2]
        input = ReadChangeInput(
            run_id=has.run_id,
            step=f"{name}.{self._reads}",
            setup=has.setup,
            commit=commit or self._asked.commit,
            **given,
        )
        self._shown = await self._execute(input)

    async def _execute(self, input: ReadChangeInput) -> ReadChangeResult:
        try:
            return await workflow.execute_activity(
                change_contracts.read_change,
                input,
                task_queue=self._borrowing.workspace_queue,
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"read the change {input.commit[:12]}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            cause = error.cause
            kind = (cause.type if isinstance(cause, ApplicationError) else None) or INTERNAL
            message = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
            raise ChangeGone(Refusal(kind=kind, message=message)) from error
