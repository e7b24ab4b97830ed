"""Files that git does not track and a clone needs all the same, such as `.env` and `node_modules`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from ..protected import Guard, guard_of, is_secret
from .descent import reach
from .files import ClosedPlace, OutsideWorkspace

_COPY_TIMEOUT_S = 900.0


class UntrackedRefused(Exception):
    """An entry of `untracked` leads out of the workspace, or to what is closed to every run."""


def find(workspace: Path, patterns: list[str]) -> list[str]:
    """Paths below `workspace` that match, `/` between parts; patterns that match nothing are fine.

    Raises:
        UntrackedRefused: a pattern is absolute, has `..` in it, or means git's own folder or a protected place.
    """
    root = workspace.resolve()
    guard = guard_of(workspace)
    found: dict[str, None] = {}
    for pattern in patterns:
        parts = PurePosixPath(pattern).parts
        if not parts or PurePosixPath(pattern).is_absolute() or ".." in parts or ".git" in parts:
            raise UntrackedRefused(
                f"untracked: {pattern!r} has to be a path within the workspace, without `..` and `.git`"
            )
        for path in sorted(workspace.glob(pattern)):
            _require_open(root, path.relative_to(workspace).as_posix(), guard)
            found[path.relative_to(workspace).as_posix()] = None
    return list(found)


def _require_open(root: Path, path: str, guard: Guard | None) -> None:
    """An agent may have written the file that names this: a copy must not show what no tool does."""
    try:
        with reach(root, path, guard=guard) as spot:
            holds = None if guard is None else guard.holds(spot.real)
    except ClosedPlace as error:
        raise UntrackedRefused(f"untracked: {error}") from error
    except OutsideWorkspace as error:
        if is_secret(Path(os.path.realpath(root / path))):
            raise UntrackedRefused(f"untracked: {path} is a link to what is closed to every run") from error
        return  # a link elsewhere is copied for what it points at
    except OSError:
        return  # what is gone, or cannot be reached, is told when it is copied
    if holds is not None:
        raise UntrackedRefused(f"untracked: {path} has {holds} in it, which is closed to every run: name less of it")


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
