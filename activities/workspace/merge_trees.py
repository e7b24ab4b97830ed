"""Two commits merged in a scratch git directory: no checkout is touched, no merge driver of the repository is run."""

from __future__ import annotations

from dataclasses import dataclass

from .git import GitFailed, in_one_line
from .scratch import Scratch

_MESSAGES_MAX = 4000


@dataclass(frozen=True, slots=True)
class Conflict:
    """The commit does not fit. Nothing was changed."""

    files: list[str]
    text: str
    """What git says about it."""
    base: str
    """The commit of the run's branch that it does not fit with."""


async def take_attributes(scratch: Scratch, commit: str) -> None:
    """Let the attributes at the root of `commit` say how files merge (`union`, `binary`)."""
    attributes = await scratch.git("cat-file", "blob", f"{commit}:.gitattributes", check=False)
    if attributes.exit_code == 0:
        (scratch.git_dir / "info" / "attributes").write_text(attributes.stdout, "utf-8", "surrogateescape")


async def merged_tree(scratch: Scratch, tip: str, wanted: str) -> str | Conflict:
    """The tree of both, in the scratch directory.

    Raises:
        GitFailed: git failed.
    """
    outcome = await by_tree(scratch, tip, wanted)
    return await by_files(scratch, tip, wanted) if outcome is None else outcome


async def by_tree(scratch: Scratch, tip: str, wanted: str) -> str | Conflict | None:
    """Without files; `None` if this git (before 2.38) cannot."""
    options = ("--write-tree", "-z", "--name-only", "--messages", "--allow-unrelated-histories")
    outcome = await scratch.git("merge-tree", *options, tip, wanted, check=False)
    if outcome.exit_code == 129:
        return None
    if outcome.exit_code not in (0, 1):
        raise GitFailed(f"git merge-tree in {scratch.repository.common} failed: {in_one_line(outcome)}")
    tree, _, rest = outcome.stdout.partition("\0")
    if outcome.exit_code == 0:
        return tree
    names, _, messages = rest.partition("\0\0")
    return Conflict(sorted(set(names.split("\0"))), _messages(messages), tip)


async def by_files(scratch: Scratch, tip: str, wanted: str) -> str | Conflict:
    """With files, in a scratch folder."""
    tree = scratch.folder / "tree"
    tree.mkdir()
    await scratch.git("config", "core.bare", "false")
    await scratch.git("update-ref", "--no-deref", "HEAD", tip)
    await scratch.git("read-tree", "-m", "-u", tip, tree=tree)
    options = ("--no-commit", "--no-ff", "--no-verify", "-q", "--allow-unrelated-histories")
    outcome = await scratch.git("merge", *options, wanted, check=False, tree=tree)
    listed = await scratch.git("ls-files", "-u", "-z", tree=tree)
    files = sorted({entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry})
    if files:
        return Conflict(files, outcome.stdout.strip()[:_MESSAGES_MAX], tip)
    if outcome.exit_code != 0:
        raise GitFailed(f"git merge in a scratch folder failed: {in_one_line(outcome)}")
    return (await scratch.git("write-tree", tree=tree)).stdout.strip()


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
