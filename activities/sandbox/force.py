"""What is in force on this host, for `tenuto doctor` and for a run's first lines."""

from __future__ import annotations

import os
import sys

from . import bubblewrap, cgroups, seccomp
from .limits import GIB, Limits
from .queue import cpus


async def probe() -> None:
    """Try the walls.

    Raises:
        SandboxUnavailable: there are none; the message says why, and what else can be done.
    """
    await bubblewrap.walls()


async def describe_walls() -> str:
    """Which bubblewrap is used, and how.

    Raises:
        SandboxUnavailable: as `probe`.
    """
    found = await bubblewrap.walls()
    how = "in a user namespace" if found.user_namespace else "as root without capabilities"
    calls = "with" if seccomp.program() is not None else "without (this machine's system calls are not known)"
    return f"bubblewrap at {found.program}, {how}, {calls} a filter of system calls"


def describe_limits() -> list[str]:
    """One sentence per limit: how much, and what enforces it here."""
    limits = Limits()
    if not sys.platform.startswith("linux"):
        return ["limits: per process by rlimits (CPU time, file size, open files, no core dumps), and the timeout"]
    tree = cgroups.tree()
    held = tree.controllers if tree is not None else frozenset()
    version = f"cgroup v{tree.version} at {tree.parent}" if tree is not None else ""
    by_watchdog = "the watchdog, 20 times a second"
    rlimit = "RLIMIT_NPROC" if os.getuid() else "nothing of the kernel's (RLIMIT_NPROC does not bind root)"
    tasks = version if "pids" in held else rlimit
    return [
        f"processes: {limits.processes} at once, by {by_watchdog}; {limits.tasks} with their threads, by {tasks}",
        f"memory: {limits.memory_bytes / GIB:.1f} GiB, by {version if 'memory' in held else by_watchdog}",
        f"output: {limits.output_bytes >> 20} MiB, by the reader",
        f"disk: {limits.disk_bytes / GIB:.0f} GiB written, {limits.disk_reserve_bytes / GIB:.0f} GiB left free, "
        f"by {by_watchdog}; {limits.file_bytes / GIB:.0f} GiB a file, by RLIMIT_FSIZE",
        f"CPU: {limits.cpu_s} s a process, by RLIMIT_CPU; {cpus()} commands at once, the rest queue",
    ]
