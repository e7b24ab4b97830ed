"""What a clone sees of the user's other branches and tags, and how a `gc` there is kept from taking it away."""

from __future__ import annotations

from dataclasses import dataclass

from . import ref_names
from .repository import Move, RefMoved, Repository
from .scratch import Joint, scratch_over
from .transfer import send_object, settle

REFS_MAX = 2000
"""Branches and tags that a clone is given, the newest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`commit` contains everything that `refs` (full name -> object) point at, and is itself referenced."""

    commit: str
    refs: dict[str, str]


async def protect(repository: Repository, run_id: str, base: str) -> Seen:
    """Reference all that a clone at `base` may come to need from the user's repository, so that no `gc` takes it.

    The objects of a clone are shared. The protection is one commit that has the base and every tip as its parents: the
    same for all clones that see the same, so that a run adds one reference, not thirty-two.

    Raises:
        GitFailed: the repository takes no new objects or references.
    """
    listed = await repository.git(
        "for-each-ref", "--sort=-creatordate", f"--count={REFS_MAX}",
        "--format=%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(refname)",
        "refs/heads", "refs/remotes", "refs/tags",
    )  # fmt: skip
    refs, tips = {}, set()
    for line in listed.stdout.splitlines():
        commit, kind, peeled, peeled_kind, name = line.split(" ", 4)
        if name.startswith("refs/heads/tenuto") or "commit" not in (kind, peeled_kind):
            continue
        refs[name] = commit
        tips.add(commit if kind == "commit" else peeled)
    others = sorted(tips - {base})
    about = await repository.git("log", "-1", "--no-show-signature", "--format=%T %ct", base, "--")
    joint = Joint.of(about.stdout, [base, *others], f"What clones of {run_id} can see", repository.object_format)
    commit = joint.id if others else base
    refs_wanted = {ref_names.of_run(run_id, f"seen/{commit}"): commit, ref_names.of_run(run_id, "base"): base}
    there = await repository.refs(*refs_wanted)
    moves = [Move(ref, value, None) for ref, value in refs_wanted.items() if ref not in there]
    if moves:
        await _write(repository, run_id, joint if others else None, moves)
    return Seen(commit, refs)


async def _write(repository: Repository, run_id: str, joint: Joint | None, moves: list[Move]) -> None:
    sent = []
    if joint is not None:
        async with scratch_over(repository) as scratch:
            await scratch.git("hash-object", "-t", "commit", "-w", "--stdin", input=joint.data)
            # Only the commit itself: all that it contains is in the user's repository, for it is referenced there.
            sent = await send_object(scratch, repository, joint.id, run_id)
    for move in moves:
        try:
            await repository.move([move], "protect what a run can see")
        except RefMoved:
            continue  # a sibling was faster, which is just as good
    await settle(repository, sent)
