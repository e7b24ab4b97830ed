"""How much one command may use. What enforces each limit on this host is said by `force.py`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

MIB = 1024 * 1024
GIB = 1024 * MIB


def half_of_memory() -> int:
    """Bytes: half of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one command with all of its processes. Past one of them all of it is killed, and the outcome says which."""

    processes: int = 1024
    """Alive at once, threads not counted."""
    memory_bytes: int = field(default_factory=half_of_memory)
    """Resident, shared pages counted once."""
    output_bytes: int = 128 * MIB
    """Of stdout and stderr together; all of it is kept as the log."""
    disk_bytes: int = 20 * GIB
    """Written to the workspace, the run's home and its temporary folder and still there."""
    disk_reserve_bytes: int = GIB
    """Left free on each of their file systems; a command that writes while less is free is ended."""
    file_bytes: int = 16 * GIB
    """Length of one file, holes included. A write past it fails; nothing is killed."""
    cpu_s: int = 3600
    """CPU seconds of one process."""
    open_files: int = 65_536
    """Descriptors of one process."""
    core_bytes: int = 0
    """A dump of memory would leave a file nobody asked for."""

    @property
    def tasks(self) -> int:
        """Where the kernel counts, it counts threads too: of those there may be more, and a bomb ends there at once."""
        return 4 * self.processes

    @property
    def scratch_bytes(self) -> int:
        """Size of `/dev/shm`, which is memory that no process owns."""
        return min(GIB, self.memory_bytes // 4)
