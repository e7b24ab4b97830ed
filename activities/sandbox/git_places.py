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
from .plain_file import plain_lines

_ALTERNATES_MAX = 16
_FOLDERS_MAX = 1000


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
    text = "".join(plain_lines(file)[:1]).strip()
    if not text or not text.startswith(word):
        return None
    return Path(os.path.realpath(file.parent / text.removeprefix(word).strip()))


def _points_back(folder: Path, dot: Path) -> bool:
    """`gitdir` in a worktree's folder is the path of the worktree's own `.git` file."""
    back = "".join(plain_lines(folder / "gitdir")[:1]).strip()
    return bool(back) and os.path.realpath(folder / back) == os.path.realpath(dot)


def _is_worktree_of(folder: Path, root: Path) -> bool:
    """`core.worktree` in a submodule's configuration is the path of its checkout."""
    for line in plain_lines(folder / "config"):
        key, _, value = line.partition("=")
        if key.strip().lower() == "worktree":
            return os.path.realpath(folder / value.strip()) == str(root)
    return False


def _is_repository(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _hooks(common: Path) -> Iterator[Mount]:
    """Hooks of the repository and of its submodules: git would run them outside, as the user."""
    for folder in [common, *_submodules(common)]:
        hooks = folder / "hooks"
        if hooks.is_symlink():
            real = Path(os.path.realpath(hooks))
            if real.is_dir() and real.is_relative_to(common.parent):
                yield Mount(real, "read")
            continue
        if not hooks.exists():
            hooks.mkdir(exist_ok=True)
        yield Mount(hooks, "read")


def _submodules(common: Path) -> Iterator[Path]:
    """Their git folders, those of submodules of submodules included."""
    left = [common / "modules"]
    for _ in range(_FOLDERS_MAX):
        if not left:
            return
        folder = left.pop()
        if _is_repository(folder):
            yield folder
            left.append(folder / "modules")
            continue
        try:
            left += [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def _borrowed(common: Path, root: Path) -> Iterator[Mount]:
    """Object folders named in `objects/info/alternates`, and in theirs, outside of what is visible already."""
    seen: set[Path] = set()
    left = [common / "objects"]
    while left and len(seen) < _ALTERNATES_MAX:
        objects = left.pop()
        for line in filter(None, map(str.strip, plain_lines(objects / "info" / "alternates"))):
            other = Path(os.path.realpath(objects / line))
            if other in seen or line.startswith("#") or not _is_object_folder(other):
                continue
            seen.add(other)
            left.append(other)
            if not other.is_relative_to(root) and not other.is_relative_to(common):
                yield Mount(other, "read")


def _is_object_folder(path: Path) -> bool:
    return path.name == "objects" and _is_repository(path.parent)
