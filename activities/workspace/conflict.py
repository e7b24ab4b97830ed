"""A conflict of the merge queue, brought into the clone of the agent whose commit it is, for the agent to resolve.

The merge is made by our own git directory and then handed to the agent's: it finds what `git merge` would have left it,
conflict markers, index and `MERGE_HEAD`, and no line of its configuration was run for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import ref_names, snapshot
from .clone_parts import Clone, Part
from .git import GitFailed, in_one_line

_RECORD = "conflict.json"
_MERGE_FILES = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE")
_UNDER_WAY = (
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "AUTO_MERGE",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)
_LISTED_MAX = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """A conflict that was brought into a clone."""

    result: str
    """The agent's commit that did not fit."""
    theirs: str
    """The run's commit it did not fit with."""
    files: dict[str, str | None] = field(default_factory=dict)
    """Files in conflict, with the sha256 of what the merge left there."""
    text: str = ""
    done: bool = False
    """False while it is being brought: a crash then leaves half of it, and it is begun again."""

    async def unresolved(self, part: Part, with_marks: list[str]) -> list[str]:
        """Which files the agent has left as they were. `with_marks` are those that its own index has in conflict."""
        theirs = await snapshot.their_index(part)
        unmerged: set[str] = set()
        if theirs is not None:
            listed = await part.git("ls-files", "-u", "-z", index=theirs, check=False)
            unmerged = {entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry}

        def left(path: str, before: str | None) -> bool:
            file = part.tree / path
            return _sha256(file) == before and (path in unmerged or snapshot.has_markers(file))

        found = [path for path, before in self.files.items() if await asyncio.to_thread(left, path, before)]
        return sorted({*found, *with_marks})


async def standing(clone: Clone) -> Standing | None:
    """The conflict that was last brought into a clone."""
    record = await asyncio.to_thread(_read, clone)
    return record if record is not None and record.done else None


async def bring(clone: Clone, result: str, theirs: str) -> str:
    """Merge `theirs` into a clone whose files are those of `result`. The caller holds the clone's lock.

    Returns:
        What to tell the agent.

    Raises:
        GitFailed, OSError: it cannot be done; the clone is put right by the next `keep`.
    """
    record = await asyncio.to_thread(_read, clone)
    if record is not None and record.done and record.result == result:
        left = await record.unresolved(clone.main, await snapshot.unresolved(clone.main))
        if left or record.theirs == theirs:
            return record.text
    await asyncio.to_thread(_write, clone, Standing(result, theirs))
    await finish(clone)
    brought = await standing(clone)
    assert brought is not None
    return brought.text


async def finish(clone: Clone) -> None:
    """Bring what a crash kept from being brought; nothing otherwise."""
    record = await asyncio.to_thread(_read, clone)
    if record is None or record.done:
        return
    part, merged = clone.main, ref_names.merged_branch(clone.run_id)
    index, merging = part.own / "index", part.own / "merge.index"
    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(shutil.copyfile, snapshot.index_of_files(part), index)
    await asyncio.to_thread(_drop, part.own, _MERGE_FILES)
    await part.git("update-ref", "--no-deref", "HEAD", record.result)
    await part.git("read-tree", "--reset", "-u", record.result)
    await part.git("update-ref", ref_names.head(merged), record.theirs)
    await asyncio.to_thread(shutil.copyfile, index, merging)
    outcome = await part.git("merge", "--no-commit", "--no-ff", "--no-verify", "-q", merged, index=merging, check=False)
    if outcome.exit_code not in (0, 1) or not (part.own / "MERGE_HEAD").exists():
        raise GitFailed(f"git merge in {part.tree} failed: {in_one_line(outcome)} {outcome.stdout.strip()}")
    listed = await part.git("ls-files", "-u", "-z", index=merging)
    paths = sorted({entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry})
    await asyncio.to_thread(_hand_over, clone, record.result, merging)
    files = {path: await asyncio.to_thread(_sha256, part.tree / path) for path in paths}
    text = _told(merged, paths, outcome.stdout)
    await asyncio.to_thread(_write, clone, replace(record, files=files, text=text, done=True))


def _told(merged: str, paths: list[str], said: str) -> str:
    if not paths:
        return (
            f"Since you began, others have finished work that yours has to be joined with. It ({merged}) was merged "
            "into your checkout without conflicts. Check that all of it still works together, then finish as before."
        )
    names = "\n".join(f"- {path}" for path in paths[:_LISTED_MAX])
    more = f"\n- and {len(paths) - _LISTED_MAX} more" if len(paths) > _LISTED_MAX else ""
    return (
        f"Your work conflicts with work that others have finished since you began. Theirs ({merged}) was merged into "
        f"your checkout, and these files are in conflict:\n{names}{more}\n\n{said.strip()}\n\n"
        "Edit each of them so that what you did and what they did both hold, remove every conflict marker, `git add` "
        "the files, and check that everything still works. Then finish as before. You need not commit."
    )


def _hand_over(clone: Clone, result: str, index: Path) -> None:
    """Give the agent's own git the merge that ours has made."""
    part = clone.main
    git_dir = part.git_dir
    if not part.has_git_dir():
        return
    _drop(git_dir, (*_MERGE_FILES, *_UNDER_WAY, "HEAD.lock", "index.lock"))
    head = git_dir / "refs" / "heads" / clone.branch
    try:
        if not head.parent.resolve().is_relative_to(git_dir.resolve()):
            raise NotADirectoryError(head.parent)
        head.parent.mkdir(parents=True, exist_ok=True)
        _put(head, f"{result}\n".encode())
        _put(git_dir / "HEAD", f"ref: refs/heads/{clone.branch}\n".encode())
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        # The agent has something else where its branch would be.
        _put(git_dir / "HEAD", f"{result}\n".encode())
    _put(git_dir / "index", index.read_bytes())
    for name in _MERGE_FILES:
        _put(git_dir / name, (part.own / name).read_bytes() if (part.own / name).exists() else b"")


def _put(path: Path, data: bytes) -> None:
    """Replace a file that an agent may have made a link."""
    new = path.with_name(f"{path.name}.tenuto-new")
    new.unlink(missing_ok=True)
    new.write_bytes(data)
    new.replace(path)


def _drop(git_dir: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = git_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _sha256(path: Path) -> str | None:
    if path.is_symlink():
        return hashlib.sha256(str(path.readlink()).encode("utf-8", "surrogateescape")).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _read(clone: Clone) -> Standing | None:
    try:
        return Standing(**json.loads((clone.own / _RECORD).read_text("utf-8", "surrogateescape")))
    except FileNotFoundError:
        return None


def _write(clone: Clone, record: Standing) -> None:
    new = clone.own / f"{_RECORD}.new"
    new.write_text(json.dumps(asdict(record)), "utf-8", "surrogateescape")
    new.replace(clone.own / _RECORD)
