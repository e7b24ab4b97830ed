"""Wire contracts of the merge queue: commits of worktree agents onto the run's branch."""

from __future__ import annotations

from pydantic import Field
from temporalio import activity

from .setup_contracts import MeetingPoint
from .wire import Wire, only_an_interface


class IntegrateCommitInput(Wire):
    """Merge one agent's kept commit onto the run's branch."""

    run_id: str
    agent: str
    commit: str
    workspace: str
    base: str | None = None
    """Where the run's branch begins (`PrepareRunResult.base`)."""
    remote: MeetingPoint | None = None
    """Where the commit is fetched from and the run's branch is left, if agents work on several hosts."""


class MergeConflict(Wire):
    """Why a commit does not fit."""

    files: list[str] = Field(default_factory=list)
    text: str = ""
    base: str
    """The commit of the run's branch that it does not fit with."""


class IntegrateCommitResult(Wire):
    """`commit`, or `conflict` and nothing changed."""

    commit: str | None = None
    """Of the run's branch, which now contains the agent's."""
    conflict: MergeConflict | None = None
    note: str | None = None
    """What a person should know. Said in the run's log."""


@activity.defn(name="integrate_commit")
async def integrate_commit(input: IntegrateCommitInput) -> IntegrateCommitResult:
    """Integrate once, however often it is tried. Fails for good with type `worktree` where there is nothing to merge.

    Goes to the Task Queue of the host that has the workspace.
    """
    raise only_an_interface("integrate_commit")
