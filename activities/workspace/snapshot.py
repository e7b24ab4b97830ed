"""The files of a clone as a tree: all that is there and not ignored, whatever state its own git is in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

from .clone_parts import Part
from .git import GitFailed, in_one_line

_NESTING_MAX = 8
MARKERS = (b"<<<<<<< ", b">>>>>>> ")
"""What git writes around the two sides of a conflict, at the start of a line."""


def index_of_files(part: Part) -> Path:
    """Our index of the last `tree_of_files`."""
    return part.own / "snapshot.index"


async def tree_of_files(part: Part, head: str, links: dict[str, str] | None = None) -> str:
    """Write the files of a part as a tree into our own object folder.

    Args:
        head: the agent's last commit: what it committed though it is ignored belongs to the result.
        links: commits of submodules by path; a submodule that is not named stays as `head` has it.

    Raises:
        GitFailed: a file cannot be read.
    """
    index = index_of_files(part)
    await asyncio.to_thread(shutil.copyfile, part.own / "index", index)
    # Keeps what is known about files that are as the checkout left them: only the others are read again.
    await part.git("read-tree", "-i", "-m", head, index=index)
    nested = await _nested(part, index)
    await _add(part, index, nested)
    for path in nested:
        await _add_nested(part, index, path)
    await _add_staged(part, index)
    for path, commit in (links or {}).items():
        await part.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", index=index)
    return (await part.git("write-tree", index=index)).stdout.strip()


async def embedded(part: Part, known: set[str]) -> list[Path]:
    """Git directories of other repositories that an agent left among its files, where they are not ignored.

    Args:
        known: paths of submodules, which are parts of their own.
    """
    index = index_of_files(part)
    listed = (await part.git("ls-files", "-z", index=index)).stdout.split("\0")

    def look() -> list[Path]:
        folders = {Path(path).parent for path in listed if path}
        folders |= {above for folder in list(folders) for above in folder.parents}
        # A submodule that the user has not initialised and the agent has.
        folders |= {Path(path) for path in listed if path and (part.tree / path).is_dir()}
        found = [part.tree / folder / ".git" for folder in sorted(folders) if str(folder) not in ({"."} | known)]
        return [git_dir for git_dir in found if git_dir.is_dir() and not git_dir.is_symlink()]

    return await asyncio.to_thread(look)


async def unresolved(part: Part) -> list[str]:
    """Paths that the agent's own index has in conflict and whose files still have the marks of it."""
    theirs = await their_index(part)
    if theirs is None:
        return []
    listed = await part.git("ls-files", "-u", "-z", index=theirs, check=False)
    paths = {entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry}
    return [path for path in sorted(paths) if await asyncio.to_thread(has_markers, part.tree / path)]


async def their_index(part: Part) -> Path | None:
    """A copy of the agent's own index, to be read; `None` where it has none."""
    theirs, copy = part.git_dir / "index", part.own / "theirs.index"
    if not part.has_git_dir() or not theirs.is_file() or theirs.is_symlink():
        return None
    await asyncio.to_thread(shutil.copyfile, theirs, copy)
    return copy


def has_markers(path: Path) -> bool:
    """Whether a file has both marks of a conflict."""
    if path.is_symlink() or not path.is_file():
        return False
    data = b"\n" + path.read_bytes()
    return all(b"\n" + marker in data for marker in MARKERS)


async def _add(part: Part, index: Path, nested: list[str]) -> None:
    links = await _gitlinks(part, index)
    excluded = [f":(exclude,top,literal){path}" for path in sorted({*nested, *links})]
    arguments = ("-c", "advice.addEmbeddedRepo=false", "add", "-A", "--sparse", "--", ".", *excluded)
    added = await part.git(*arguments, index=index, check=False)
    if added.exit_code != 0:
        # Files that even their owner may not read, pipes and sockets where files were: an agent can have made them so.
        await asyncio.to_thread(_make_readable, part.tree)
        await _drop_special(part, index)
        added = await part.git(*arguments, index=index, check=False)
    if added.exit_code != 0:
        raise GitFailed(f"the files in {part.tree} cannot all be read: {in_one_line(added)}")


async def _drop_special(part: Part, index: Path) -> None:
    """What git cannot take is as good as removed."""
    listed = (await part.git("ls-files", "-z", index=index)).stdout.split("\0")

    def special(path: str) -> bool:
        file = part.tree / path
        return os.path.lexists(file) and not (file.is_symlink() or file.is_file() or file.is_dir())

    found = await asyncio.to_thread(lambda: [path for path in listed if path and special(path)])
    text = "".join(f"{path}\0" for path in found).encode("utf-8", "surrogateescape")
    await part.git("update-index", "--force-remove", "-z", "--stdin", index=index, input=text)


async def _nested(part: Part, index: Path) -> list[str]:
    """Folders with a git of their own that are not among the files yet."""
    listed = await part.git("ls-files", "-o", "--exclude-standard", "-z", index=index)
    return [path.rstrip("/") for path in listed.stdout.split("\0") if path.endswith("/")]


async def _gitlinks(part: Part, index: Path) -> list[str]:
    listed = await part.git("ls-files", "-s", "-z", index=index)
    return [entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry.startswith("160000 ")]


async def _add_staged(part: Part, index: Path) -> None:
    """Ignored files that the agent put into its index all the same: it meant to commit them."""
    theirs = await their_index(part)
    if theirs is None:
        return
    staged = await part.git("ls-files", "-z", index=theirs, check=False)
    known = await part.git("ls-files", "-z", index=index)
    new = sorted(set(staged.stdout.split("\0")) - set(known.stdout.split("\0")) - {""})
    there = [path for path in new if await asyncio.to_thread((part.tree / path).is_file)]
    if there:
        text = "".join(f"{path}\0" for path in there).encode("utf-8", "surrogateescape")
        await part.git("update-index", "--add", "-z", "--stdin", index=index, input=text, check=False)


async def _add_nested(part: Part, index: Path, path: str, depth: int = 0) -> None:
    """Files of an embedded repository as plain files: a bare link to its commit would keep nothing of it."""
    empty = part.own / "nested.index"
    with contextlib.suppress(FileNotFoundError):
        empty.unlink()
    listed = await part.git("ls-files", "-o", "--exclude-standard", "-z", index=empty, tree=part.tree / path)
    entries = [entry for entry in listed.stdout.split("\0") if entry]
    files = "".join(f"{path}/{entry}\0" for entry in entries if not entry.endswith("/"))
    if files:
        await part.git(
            "update-index", "--add", "-z", "--stdin", index=index, input=files.encode("utf-8", "surrogateescape")
        )
    for entry in entries:
        if entry.endswith("/") and depth < _NESTING_MAX:
            await _add_nested(part, index, f"{path}/{entry.rstrip('/')}", depth + 1)


def _make_readable(tree: Path) -> None:
    for folder, folders, files in os.walk(tree):
        for name, mode in [*((name, 0o700) for name in folders if name != ".git"), *((name, 0o600) for name in files)]:
            path = Path(folder) / name
            if not path.is_symlink() and (path.is_dir() or path.is_file()):
                path.chmod(path.stat().st_mode | mode)
        if ".git" in folders:
            folders.remove(".git")
