"""What git says about the files below a folder: which there are, without those that it ignores.

Git is asked in a workspace whose configuration an agent may have written, and so in the environment of `git.py`, where
nothing that such a configuration can name is run. Here it is asked from a thread.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .git import environment

GIT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Listed:
    """Names relative to the folder that was listed, in no particular order."""

    files: list[str]
    """Tracked or not, but not ignored; links and files that are gone may be among them."""
    repositories: list[str]
    """Folders that are repositories of their own: git looks into neither submodules nor clones."""


def list_files(root: Path, folder: str, *, named: bool) -> Listed | None:
    """List a folder of a workspace as git sees it.

    Args:
        root: the workspace; outside of a repository its `.gitignore` files count all the same.
        folder: relative to it, real, `.` for itself.
        named: somebody asked for this very folder: then it counts even if git ignores it.

    Returns:
        `None` where git has nothing to say: the folder is ignored and was asked for, or there is no git.
    """
    place = root / folder
    if _ignored(place) is False and (listed := _list(place, [])) is not None:
        return listed
    # No repository, or one that ignores the workspace as a whole, or one that git will not open.
    with _empty_repository() as repository:
        own = [f"--git-dir={repository}", f"--work-tree={root}"]
        ignored = named and (_ignored(place) is True or _ignored(place, own) is True)
        return None if ignored else _list(place, own)


def _list(place: Path, options: list[str]) -> Listed | None:
    tracked = _git(place, *options, "ls-files", "-z", "--stage")
    others = _git(place, *options, "ls-files", "-z", "--others", "--exclude-standard")
    if tracked is None or tracked.returncode or others is None or others.returncode:
        return None
    files: list[str] = []
    repositories: list[str] = []
    for name in _names(others.stdout):
        (repositories if name.endswith("/") else files).append(name.rstrip("/"))
    for entry in _names(tracked.stdout):
        mode, _, rest = entry.partition(" ")
        name = rest.partition("\t")[2]
        if mode == "160000":
            repositories.append(name)
        elif mode != "120000":
            files.append(name)
    return Listed(files, repositories)


def _ignored(place: Path, options: list[str] | None = None) -> bool | None:
    """Whether git ignores a folder; `None` where it cannot say."""
    outcome = _git(place, *(options or []), "check-ignore", "-q", ".")
    return None if outcome is None or outcome.returncode > 1 else outcome.returncode == 0


def _names(output: bytes) -> Iterator[str]:
    for name in output.split(b"\0"):
        if name:
            try:
                yield name.decode()
            except UnicodeDecodeError:
                continue  # a model could not write such a name, nor a record of it be kept


def _git(place: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=place,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


@contextmanager
def _empty_repository() -> Iterator[Path]:
    """Just enough for git to apply its rules where there is no repository."""
    with tempfile.TemporaryDirectory(prefix="tenuto-git-") as folder:
        path = Path(folder)
        (path / "objects").mkdir()
        (path / "refs").mkdir()
        (path / "HEAD").write_text("ref: refs/heads/none\n")
        yield path
