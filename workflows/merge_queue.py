"""`merge: "queue"`: the commits of worktree agents come onto the run's branch one at a time.

A commit that does not fit goes back to its agent, in the agent's own conversation and checkout. Meanwhile the queue
waits: whoever resolves a conflict with the run's branch must not find another one when it is done.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from .activity_failure import failure_of
from .purse import OverCeiling

with workflow.unsafe.imports_passed_through():
    from . import worktree_contracts
    from .contracts import ConflictInput, RunAgentInput, RunAgentResult
    from .failure_kinds import STOPPED
    from .wire import HEARTBEAT
    from .worktree_contracts import IntegrateCommitInput, IntegrateCommitResult, MergeConflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .run import Run

CONFLICTS_MAX = 3
"""How often one commit goes back to its agent."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


class NotMerged(Exception):
    """The agent's commit is kept and is not on the run's branch. `result` is what the agent came to."""

    def __init__(self, message: str, result: RunAgentResult) -> None:
        super().__init__(message)
        self.result = result


class MergeQueue:
    """The queue of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._turn = asyncio.Lock()

    async def integrate(
        self, input: RunAgentInput, result: RunAgentResult, ask: Callable[[RunAgentInput], Awaitable[RunAgentResult]]
    ) -> RunAgentResult:
        """Bring an agent's commit onto the run's branch; gives its result, with what resolving conflicts cost.

        Args:
            ask: has the agent go on.

        Raises:
            NotMerged: it did not fit, and the agent did not make it fit.
            ActivityError: cancelled.
        """
        owner = input.checkout or input.agent
        async with self._turn:
            number = 0
            while True:
                if result.commit is None:  # it changed nothing, or took back what it had changed
                    return result
                merged = await self._try(input, result)
                if merged.note:
                    self._run.say(f"{input.label}: {merged.note}")
                conflict = merged.conflict
                if conflict is None:
                    return result
                number += 1
                if number > CONFLICTS_MAX:
                    raise self._given_up(input, result, conflict)
                self._run.say(f"{input.label}: does not merge ({', '.join(conflict.files)}); it goes back to the agent")
                continued = input.model_copy(
                    update={
                        "agent": f"{input.agent}.{number}",
                        "continues": input.agent if number == 1 else f"{input.agent}.{number - 1}",
                        "checkout": owner,
                        "conflict": ConflictInput(commit=result.commit, base=conflict.base),
                    }
                )
                result = await _again(ask, continued, result)

    def _given_up(self, input: RunAgentInput, result: RunAgentResult, conflict: MergeConflict) -> NotMerged:
        return NotMerged(
            f"the commit {result.commit} does not merge: the agent had {CONFLICTS_MAX} tries at the conflict in "
            f"{', '.join(conflict.files)}. It is kept on the branch "
            f"tenuto/{self._run.id}/{input.checkout or input.agent}",
            result,
        )

    async def _try(self, input: RunAgentInput, result: RunAgentResult) -> IntegrateCommitResult:
        setup, workspace = self._run.setup, self._run.input.workspace
        assert setup is not None and workspace is not None and result.commit is not None
        try:
            return await workflow.execute_activity(
                worktree_contracts.integrate_commit,
                IntegrateCommitInput(
                    run_id=self._run.id,
                    agent=input.checkout or input.agent,
                    commit=result.commit,
                    workspace=workspace,
                    base=setup.base,
                    remote=setup.remote,
                ),
                task_queue=self._run.workspace_queue,
                start_to_close_timeout=timedelta(minutes=10),
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
                summary=f"merge {input.label}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise NotMerged(
                f"the commit {result.commit} could not be merged: {failure_of(error)[1]}", result
            ) from error


async def _again(
    ask: Callable[[RunAgentInput], Awaitable[RunAgentResult]], input: RunAgentInput, result: RunAgentResult
) -> RunAgentResult:
    """What the agent comes to when it goes on, with what it used before. Raises as `integrate`."""
    try:
        again = await ask(input)
    except OverCeiling as error:
        raise NotMerged(f"the commit {result.commit} does not merge, and {error}", result) from error
    except ActivityError as error:
        kind, message, paid = failure_of(error)
        if is_cancelled_exception(error) or kind == STOPPED:
            raise
        spent = result.model_copy(update={"usage": result.usage.plus(paid.usage)})
        raise NotMerged(
            f"the commit {result.commit} does not merge, and its agent failed over the conflict: {kind}: {message}",
            spent,
        ) from error
    return again.model_copy(update={"usage": result.usage.plus(again.usage)})
