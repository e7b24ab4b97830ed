"""Which files of a workspace match a pattern.

Git says what it ignores: its own answer is the only one with all of its rules (nested `.gitignore`, negation, tracked
files that a rule names), and takes a tenth of a second for 50,000 files. It gives names only; what they stand for is
looked up by descriptors, so that a link swapped in meanwhile shows nothing of what is outside.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ..protected import Guard
from .descent import LISTABLE, is_git, open_folder
from .files import FileInfo, OutsideWorkspace
from .glob_patterns import GlobPattern, compile_glob
from .tracked import list_files

NESTED_MAX = 8
"""Repositories within repositories that are looked into."""

_Parts = tuple[str, ...]


def matching(
    root: Path, base: str, pattern: str, hidden: Callable[[str], bool], guard: Guard | None = None
) -> Iterator[FileInfo]:
    """Regular files under the folder `base` of `root` that match, in path order, without hidden ones: `Files.walk`.

    Raises:
        ValueError: no pattern.
        OutsideWorkspace: a link on the way to the folder leads out.
        OSError: the folder does not exist, or is none.
    """
    patterns = compile_glob(pattern)
    # A wrong folder is an error at once, and not an empty result.
    os.close(open_folder(root, base, guard)[0])
    return _found(root, () if base == "." else tuple(base.split("/")), patterns, _Unlisted(hidden, guard))


def _found(root: Path, base: _Parts, patterns: list[GlobPattern], hidden: _Unlisted) -> Iterator[FileInfo]:
    """Patterns with the same fixed parts are looked for together."""
    starts: dict[_Parts, list[GlobPattern]] = {}
    for pattern in patterns:
        if pattern.rest is None:
            starts.setdefault((*base, *pattern.fixed[:-1]), []).append(pattern)
        else:
            starts.setdefault((*base, *pattern.fixed), []).append(pattern)
    if len(starts) == 1:
        yield from _under(root, *starts.popitem(), hidden)
        return
    found = {info.path: info for start, group in starts.items() for info in _under(root, start, group, hidden)}
    yield from (found[path] for path in sorted(found))


def _under(root: Path, start: _Parts, patterns: list[GlobPattern], hidden: _Unlisted) -> Iterator[FileInfo]:
    if any(is_git(part) for part in start):
        return
    try:
        handle, real = open_folder(root, "/".join(start), hidden.guard)
    except (OutsideWorkspace, OSError):
        return  # what a pattern names need not be there
    tree = _Tree(handle)
    try:
        if any(is_git(part) for part in real.split("/")):
            return
        names = {pattern.fixed[-1] for pattern in patterns if pattern.rest is None and not is_git(pattern.fixed[-1])}
        rests = [pattern.rest for pattern in patterns if pattern.rest is not None]
        if rests:
            names.update(name for name in _names(root, real, tree, named=bool(start)) if _fits(name, rests))
        prefix = "".join(f"{part}/" for part in start)
        place = "" if real == "." else f"{real}/"
        for name in sorted(names):
            if hidden.names(place + name):
                continue
            status = tree.status(name)
            if status is not None and stat.S_ISREG(status.st_mode) and not hidden.is_place(status):
                yield FileInfo(prefix + name, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    finally:
        tree.close()


class _Unlisted:
    """What is left out: by the rules of a run, and because it is protected."""

    def __init__(self, hidden: Callable[[str], bool], guard: Guard | None) -> None:
        self._hidden = hidden
        self.guard = guard
        self._places = {} if guard is None else guard.met(to_write=False)

    def names(self, path: str) -> bool:
        if self.guard is not None and self.guard.closed(path.split("/"), to_write=False) is not None:
            return True
        return self._hidden(path)

    def is_place(self, status: os.stat_result) -> bool:
        return (status.st_dev, status.st_ino) in self._places


def _fits(name: str, rests: list[re.Pattern[str]]) -> bool:
    return any(rest.match(name) for rest in rests)


def _names(root: Path, real: str, tree: _Tree, *, named: bool, above: str = "", depth: int = 0) -> Iterator[str]:
    """Names of files below a folder, relative to the top of the tree; links and things that are gone among them.

    Args:
        root: the workspace, or the nested repository.
        real: the folder within it.
        tree: of the folder that was asked for.
        named: it was asked for by name.
        above: of a nested repository, its place in the tree.
        depth: how many repositories it lies in.
    """
    listed = list_files(root, real, named=named)
    if listed is None:
        yield from tree.everything(above)
        return
    for name in listed.files:
        yield above + name
    for folder in listed.repositories:
        # One that is not a folder is a submodule that is not checked out.
        if depth < NESTED_MAX and tree.enter(above + folder) is not None:
            inner = root / real / folder
            yield from _names(inner, ".", tree, named=False, above=f"{above}{folder}/", depth=depth + 1)


class _Tree:
    """A folder held open, and what lies below it, by names that are never links."""

    def __init__(self, handle: int) -> None:
        self._top = handle
        self._last: tuple[str, int] | None = None

    def close(self) -> None:
        self._forget()
        os.close(self._top)

    def status(self, name: str) -> os.stat_result | None:
        """Of the thing itself, not of what it links to."""
        folder, _, last = name.rpartition("/")
        handle = self.enter(folder)
        if handle is None:
            return None
        try:
            return os.stat(last, dir_fd=handle, follow_symlinks=False)
        except OSError:
            return None  # it went away

    def enter(self, folder: str) -> int | None:
        """A descriptor of a folder, good until the next call; `None` where there is none, or a link on the way."""
        if not folder:
            return self._top
        if self._last is not None:
            if self._last[0] == folder:
                return self._last[1]
            self._forget()
        handle = os.dup(self._top)
        for part in folder.split("/"):
            try:
                inner = os.open(part, LISTABLE, dir_fd=handle)
            except OSError:
                return None
            finally:
                os.close(handle)
            handle = inner
        self._last = (folder, handle)
        return handle

    def everything(self, above: str) -> Iterator[str]:
        """All files below a folder, `.git` left out."""
        pending = [above]
        while pending:
            folder = pending.pop()
            handle = self.enter(folder.rstrip("/"))
            if handle is None:
                continue
            with os.scandir(handle) as entries:
                here = list(entries)
            for entry in here:
                if not entry.name.isprintable() and not _nameable(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not is_git(entry.name):
                        pending.append(f"{folder}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    yield folder + entry.name

    def _forget(self) -> None:
        if self._last is not None:
            os.close(self._last[1])
            self._last = None


def _nameable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
