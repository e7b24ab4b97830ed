"""The Activity of the merge queue."""

from __future__ import annotations

from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tenuto.workflows.worktree_contracts import IntegrateCommitInput, IntegrateCommitResult, MergeConflict

from .heartbeat import alive
from .workspace.merge import MergeImpossible, integrate
from .workspace.merge_trees import Conflict
from .workspace.remote import fetch_result, publish


class MergeActivities:
    """Registers `integrate_commit`."""

    @activity.defn(name="integrate_commit")
    @alive
    async def integrate_commit(self, input: IntegrateCommitInput) -> IntegrateCommitResult:
        """Merge one agent's commit onto the run's branch; a retry finds it there.

        Raises:
            ApplicationError: non-retryable, type `worktree`: no such repository, or no such commit.
            GitFailed: retried by the caller's policy.
        """
        workspace = Path(input.workspace)
        try:
            if input.remote is not None:
                await fetch_result(workspace, input.remote.url, input.run_id, input.agent, input.commit)
            outcome = await integrate(workspace, input.run_id, input.agent, input.commit, input.base)
        except MergeImpossible as error:
            raise ApplicationError(str(error), type="worktree", non_retryable=True) from error
        if input.remote is not None:
            await publish(workspace, input.remote.url, input.run_id)
        if isinstance(outcome, Conflict):
            conflict = MergeConflict(files=outcome.files, text=outcome.text, base=outcome.base)
            return IntegrateCommitResult(conflict=conflict)
        return IntegrateCommitResult(commit=outcome.commit, note=outcome.note)
