"""The merge queue: commits of agents onto the run's branch, one at a time, without any working tree.

The queue has no lock. It reads where the run's branch is, makes the merge, and moves the branch only if it is still
there; whoever was slower begins again. So a crash leaves nothing to clean up, and a retry integrates once.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import conflict, ref_names
from .clone import locked
from .clone_parts import Clone
from .git import GitFailed, GitOutcome, git, in_one_line
from .remote import fetch_run
from .repository import Move, RefMoved, Repository, repository_of

_RETRIES_MAX = 100
"""More than the agents that can be at it at once."""
_MESSAGES_MAX = 4000


class MergeImpossible(Exception):
    """The queue cannot work: no repository, or not the commits it was given. The message says which."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The commit is on the run's branch."""

    commit: str
    """Where the run's branch is now, or was when it was found to contain the commit."""
    note: str | None = None
    """What a person should know: the branch that shows it stayed behind."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The commit does not fit. Nothing was changed."""

    files: list[str]
    text: str
    """What git says about it."""
    base: str
    """The commit of the run's branch that it does not fit with."""


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
        new = await _join(repository, run_id, agent, tip, wanted)
        if isinstance(new, Conflict):
            return new
        try:
            return Merged(new, await _advance(repository, run_id, new, now))
        except RefMoved:
            continue
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


async def _join(repository: Repository, run_id: str, agent: str, tip: str, wanted: str) -> str | Conflict:
    if await repository.is_ancestor(wanted, tip):
        return tip
    if await repository.is_ancestor(tip, wanted):
        return wanted
    with tempfile.TemporaryDirectory(prefix="tenuto-merge-") as folder:
        merge = _Merge(repository, Path(folder))
        await merge.prepare(tip)
        outcome = await merge.by_tree(tip, wanted)
        if outcome is None:
            outcome = await merge.by_files(tip, wanted)
        if isinstance(outcome, Conflict):
            return outcome
        message = f"Merge the work of {agent}\n\nRun {run_id}.\n"
        parents = ("-p", tip, "-p", wanted)
        return (await merge.git("commit-tree", outcome, *parents, input=message.encode())).stdout.strip()


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


@dataclass(frozen=True, slots=True)
class _Merge:
    """A merge in a git directory of its own: no setting of the repository can name a merge driver."""

    repository: Repository
    folder: Path

    async def git(
        self, *arguments: str, input: bytes | None = None, check: bool = True, tree: Path | None = None
    ) -> GitOutcome:
        env = {"GIT_DIR": str(self.folder / "git"), "GIT_OBJECT_DIRECTORY": str(self.repository.objects)}
        if tree is not None:
            env["GIT_WORK_TREE"] = str(tree)
        return await git(*arguments, cwd=tree or self.folder, input=input, check=check, env=env, timeout_s=600)

    async def prepare(self, tip: str) -> None:
        """An empty git directory over the repository's objects, with the attributes that `tip` has at its root."""
        git_dir = self.folder / "git"
        await git(
            "init", "-q", "--bare", "--template=", f"--object-format={self.repository.object_format}", str(git_dir),
            cwd=self.folder,
        )  # fmt: skip
        attributes = await self.git("cat-file", "blob", f"{tip}:.gitattributes", check=False)
        (git_dir / "info").mkdir(exist_ok=True)
        if attributes.exit_code == 0:
            (git_dir / "info" / "attributes").write_text(attributes.stdout, "utf-8", "surrogateescape")
        shallow = self.repository.common / "shallow"
        if shallow.exists():
            (git_dir / "shallow").write_bytes(shallow.read_bytes())

    async def by_tree(self, tip: str, wanted: str) -> str | Conflict | None:
        """The merged tree; `None` if this git (before 2.38) has no merge without files."""
        options = ("--write-tree", "-z", "--name-only", "--messages", "--allow-unrelated-histories")
        outcome = await self.git("merge-tree", *options, tip, wanted, check=False)
        if outcome.exit_code == 129:
            return None
        if outcome.exit_code not in (0, 1):
            raise GitFailed(f"git merge-tree in {self.repository.common} failed: {in_one_line(outcome)}")
        tree, _, rest = outcome.stdout.partition("\0")
        if outcome.exit_code == 0:
            return tree
        names, _, messages = rest.partition("\0\0")
        return Conflict(sorted(set(names.split("\0"))), _messages(messages), tip)

    async def by_files(self, tip: str, wanted: str) -> str | Conflict:
        """The same with a working tree, in a scratch folder."""
        tree = self.folder / "tree"
        tree.mkdir()
        await self.git("config", "core.bare", "false")
        await self.git("update-ref", "--no-deref", "HEAD", tip)
        await self.git("read-tree", "-m", "-u", tip, tree=tree)
        options = ("--no-commit", "--no-ff", "--no-verify", "-q", "--allow-unrelated-histories")
        outcome = await self.git("merge", *options, wanted, check=False, tree=tree)
        listed = await self.git("ls-files", "-u", "-z", tree=tree)
        files = sorted({entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry})
        if files:
            return Conflict(files, outcome.stdout.strip()[:_MESSAGES_MAX], tip)
        if outcome.exit_code != 0:
            raise GitFailed(f"git merge in a scratch folder failed: {in_one_line(outcome)}")
        return (await self.git("write-tree", tree=tree)).stdout.strip()


def _messages(text: str) -> str:
    """The sentences of `merge-tree -z --messages`: for each a count, so many paths, a kind, and the sentence."""
    fields = text.split("\0")
    said, at = [], 0
    while at < len(fields) and fields[at].isdigit():
        at += int(fields[at]) + 1
        if at + 1 < len(fields) and fields[at].startswith("CONFLICT"):
            said.append(fields[at + 1].strip())
        at += 2
    return "\n".join(said)[:_MESSAGES_MAX]
