"""The way from a workspace's root to one file, folder by folder, so that no link leads out.

Each folder is opened by its own descriptor without following links, and a link is read and walked by hand, from
inside. What was found is held by the descriptor: renaming or swapping things meanwhile changes nothing about it. It is
the same on every system, takes absolute links that stay inside (which `openat2(RESOLVE_BENEATH)` refuses), and knows
the real name of every folder on the way, which the rule about `.git` needs.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..protected import Guard, folded
from .files import ClosedPlace, OutsideWorkspace

LINKS_MAX = 40
"""Links on the way to one file; the system's own limit (path_resolution(7))."""
STEPS_MAX = 10_000
"""Folders entered on the way to one file, detours by links included."""
FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""How a folder on the way is opened: `O_PATH`, where there is one, needs no permission to list it."""
LISTABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a folder that is held open. `name` was no link when it was looked at; it may not exist."""

    folder: int
    name: str
    real: tuple[str, ...]
    """Names from the root to it, none of them a link; empty for the root itself."""
    status: os.stat_result | None
    """`None` where there is nothing of that name."""

    @property
    def path(self) -> str:
        """Where it really is, relative to the root."""
        return "/".join(self.real) or "."


def is_git(name: str) -> bool:
    """Whether a file system may take a name for `.git`: case and invisible characters aside."""
    return folded(name) == ".git"


@contextmanager
def reach(root: Path, path: str, *, to_write: bool = False, guard: Guard | None = None) -> Iterator[Spot]:
    """Go to a file or folder below `root`.

    Args:
        root: absolute and resolved.
        path: relative to it, without `..`.
        to_write: folders on the way are made, and `.git` is not entered.
        guard: what is not entered either, under whatever name.

    Raises:
        ClosedPlace: the way leads to what the guard protects.
        OutsideWorkspace: a link leads out, or the way leads into `.git` where that is not allowed.
        OSError: as the system does.
    """
    way = _Way(root, path, to_write, guard)
    try:
        yield way.go()
    finally:
        os.close(way.folder)


class _Way:
    def __init__(self, root: Path, path: str, to_write: bool, guard: Guard | None) -> None:
        self._root = root
        self._guard = guard
        self._closed = {} if guard is None else guard.met(to_write=to_write)
        self._path = path
        self._to_write = to_write
        self._ahead = deque(part for part in path.split("/") if part not in ("", "."))
        self._behind: list[str] = []
        self._links = 0
        self.folder = os.open(root, FOLDER)

    def go(self) -> Spot:
        for _ in range(STEPS_MAX):
            if not self._ahead:
                return Spot(self.folder, ".", tuple(self._behind), os.fstat(self.folder))
            name = self._ahead.popleft()
            if name == "..":
                self._up()
                continue
            if self._to_write and is_git(name):
                raise OutsideWorkspace(f"{self._path}: .git belongs to git; change it by git's own commands")
            if self._ahead:
                self._enter(name)
                continue
            spot = self._look(name)
            if spot is not None:
                return spot
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)

    def _look(self, name: str) -> Spot | None:
        """The last part of the way; `None` where it is a link that has to be walked."""
        try:
            status = os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        except OSError as error:
            raise self._as_asked(error) from error
        if status is None or not stat.S_ISLNK(status.st_mode):
            self._require_open(name, status)
            return Spot(self.folder, name, (*self._behind, name), status)
        self._follow(name)
        return None

    def _enter(self, name: str) -> None:
        try:
            inner = os.open(name, FOLDER, dir_fd=self.folder)
        except FileNotFoundError as error:
            self._require_open(name, None, *self._ahead)
            if not self._to_write:
                raise self._as_asked(error) from error
            try:
                os.mkdir(name, dir_fd=self.folder)
            except FileExistsError:
                pass  # somebody else made it
            except OSError as other:
                raise self._as_asked(other) from other
            self._ahead.appendleft(name)
        except OSError as error:
            # A link shows as "not a directory" or as "too many links", by system.
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise self._as_asked(error) from error
            self._follow(name)
        else:
            try:
                self._require_open(name, os.fstat(inner) if self._closed else None)
            except BaseException:
                os.close(inner)
                raise
            os.close(self.folder)
            self.folder = inner
            self._behind.append(name)

    def _require_open(self, name: str, status: os.stat_result | None, *further: str) -> None:
        """Refuse what is protected: by its name, so that it is not made either, and by what it is."""
        if self._guard is None:
            return
        place = self._guard.closed([*self._behind, name, *further], to_write=self._to_write)
        if place is None and status is not None:
            place = self._closed.get((status.st_dev, status.st_ino))
        if place is not None:
            raise ClosedPlace(f"{self._path}: {self._guard.why(place)}")

    def _follow(self, name: str) -> None:
        try:
            target = os.readlink(name, dir_fd=self.folder)
        except OSError as error:
            if error.errno == errno.EINVAL:
                # Neither a folder nor a link: or it was one a moment ago.
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._path) from error
            raise self._as_asked(error) from error
        self._links += 1
        if self._links > LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        parts = [part for part in target.split("/") if part not in ("", ".")]
        if target.startswith("/"):
            own = self._root.parts[1:]
            if tuple(parts[: len(own)]) != own:
                raise OutsideWorkspace(f"{self._path}: a link on the way leads out of the workspace")
            parts = parts[len(own) :]
            self._restart([])
        self._ahead.extendleft(reversed(parts))

    def _up(self) -> None:
        if not self._behind:
            raise OutsideWorkspace(f"{self._path}: a link on the way leads out of the workspace")
        # Asking the system for ".." would leave the workspace with a folder that was moved out meanwhile.
        self._restart(self._behind[:-1])

    def _restart(self, parts: list[str]) -> None:
        fresh = os.open(self._root, FOLDER)
        os.close(self.folder)
        self.folder = fresh
        self._behind.clear()
        self._ahead.extendleft(reversed(parts))

    def _as_asked(self, error: OSError) -> OSError:
        """The same error about the path that was asked for, not about the part that was met."""
        number = error.errno or 0
        return OSError(number, os.strerror(number), self._path)


def open_folder(root: Path, path: str, guard: Guard | None = None) -> tuple[int, str]:
    """Open a folder for listing: its descriptor, which the caller closes, and its real path below the root.

    Raises as `reach`, and `NotADirectoryError`.
    """
    with reach(root, path, guard=guard) as spot:
        try:
            handle = os.open(spot.name, LISTABLE, dir_fd=spot.folder)
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
        return handle, spot.path


def open_regular(spot: Spot, path: str) -> int:
    """Open the regular file at a spot for reading; the caller closes the descriptor.

    Raises:
        OSError: it is gone, a folder, or something that is not read like a file.
    """
    require_regular(spot.status, path)
    # Not blocking: a pipe that took the file's place meanwhile would hold the thread for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        handle = os.open(spot.name, flags, dir_fd=spot.folder)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
    try:
        require_regular(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return handle


def require_regular(status: os.stat_result | None, path: str) -> os.stat_result:
    """The status of a regular file.

    Raises:
        FileNotFoundError: there is nothing.
        IsADirectoryError: a folder.
        OSError: something else.
    """
    if status is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"is {_KINDS.get(kind, 'no regular file')}, not a regular file", path)
    return status
