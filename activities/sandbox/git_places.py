"""Which git folders a workspace needs: its own writable but for the hooks, objects borrowed from elsewhere read-only.

What is in a workspace may have been written by an agent. A `.git` file or a list of alternates is believed only where
the other side confirms it; else it would open any folder for the next command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .mounts import Mount

_ALTERNATES_MAX = 16
_SUBMODULES_MAX = 256


@dataclass(slots=True)
class GitPlaces:
    """The repository of a workspace; without one, all is empty."""

    mounts: list[Mount] = field(default_factory=list)
    folder: Path | None = None
    """The git folder of this checkout: its `HEAD`, its index."""
    common: Path | None = None
    """The git folder with objects, references and the stash: another one in a linked worktree."""

    @property
    def watched(self) -> list[Path]:
        """Files by which a repository makes git run programs or read other folders, when they are changed."""
        if self.common is None:
            return []
        names = ("config", "config.worktree", "objects/info/alternates", "commondir")
        return [self.common / name for name in names]


def git_places(root: Path) -> GitPlaces:
    """Look at a workspace. Makes an empty `hooks` folder where there is none, so that none can be slipped in."""
    dot = root / ".git"
    if dot.is_symlink():
        return GitPlaces([Mount(root, "write")])
    if dot.is_dir():
        return _own(root, dot)
    if dot.is_file():
        return _linked(root, dot)
    if _is_repository(root):
        return _own(root, root)
    return GitPlaces()


def _own(root: Path, folder: Path) -> GitPlaces:
    if not _is_repository(folder):
        return GitPlaces()
    mounts = [Mount(folder, "write")] if folder != root else []
    return GitPlaces([*mounts, *_hooks(folder), *_borrowed(folder, root)], folder, folder)


def _linked(root: Path, dot: Path) -> GitPlaces:
    """A linked worktree or a submodule: its `.git` is a file that names the folder."""
    folder = _named(dot, "gitdir:")
    if folder is None or not (_points_back(folder, dot) or _is_worktree_of(folder, root)):
        return GitPlaces([Mount(dot, "read")])
    shared = _named(folder / "commondir", "")
    common = folder if shared is None else shared
    if not _is_repository(common):
        return GitPlaces([Mount(dot, "read")])
    mounts = [Mount(dot, "read"), Mount(common, "write"), *_hooks(common), *_borrowed(common, root)]
    if not folder.is_relative_to(common):
        mounts.append(Mount(folder, "write"))
    return GitPlaces(mounts, folder, common)


def _named(file: Path, word: str) -> Path | None:
    """The folder that a one-line file names, relative to where the file lies."""
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text.startswith(word):
        return None
    return Path(os.path.realpath(file.parent / text.removeprefix(word).strip()))


def _points_back(folder: Path, dot: Path) -> bool:
    """`gitdir` in a worktree's folder is the path of the worktree's own `.git` file."""
    try:
        back = (folder / "gitdir").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return False
    return os.path.realpath(folder / back) == os.path.realpath(dot)


def _is_worktree_of(folder: Path, root: Path) -> bool:
    """`core.worktree` in a submodule's configuration is the path of its checkout."""
    try:
        lines = (folder / "config").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip().lower() == "worktree":
            return os.path.realpath(folder / value.strip()) == str(root)
    return False


def _is_repository(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _hooks(common: Path) -> Iterator[Mount]:
    """Hooks of the repository and of its submodules: git would run them outside, as the user."""
    modules = [path.parent for path in sorted((common / "modules").rglob("HEAD"))[:_SUBMODULES_MAX]]
    for folder in [common, *(folder for folder in modules if _is_repository(folder))]:
        hooks = folder / "hooks"
        if not hooks.is_symlink():
            hooks.mkdir(exist_ok=True)
            yield Mount(hooks, "read")


def _borrowed(common: Path, root: Path) -> Iterator[Mount]:
    """Object folders named in `objects/info/alternates`, and in theirs, outside of what is visible already."""
    seen: set[Path] = set()
    left = [common / "objects"]
    while left and len(seen) < _ALTERNATES_MAX:
        objects = left.pop()
        try:
            lines = (objects / "info" / "alternates").read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in filter(None, map(str.strip, lines)):
            other = Path(os.path.realpath(objects / line))
            if other in seen or line.startswith("#") or not _is_object_folder(other):
                continue
            seen.add(other)
            left.append(other)
            if not other.is_relative_to(root) and not other.is_relative_to(common):
                yield Mount(other, "read")


def _is_object_folder(path: Path) -> bool:
    return path.name == "objects" and _is_repository(path.parent)
