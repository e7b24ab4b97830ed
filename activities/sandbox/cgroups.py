"""Control groups, where this process may make them: the kernel's own bounds on processes and memory.

Version 2 where its tree is delegated to us (a systemd user session, a container that may write it); of version 1 only
`pids`, which nothing else bounds for a root user. A group is made beside or below our own, never elsewhere, and holds
one command.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .limits import Limits
from .owner import OWNER, is_gone

log = logging.getLogger(__name__)

PREFIX = "tenuto-"
_numbers = itertools.count(1)
_REMOVAL_S = 5.0
_SWEEPS_MAX = 200
_SWEEP_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Tree:
    """A place where groups can be made."""

    parent: Path
    controllers: frozenset[str]
    version: int

    def make(self, limits: Limits) -> Group:
        """A group with the limits of one command. An `OSError` where the system takes it back."""
        folder = self.parent / f"{PREFIX}{OWNER}-{next(_numbers)}"
        folder.mkdir()
        if "pids" in self.controllers:
            (folder / "pids.max").write_text(str(limits.tasks + 2))  # bwrap and its init are in it too
        if "memory" in self.controllers:
            (folder / "memory.max").write_text(str(limits.memory_bytes))
            swap = folder / "memory.swap.max"
            if swap.exists():
                swap.write_text("0")
        return Group(folder, self)


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one command."""

    folder: Path
    tree: Tree

    def refused(self) -> str | None:
        """`processes` or `memory`, where the kernel has enforced that limit."""
        if "pids" in self.tree.controllers and _event(self.folder / "pids.events", "max"):
            return "processes"
        if "memory" in self.tree.controllers and _event(self.folder / "memory.events", "oom_kill"):
            return "memory"
        return None

    async def remove(self) -> None:
        """Remove it. It is empty when its processes are gone; the kernel may take a moment to see that."""
        deadline = asyncio.get_running_loop().time() + _REMOVAL_S
        pause = 0.001
        while not _removed(self.folder):
            if asyncio.get_running_loop().time() > deadline:
                log.warning("the control group %s is not empty; it is left for the next start", self.folder)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)


@cache
def tree() -> Tree | None:
    """Where groups can be made, tried out once; `None` where nowhere."""
    for candidate in _candidates():
        try:
            group = candidate.make(Limits())
        except OSError:
            _removed_leftover(candidate)
            continue
        _removed(group.folder)
        return candidate
    return None


def sweep() -> int:
    """Kill and remove the groups of Workers that are gone. Returns how many there were."""
    swept = 0
    for candidate in _candidates():
        for folder in candidate.parent.glob(PREFIX + "*"):
            if is_gone(folder.name.removeprefix(PREFIX).rpartition("-")[0]):
                swept += _emptied(folder)
    return swept


def _emptied(folder: Path) -> bool:
    """Kill until nothing is in it, then remove it. A killed process takes a moment to leave."""
    for _ in range(_SWEEPS_MAX):
        for pid in _members(folder):
            _kill(pid)
        if _removed(folder):
            return True
        time.sleep(_SWEEP_PAUSE_S)
    return False


def _candidates() -> list[Tree]:
    found = []
    for line in _lines(Path("/proc/self/cgroup")):
        number, names, own = line.split(":", 2)
        if number == "0":
            below = Path("/sys/fs/cgroup") / own.lstrip("/")
            for parent in (below, below.parent):
                offered = " ".join(_lines(parent / "cgroup.subtree_control")).split()
                useful = frozenset(offered) & {"pids", "memory"}
                if useful and parent.is_relative_to("/sys/fs/cgroup"):
                    found.append(Tree(parent, useful, 2))
        elif names == "pids":
            found.append(Tree(Path("/sys/fs/cgroup/pids") / own.lstrip("/"), frozenset({"pids"}), 1))
    return [candidate for candidate in found if os.access(candidate.parent / "cgroup.procs", os.W_OK)]


def _removed_leftover(candidate: Tree) -> None:
    for folder in candidate.parent.glob(f"{PREFIX}{OWNER}-*"):
        _removed(folder)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _members(folder: Path) -> list[int]:
    return [int(line) for line in _lines(folder / "cgroup.procs")]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _event(path: Path, name: str) -> int:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
