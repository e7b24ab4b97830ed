"""What a sandboxed command sees of the file system, as a list of mounts, and that list as `bwrap` takes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ..protected import is_system
from .command import SandboxUnavailable

Kind = Literal["write", "read", "hide"]

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")

_NAMESPACED = frozenset({"pressure", "sysvipc", "irq", "bus"})
"""Of `/proc`: a namespace's own, writable by everyone to no effect on others, or covered by bwrap."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One place, at the same path inside as outside unless `source` says otherwise."""

    path: Path
    kind: Kind
    source: Path | None = None


def arguments(mounts: Iterable[Mount]) -> list[str]:
    """Arguments for `bwrap`: shallow places first, so that what lies deeper stands on top of them.

    A hidden folder is an empty one that cannot be written; a hidden file, one that cannot be opened.
    """
    found: list[str] = []
    sealed: list[str] = []
    for mount in sorted(mounts, key=lambda mount: len(mount.path.parts)):
        inside, outside = str(mount.path), str(mount.source or mount.path)
        if mount.kind == "write":
            found += ["--bind", outside, inside]
        elif mount.kind == "read":
            found += ["--ro-bind", outside, inside]
        elif mount.path.is_dir():
            found += ["--size", "65536", "--perms", "0755", "--tmpfs", inside]
            sealed += ["--remount-ro", inside]
        else:
            found += ["--ro-bind", "/dev/null", inside]
    return found + sealed


def covered(path: Path, mounts: Iterable[Mount]) -> bool:
    """Whether a path can be seen through one of these mounts (by its spelling; the caller resolves)."""
    return any(mount.kind != "hide" and path.is_relative_to(mount.path) for mount in mounts)


def hidden(mounts: Sequence[Mount], secret: Iterable[Path]) -> list[Mount]:
    """Covers for those of the secret places that the mounts would show."""
    found = []
    for place in secret:
        if not os.path.lexists(place):
            continue
        real = Path(os.path.realpath(place))
        if covered(real, mounts) and not any(real == mount.path for mount in mounts):
            found.append(Mount(real, "hide"))
    return found


def covers(mounts: Sequence[Mount], root: Path, secret: Iterable[Path], starting: Iterable[Path]) -> list[Mount]:
    """The mounts with covers over what is secret, and with what starts programs outside made read-only.

    The folders between the workspace and a cover become mounts of their own: those cannot be renamed, and so what is
    covered cannot be carried to a place where the next command would see it.
    """
    covered_up = hidden(mounts, secret)
    for place in starting:
        real = Path(os.path.realpath(place))
        if real.exists() and covered(real, mounts) and not _lies_in(real, covered_up):
            covered_up.append(Mount(real, "read"))
    ways = {
        above for cover in covered_up for above in cover.path.parents if above.is_relative_to(root) and above != root
    }
    held = {mount.path for mount in mounts}
    pinned = [Mount(way, "write") for way in sorted(ways) if way not in held and not _lies_in(way, covered_up)]
    return [*mounts, *pinned, *covered_up]


def _lies_in(path: Path, mounts: Iterable[Mount]) -> bool:
    return any(path.is_relative_to(mount.path) for mount in mounts)


def check_workspace(root: Path) -> None:
    """Refuse a workspace that would make the whole system writable.

    Raises:
        SandboxUnavailable: it is a system folder.
    """
    if is_system(root):
        raise SandboxUnavailable(f"{root} is a system folder: name a folder of the project's own with --workspace")
    if not root.is_dir():
        raise SandboxUnavailable(f"the workspace {root} is not a folder")


@cache
def system_arguments() -> tuple[str, ...]:
    """System folders, a process list of its own, a minimal `/dev`: the same for every command of this process."""
    found: list[str] = []
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    found += ["--proc", "/proc", *_proc_covers(), "--dev", "/dev"]
    found += ["--ro-bind-try", "/sys/devices/system/cpu", "/sys/devices/system/cpu"]
    return (*found, "--dir", "/run", "--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run")


def _proc_covers() -> list[str]:
    """For a Worker that is root: its processes own `/proc`, so that capabilities alone do not keep it read-only.

    bwrap's own covers skip `/proc/sys`, whose folder is not writable while the files in it are: a sandboxed command of
    a root user could set `kernel.core_pattern` and run as root outside (measured with bubblewrap 0.11.0).
    """
    if os.geteuid() != 0:
        return []
    found: list[str] = []
    for entry in sorted(os.scandir("/proc"), key=lambda entry: entry.name):
        if entry.name.isdigit() or entry.is_symlink() or entry.name in _NAMESPACED:
            continue
        if entry.name == "sys" or _is_writable(entry.path):
            found += ["--ro-bind", entry.path, entry.path]
    return found


def _is_writable(path: str) -> bool:
    """Whether its owner may write it, or anything in it."""
    if not Path(path).is_dir():
        return bool(Path(path).stat().st_mode & 0o222)
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                if os.lstat(f"{folder}/{name}").st_mode & 0o222:
                    return True
            except OSError:
                continue  # it went away while we looked
    return False
