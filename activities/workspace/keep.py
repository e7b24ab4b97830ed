"""The result of a clone, kept in the user's repository before anything of the clone is removed.

Every step can be done again: whatever moment a process dies at, keeping once more comes to the same end. The clone is
removed last, after a look whether its commits are where they belong.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..tools.tool import FileMark
from . import ref_names, snapshot, transfer
from .checkout import write_alternates
from .clone import locked, remove
from .clone_parts import Clone, Part
from .conflict import Standing, finish, standing
from .git import GitFailed
from .heads import head_of, merge_heads_of
from .marks import changed_files
from .objects import local_commits
from .remote import push
from .repository import Move, RefMoved
from .scratch import Joint

_KEPT = "kept.json"
_ATTEMPTS = 5
"""Against somebody who moves the same references, or a `gc`, at the same time."""


class KeepFailed(Exception):
    """The work of a clone could not be kept. The clone stays, and the message says where it is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a clone came to."""

    commit: str | None
    """The result; `None` if the agent changed nothing."""
    branch: str | None
    """Short name of the branch in the user's repository that is at `commit`."""
    files: list[FileMark] = field(default_factory=list)
    """What the result changed since the base; paths relative to the workspace."""
    extra: list[str] = field(default_factory=list)
    """References, in the user's repository, to all else that the agent committed."""
    unresolved: list[str] = field(default_factory=list)
    """Files still in conflict: not to be integrated. After a conflict of the queue, `commit` is the one before it."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, such as a branch that stayed where the person had moved it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The state of one part, decided and not yet kept."""

    commit: str
    changed: bool
    tips: list[str]
    unresolved: list[str]


async def keep(clone: Clone, *, remove_after: bool = True, title: str = "") -> Kept:
    """Keep all that an agent did in its clone; then remove the clone, unless it is still needed.

    Args:
        title: first line of the commit that takes what the agent left uncommitted.

    Raises:
        KeepFailed: the user's repository is gone or cannot be written to, or a file of the clone cannot be read.
    """
    try:
        async with locked(clone.own):
            if not clone.top.is_dir():
                return await asyncio.to_thread(_kept_before, clone)
            kept = await _keep(clone, title)
            await asyncio.to_thread(_write_down, clone, kept)
            if remove_after:
                await asyncio.to_thread(remove, clone)
            return kept
    except (GitFailed, RefMoved, OSError) as error:
        raise KeepFailed(
            f"the work of {clone.agent} cannot be kept in {clone.main.repository.common}: {error}; "
            f"its clone stays at {clone.top}"
        ) from error


async def _keep(clone: Clone, title: str) -> Kept:
    await asyncio.to_thread(_unlock, clone)
    await finish(clone)
    links: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for part in reversed(clone.parts[1:]):  # inner submodules before outer ones
        found = await _look(clone, part, links.get(part.path, {}), title)
        _, more = await _keep_part(clone, part, found)
        notes += more
        if found.changed:
            outer, path = _outer(clone, part)
            links.setdefault(outer.path, {})[path] = found.commit
    found = await _look(clone, clone.main, links.get("", {}), title)
    branch, more = await _keep_part(clone, clone.main, found)
    extra = await clone.main.repository.refs(ref_names.of_agent(clone.run_id, clone.agent, "extra"))
    files = await changed_files(clone, found.commit) if found.changed else []
    if clone.remote is not None:
        more += await push(clone.main.repository, clone.remote, clone.run_id, clone.agent)
    commit = found.commit if found.changed else None
    return Kept(commit, branch, files, list(extra), found.unresolved, notes + more)


async def _look(clone: Clone, part: Part, links: dict[str, str], title: str) -> _Found:
    """What the agent's result is, and which commits it left besides."""
    await write_alternates(part)
    head, rest = await _heads(part)
    tree = await snapshot.tree_of_files(part, head, links)
    git_dirs = await snapshot.embedded(part, {other.path for other in clone.parts})
    folders = [git_dir / "objects" for git_dir in git_dirs if _is_whole(git_dir)]
    await write_alternates(part, embedded=folders)
    in_conflict = await snapshot.unresolved(part)
    state: Standing | None = await standing(clone) if part is clone.main else None
    if state is not None:
        in_conflict = await state.unresolved(part, in_conflict)
    parents = [head, *([] if in_conflict else rest)]
    if not await _related(part, head):
        parents = [part.base, *parents]
    commit = await _commit(clone, part, tree, parents, title)
    tips = await _tips(part, folders)
    if state is None:
        tips += rest
    elif in_conflict:
        tips.append(commit)
        commit = state.result
    baseline = part.own / "baseline"
    only_setup = baseline.exists() and baseline.read_text() == tree and head == part.base
    changed = commit != part.base and not only_setup
    return _Found(commit if changed else part.base, changed, tips, in_conflict)


def _is_whole(git_dir: Path) -> bool:
    """Whether an embedded repository has all of its history, and in its own place."""
    return not (git_dir / "shallow").exists() and not (git_dir / "objects").is_symlink()


async def _heads(part: Part) -> tuple[str, list[str]]:
    """The agent's last commit and what a merge in progress brings in; the base where it has no last commit."""
    if not part.has_git_dir():
        return part.base, []
    head = await asyncio.to_thread(head_of, part.git_dir)
    rest = await asyncio.to_thread(merge_heads_of, part.git_dir)
    known = []
    for commit in (head, *rest):
        there = commit and await part.git("rev-parse", "-q", "--verify", f"{commit}^{{tree}}", check=False)
        known.append(commit if there and there.exit_code == 0 else None)
    return known[0] or part.base, [commit for commit in known[1:] if commit]


async def _related(part: Part, head: str) -> bool:
    return (await part.git("merge-base", part.base, head, check=False)).exit_code == 0


async def _commit(clone: Clone, part: Part, tree: str, parents: list[str], title: str) -> str:
    """The commit of these files on top of these parents: the last of them if it has these files, or one kept before."""
    if len(parents) == 1:
        same = await part.git("rev-parse", f"{parents[0]}^{{tree}}")
        if same.stdout.strip() == tree:
            return parents[0]
    earlier = await part.repository.commit(ref_names.of_agent(clone.run_id, clone.agent, "result"))
    noted = part.own / "last-commit"
    for known in (earlier, noted.read_text() if noted.exists() else None):
        if known:
            about = await part.git("log", "-1", "--no-show-signature", "--format=%T %P", known, "--", check=False)
            if about.exit_code == 0 and about.stdout.split() == [tree, *parents]:
                return known
    message = title.strip() or f"Work of {clone.agent}"
    message += f"\n\nLeft uncommitted by {clone.agent} in {clone.run_id}.\n"
    options = [option for parent in parents for option in ("-p", parent)]
    made = await part.git("commit-tree", tree, *options, input=message.encode("utf-8", "replace"))
    commit = made.stdout.strip()
    noted.write_text(commit)
    return commit


async def _tips(part: Part, folders: list[Path]) -> list[str]:
    """Commits made in the clone that no other commit made there follows."""
    if part.has_git_dir():
        folders = [part.git_dir / "objects", *folders]
    commits = [commit for folder in folders for commit in await local_commits(part, folder)]
    parents = {parent for commit in commits for parent in commit.parents}
    return [commit.id for commit in commits if commit.id not in parents]


async def _keep_part(clone: Clone, part: Part, found: _Found) -> tuple[str | None, list[str]]:
    """Objects, references and a look whether they stayed. Gives the branch that is at the result, and notes."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await _write(clone, part, found)
        except (RefMoved, GitFailed):
            if attempt == _ATTEMPTS or not part.repository.common.is_dir():
                raise
    raise AssertionError("the last attempt returns or raises")


async def _write(clone: Clone, part: Part, found: _Found) -> tuple[str | None, list[str]]:
    repository = part.repository
    result = ref_names.of_agent(clone.run_id, clone.agent, "result")
    extra = ref_names.of_agent(clone.run_id, clone.agent, "extra")
    head = ref_names.head(clone.branch)
    before = await repository.refs(result, extra, head)
    earlier = [before[extra]] if extra in before else []
    tips = [*found.tips, *([before[result]] if result in before else [])]
    left = await _not_within(part, tips, [found.commit, part.seen, *earlier])
    joint, sent, notes = await _send(clone, part, found.commit, left, earlier)
    moves = []
    if found.changed and before.get(result) != found.commit:
        moves.append(Move(result, found.commit, before.get(result)))
    if joint is not None:
        moves.append(Move(extra, joint, before.get(extra)))
    branch = None
    if found.changed:
        why_not = await repository.why_branch_stays(head, before.get(head), before.get(result), found.commit)
        if why_not is not None:
            notes.append(f"{why_not}; the result of {clone.agent} is {found.commit}")
        else:
            branch = clone.branch
            if before.get(head) != found.commit:
                moves.append(Move(head, found.commit, before.get(head)))
    await repository.move(moves, f"keep the work of {clone.agent}")
    await transfer.verify(repository, [found.commit, *(move.new for move in moves)], [part.seen])
    await transfer.settle(repository, sent)
    return branch, notes


async def _send(
    clone: Clone, part: Part, result: str, left: list[str], earlier: list[str]
) -> tuple[str | None, list[Path], list[str]]:
    """Objects of the result and of what is left besides. Gives the commit that joins the latter, and notes."""
    try:
        joint = await _join(clone, part, [*earlier, *left]) if left else None
        sent = await _send_these(clone, part, [result, *([joint] if joint else [])])
    except GitFailed:
        # One broken commit, say of a command that was killed, is not to keep the others from being kept.
        whole = await transfer.sound(part, left, [part.seen])
        joint = await _join(clone, part, [*earlier, *whole]) if whole else None
        sent = await _send_these(clone, part, [result, *([joint] if joint else [])])
        broken = [commit for commit in left if commit not in whole]
        return joint, sent, [f"commit {commit} of {clone.agent} is incomplete and was not kept" for commit in broken]
    return joint, sent, []


async def _send_these(clone: Clone, part: Part, commits: list[str]) -> list[Path]:
    return await transfer.send(part, part.repository, commits, [part.seen], clone.run_id)


async def _join(clone: Clone, part: Part, parents: list[str]) -> str:
    """One commit that contains all of these: a run is not to leave a hundred references behind for each agent."""
    about = await part.git("log", "-1", "--no-show-signature", "--format=%T %ct", part.base, "--")
    title = f"All else that {clone.agent} of {clone.run_id} committed"
    joint = Joint.of(about.stdout, [part.base, *parents], title, part.repository.object_format)
    await part.git("hash-object", "-t", "commit", "-w", "--stdin", input=joint.data)
    return joint.id


async def _not_within(part: Part, commits: list[str], within: list[str]) -> list[str]:
    """Those of `commits` that none of `within` contains, in a fixed order."""
    if not commits:
        return []
    text = "".join(f"{commit}\n" for commit in commits) + "".join(f"^{commit}\n" for commit in within)
    listed = await part.git("rev-list", "--stdin", input=text.encode(), check=False)
    if listed.exit_code != 0:  # a history with holes: better one reference too many
        return sorted(set(commits) - set(within))
    return sorted(set(commits) & set(listed.stdout.split()))


def _outer(clone: Clone, part: Part) -> tuple[Part, str]:
    """The part that a submodule is in, and its path there."""
    outer = max(
        (other for other in clone.parts if other is not part and _holds(other.path, part.path)),
        key=lambda other: len(other.path),
    )
    return outer, part.path.removeprefix(outer.path).lstrip("/")


def _holds(outer: str, inner: str) -> bool:
    return outer == "" or inner.startswith(f"{outer}/")


def _unlock(clone: Clone) -> None:
    """Remove locks in our own git directories: who held them is gone, or we would not hold the clone's."""
    for part in clone.parts:
        for lock in [*part.own.glob("*.lock"), *(part.own / "refs").rglob("*.lock")]:
            lock.unlink(missing_ok=True)


def _write_down(clone: Clone, kept: Kept) -> None:
    new = clone.own / "kept.new"
    new.write_text(json.dumps(asdict(kept)), "utf-8", "surrogateescape")
    new.replace(clone.own / _KEPT)


def _kept_before(clone: Clone) -> Kept:
    try:
        record = json.loads((clone.own / _KEPT).read_text("utf-8", "surrogateescape"))
    except FileNotFoundError:
        raise GitFailed("the clone is gone, and not by our doing") from None
    return Kept(**{**record, "files": [FileMark(**mark) for mark in record["files"]]})
