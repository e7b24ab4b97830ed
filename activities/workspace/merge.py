"""The merge queue: commits of agents onto the run's branch, one at a time, without any working tree.

The queue has no lock. It reads where the run's branch is, makes the merge, and moves the branch only if it is still
there; whoever was slower begins again. So a crash leaves nothing to clean up, and a retry integrates once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import conflict, ref_names
from .clone import locked
from .clone_parts import Clone
from .git import GitFailed
from .merge_trees import Conflict, merged_tree, take_attributes
from .remote import fetch_run
from .repository import Move, RefMoved, Repository, repository_of
from .scratch import scratch_over
from .transfer import send, settle

_RETRIES_MAX = 100
"""More than the agents that can be at it at once."""


class MergeImpossible(Exception):
    """The queue cannot work: no repository, or not the commits it was given. The message says which."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The commit is on the run's branch."""

    commit: str
    """Where the run's branch is now, or was when it was found to contain the commit."""
    note: str | None = None
    """What a person should know: the branch that shows it stayed behind."""


async def integrate(
    workspace: Path, run_id: str, agent: str, commit: str, base: str | None = None
) -> Merged | Conflict:
    """Merge one agent's commit onto the run's branch.

    Args:
        base: where the run's branch begins; the base of the run's first clone if not given.

    Raises:
        MergeImpossible: there is no such repository or commit.
        GitFailed: git failed in a way that may pass.
    """
    try:
        repository = await repository_of(workspace)
    except GitFailed as error:
        raise MergeImpossible(f"{workspace} is not in a git repository that can be read: {error}") from error
    wanted = await repository.commit(commit)
    if wanted is None:
        raise MergeImpossible(f"the commit {commit} of {agent} is not in the repository of {workspace}")
    ours = ref_names.of_run(run_id, "merged")
    for _ in range(_RETRIES_MAX):
        now = await repository.commit(ours)
        tip = now or await repository.commit(base or ref_names.of_run(run_id, "base"))
        if tip is None:
            raise MergeImpossible(f"it is not known where the branch of {run_id} begins in {workspace}")
        joined = await _join(repository, run_id, agent, tip, wanted)
        if isinstance(joined, Conflict):
            return joined
        try:
            note = await _advance(repository, run_id, joined.commit, now)
        except RefMoved:
            continue
        await settle(repository, joined.sent)
        return Merged(joined.commit, note)
    raise GitFailed(f"the branch of {run_id} moved {_RETRIES_MAX} times while {agent} was being merged")


async def bring_conflict_into(clone: Clone, result: str, theirs: str) -> str:
    """Merge the run's branch into an agent's clone, so that the agent finds the conflict and can resolve it.

    Args:
        result: the commit that was kept of this clone and did not fit (`Kept.commit`).
        theirs: what it did not fit with (`Conflict.base`).

    Returns:
        What to tell the agent. Asked again before anything was resolved, the same, and nothing is done.

    Raises:
        GitFailed, OSError: it cannot be done.
    """
    async with locked(clone.own):
        if clone.remote is not None:
            await fetch_run(clone.main.repository, clone.remote, clone.run_id)
        return await conflict.bring(clone, result, theirs)


@dataclass(frozen=True, slots=True)
class _Joined:
    """What the run's branch would come to."""

    commit: str
    sent: tuple[Path, ...] = ()
    """For `settle`."""


async def _join(repository: Repository, run_id: str, agent: str, tip: str, wanted: str) -> _Joined | Conflict:
    if await repository.is_ancestor(wanted, tip):
        return _Joined(tip)
    if await repository.is_ancestor(tip, wanted):
        return _Joined(wanted)
    async with scratch_over(repository) as scratch:
        await take_attributes(scratch, tip)
        outcome = await merged_tree(scratch, tip, wanted)
        if isinstance(outcome, Conflict):
            return outcome
        message = f"Merge the work of {agent}\n\nRun {run_id}.\n"
        made = await scratch.git("commit-tree", outcome, "-p", tip, "-p", wanted, input=message.encode())
        commit = made.stdout.strip()
        return _Joined(commit, tuple(await send(scratch, repository, [commit], [tip, wanted], run_id)))


async def _advance(repository: Repository, run_id: str, new: str, now: str | None) -> str | None:
    """Move the run's branch, and the one that people see where it may be moved. Says why it may not."""
    moves = [Move(ref_names.of_run(run_id, "merged"), new, now)] if new != now else []
    head = ref_names.head(ref_names.merged_branch(run_id))
    shown = (await repository.refs(head)).get(head)
    # It stays behind while a person has it checked out, and catches up afterwards.
    behind = shown is not None and await repository.is_ancestor(shown, new)
    why = await repository.why_branch_stays(head, shown, shown if behind else None, new)
    if why is None and shown != new:
        moves.append(Move(head, new, shown))
    await repository.move(moves, "merge queue")
    return None if why is None else f"{why}; the run's work is at {new}"
