"""What a clone sees of the user's other branches and tags, and how a `gc` there is kept from taking it away."""

from __future__ import annotations

from dataclasses import dataclass

from . import ref_names
from .git import IDENTITY_EMAIL, IDENTITY_NAME
from .repository import Move, RefMoved, Repository

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
    commit = await join(repository, base, others, f"What clones of {run_id} can see") if others else base
    wanted = {ref_names.of_run(run_id, f"seen/{commit}"): commit, ref_names.of_run(run_id, "base"): base}
    for ref, value in wanted.items():
        if not await repository.refs(ref):
            try:
                await repository.move([Move(ref, value, None)], "protect the base of a run")
            except RefMoved:
                continue  # a sibling was faster, which is just as good
    return Seen(commit, refs)


async def join(repository: Repository, tree_of: str, parents: list[str], message: str) -> str:
    """A commit in the user's repository that contains `tree_of` and all of `parents`: the same for the same ones."""
    about = await repository.git("log", "-1", "--no-show-signature", "--format=%T %ct", tree_of, "--")
    tree, date = about.stdout.split()
    who = f"{IDENTITY_NAME} <{IDENTITY_EMAIL}> {date} +0000"
    lines = [f"tree {tree}", *(f"parent {commit}" for commit in (tree_of, *parents))]
    text = "\n".join([*lines, f"author {who}", f"committer {who}", "", message, ""])
    written = await repository.git("hash-object", "-t", "commit", "-w", "--stdin", input=text.encode())
    return written.stdout.strip()
