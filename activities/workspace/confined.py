"""The files of one workspace, by paths that cannot lead out of it."""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..protected import Guard
from .descent import Spot, open_regular, reach, require_regular
from .files import FileInfo, OutsideWorkspace
from .listing import matching

PATH_CHARS_MAX = 4096
TRIES_MAX = 4
"""Of a write whose folder is removed meanwhile."""


PathRule = Callable[[str], bool]


def _none(_path: str) -> bool:
    return False


class ConfinedFiles:
    """Implements `Files` for a folder. Blocking: call it from a thread where the event loop must not wait.

    Args:
        root: an existing folder.
        hidden: whether a rule hides a file from reading and from listings.
        kept: whether a rule keeps a file from being written. Both get the path that is really meant, links on the way
            resolved, relative to the root: a rule about how a path is spelled is evaded by a link.
        guard: what is closed whatever the rules say, as `guard_of` has it.

    Raises:
        OSError: it does not exist, or is no folder.
    """

    def __init__(
        self, root: Path, *, hidden: PathRule = _none, kept: PathRule = _none, guard: Guard | None = None
    ) -> None:
        self._root = Path(root).resolve(strict=True)
        self._hidden = hidden
        self._kept = kept
        self._guard = guard
        if not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))

    @property
    def root(self) -> Path:
        """Absolute and resolved."""
        return self._root

    def relative(self, path: str) -> str:
        """The path within the workspace, by its spelling alone; `.` for the root.

        Raises:
            OutsideWorkspace: it leads out, or no file can have this name.
            OSError: it is too long.
        """
        _require_nameable(path)
        if path.startswith("/"):
            # Exactly two slashes in front keep a meaning of their own in normpath.
            whole = posixpath.normpath("/" + path.lstrip("/"))
            inside = _below(whole, str(self._root))
        else:
            inside = posixpath.normpath(path or ".")
            if inside.split("/")[0] == "..":
                inside = None
        if inside is None:
            raise OutsideWorkspace(f"{path} is outside of the workspace {self._root}")
        return inside

    def open(self, path: str) -> int:
        """A descriptor of a regular file, for reading; the caller closes it."""
        with reach(self._root, self.relative(path), guard=self._guard) as spot:
            self._require_visible(spot, path)
            return open_regular(spot, path)

    def read(self, path: str, bytes_max: int) -> bytes:
        """The content of a regular file.

        Raises:
            ValueError: it is larger than `bytes_max`.
        """
        with os.fdopen(self.open(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            # One byte more tells a file that is growing from one that just fits.
            data = file.read(bytes_max + 1) if size <= bytes_max else b""
        if size > bytes_max or len(data) > bytes_max:
            raise ValueError(f"{path} has {max(size, len(data)):,} bytes; at most {bytes_max:,} can be read at once")
        return data

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file, whole or not at all; folders are made, mode and owner are kept."""
        inside = self.relative(path)
        for _ in range(TRIES_MAX):
            with reach(self._root, inside, to_write=True, guard=self._guard) as spot:
                before = spot.status
                if self._kept(spot.path):
                    raise OutsideWorkspace(f"{path}: a rule of this run denies writing {spot.path}")
                if before is not None:
                    require_regular(before, path)
                try:
                    return _replace(spot, data, before)
                except FileNotFoundError:
                    continue  # its folder went away: the next try makes it again
                except OSError as error:
                    raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
        raise FileNotFoundError(errno.ENOENT, "its folder keeps going away", path)

    def info(self, path: str) -> FileInfo:
        """About a regular file."""
        inside = self.relative(path)
        with reach(self._root, inside, guard=self._guard) as spot:
            self._require_visible(spot, path)
            status = require_regular(spot.status, path)
        return FileInfo(inside, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))

    def walk(self, pattern: str, under: str = ".") -> Iterator[FileInfo]:
        """Regular files that match a glob pattern, in path order.

        Raises:
            ValueError: it is no pattern.
            OutsideWorkspace: pattern or folder lead out.
            OSError: `under` is no folder.
        """
        _require_nameable(pattern)
        base = self.relative(under)
        if pattern.startswith("/"):
            inside = _below("/" + pattern.lstrip("/"), str(self._root))
            if inside is None:
                raise OutsideWorkspace(f"{pattern} is outside of the workspace {self._root}")
            base, pattern = ".", inside
        if ".." in pattern.split("/"):
            raise OutsideWorkspace(f"{pattern}: a pattern has no '..'; name the folder to look under")
        return matching(self._root, base, pattern, self._hidden, self._guard)

    def _require_visible(self, spot: Spot, path: str) -> None:
        if self._hidden(spot.path):
            raise OutsideWorkspace(f"{path}: a rule of this run denies reading {spot.path}")


def _require_nameable(path: str) -> None:
    if "\0" in path:
        raise OutsideWorkspace("a path has no NUL character")
    if len(path) > PATH_CHARS_MAX:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path[:80] + "…")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise OutsideWorkspace(f"{path!a} is not Unicode text: it has half of a surrogate pair") from error


def _below(whole: str, root: str) -> str | None:
    """An absolute path as one relative to `root`, by spelling."""
    if whole == root:
        return "."
    prefix = root.rstrip("/") + "/"
    return whole.removeprefix(prefix) if whole.startswith(prefix) else None


def _replace(spot: Spot, data: bytes, before: os.stat_result | None) -> None:
    """Write a file that has no name yet, give it one beside the file it replaces, and rename it."""
    temporary = f".tenuto-{secrets.token_hex(8)}.tmp"
    handle, named = _nameless(spot.folder), False
    if handle is None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle, named = os.open(temporary, flags, 0o666, dir_fd=spot.folder), True
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if before is not None:
                _keep(handle, before)
            if not named:
                os.link(f"/proc/self/fd/{handle}", temporary, dst_dir_fd=spot.folder, follow_symlinks=True)
                named = True
        os.rename(temporary, spot.name, src_dir_fd=spot.folder, dst_dir_fd=spot.folder)
    except BaseException:
        if named:
            _remove(temporary, spot.folder)
        raise


def _nameless(folder: int) -> int | None:
    """A new file without a name (`O_TMPFILE`), which a killed Worker does not leave behind; `None` where there is no
    such thing."""
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def _keep(handle: int, before: os.stat_result) -> None:
    """Give a new file the owner and the permissions of the one it replaces, but never set-user-id."""
    if os.geteuid() == 0 and (before.st_uid, before.st_gid) != (0, 0):
        with suppress(PermissionError):  # a root without this right keeps what it has made
            os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, before.st_mode & 0o777)


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
