"""Files that git does not track and a clone needs all the same, such as `.env` and `node_modules`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path, PurePosixPath

_COPY_TIMEOUT_S = 900.0


class UntrackedRefused(Exception):
    """An entry of `untracked` leads out of the workspace."""


def find(workspace: Path, patterns: list[str]) -> list[str]:
    """Paths below `workspace` that match, `/` between parts; patterns that match nothing are fine.

    Raises:
        UntrackedRefused: a pattern is absolute, has `..` in it, or means git's own folder.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        parts = PurePosixPath(pattern).parts
        if not parts or PurePosixPath(pattern).is_absolute() or ".." in parts or ".git" in parts:
            raise UntrackedRefused(
                f"untracked: {pattern!r} has to be a path within the workspace, without `..` and `.git`"
            )
        for path in sorted(workspace.glob(pattern)):
            found[path.relative_to(workspace).as_posix()] = None
    return list(found)


def as_excludes(prefix: str, paths: list[str]) -> tuple[str, ...]:
    """Patterns for `info/exclude` that mean exactly these paths."""
    special = str.maketrans({char: f"\\{char}" for char in "\\*?[]! #"})
    return tuple(f"/{(prefix + path).translate(special)}" for path in paths if "\n" not in path)


async def copy(workspace: Path, target: Path, paths: list[str]) -> None:
    """Copy `paths` from one root to another. What the target has already, because git tracks it, stays.

    Copies share blocks where the file system can; never the file itself, for agents write to theirs.

    Raises:
        OSError: something could not be read or written.
    """
    for path in paths:
        source, goal = workspace / path, target / path
        # A link that is named itself means what it points at; links further down are copied as links.
        with contextlib.suppress(OSError):
            source = source.resolve(strict=True) if source.is_symlink() else source
        await asyncio.to_thread(_copy, source, goal)


def _copy(source: Path, goal: Path) -> None:
    if goal.is_dir() and not goal.is_symlink() and source.is_dir():
        for child in source.iterdir():
            _copy(child, goal / child.name)
        return
    if goal.exists() or goal.is_symlink():
        return
    goal.parent.mkdir(parents=True, exist_ok=True)
    command = ["cp", "-a", "--reflink=auto", "--", str(source), str(goal)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=_COPY_TIMEOUT_S)
    if done.returncode == 0:
        return
    # A cp without --reflink, or a file that cannot be read: slower, and with an error that names it.
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, goal, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, goal, follow_symlinks=False)
