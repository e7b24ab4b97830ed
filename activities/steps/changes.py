"""`read_change`: what a commit changed, as reviewers are shown it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.change_contracts import INLINE_CHARS_MAX, SHOWN_CHARS_MAX, ReadChangeInput, ReadChangeResult

from ..protected import guard_of
from ..store import Store
from ..workspace.diffs import FileDiff, NoDiff, base_of, file_diffs
from ..workspace.git import GitFailed
from ..workspace.remote import fetch_result
from ..workspace.repository import Repository, repository_of
from .station import Station, StepAgain, StepFailed


async def read_change(input: ReadChangeInput, station: Station, store: Store) -> ReadChangeResult:
    """Read the diff and keep it. A second attempt gives the same.

    Raises:
        StepFailed: `workspace` (no repository), `not_found` (no such commit), `bad_arguments`, `too_large`.
        StepAgain: git or the remote does not do what it was asked to.
    """
    workspace = station.place.root
    repository, commit = await _find(input, station, workspace)
    where, guard = str(workspace), guard_of(workspace)

    def unread(path: str) -> bool:
        closed = guard is not None and guard.closed(path.split("/"), to_write=False) is not None
        return closed or station.rules.hides(path, workspace=where)

    try:
        base = input.base or await base_of(repository, commit, station.setup.base)
        diffs, unseen = await file_diffs(repository, base, commit, input.paths, unread)
    except NoDiff as error:
        raise StepFailed(error.kind, f"review(): {error}") from error
    except GitFailed as error:
        raise StepAgain(kinds.WORKSPACE, f"review(): the change cannot be read: {error}") from error
    shown, too_long = fitting(diffs, SHOWN_CHARS_MAX)
    text = "".join(diff.text for diff in shown) or "(nothing differs)\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    left_out = [f"{diff.name}: its diff has {len(diff.text):,} characters" for diff in too_long]
    left_out += [f"{_printable(name)}: the run's rules deny reading it" for name in unseen]
    result = ReadChangeResult(commit=commit, base=base, files=len(diffs) + len(unseen), sha256=sha256)
    if left_out:
        result.left_out = left_out
    if len(text) <= INLINE_CHARS_MAX:
        result.text = text
    else:
        result.key = f"runs/{input.run_id}/changes/{sha256}.diff"
        await store.put(result.key, text.encode())
    return result


def fitting(diffs: Sequence[FileDiff], chars_max: int) -> tuple[list[FileDiff], list[FileDiff]]:
    """As many files as fit, small ones first, since what is generated is large; and the others. Both in order."""
    left, kept = chars_max, set[int]()
    for index in sorted(range(len(diffs)), key=lambda index: len(diffs[index].text)):
        if len(diffs[index].text) > left:
            break
        left -= len(diffs[index].text)
        kept.add(index)
    return (
        [diff for index, diff in enumerate(diffs) if index in kept],
        [diff for index, diff in enumerate(diffs) if index not in kept],
    )


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


async def _find(input: ReadChangeInput, station: Station, workspace: Path) -> tuple[Repository, str]:
    try:
        repository = await repository_of(workspace)
    except GitFailed as error:
        raise StepFailed(
            kinds.WORKSPACE, f"review() of a commit needs a git repository, and {workspace} is in none: {error}"
        ) from error
    remote = station.setup.remote
    if remote is not None and input.agent is not None:
        try:
            await fetch_result(workspace, remote.url, input.run_id, input.agent, input.commit)
        except GitFailed as error:
            raise StepAgain(kinds.WORKSPACE, f"the commit {input.commit} cannot be fetched: {error}") from error
    commit = await repository.commit_here(input.commit)
    if commit is None:
        raise StepFailed(
            "not_found",
            f"review(): there is no commit {input.commit!r} in the repository of {workspace}; name one by its id or by "
            "a branch, such as the tenuto/RUN/AGENT that a worktree agent leaves",
        )
    return repository, commit
