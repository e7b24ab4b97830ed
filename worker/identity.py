"""Who a Worker is, in a way that a later process on the same host can check."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PREFIX = "tenuto"


def process_start(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), `None` if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def host_id(given: str | None = None) -> str:
    """Name of this host among those that share a Task Queue: as given (`TENUTO_HOST`), else its host name."""
    return given or socket.gethostname()


def own_identity() -> str:
    """Identity of this process: host, pid and start time, so that a reused pid is not mistaken for it."""
    pid = os.getpid()
    return f"{_PREFIX}:{socket.gethostname()}:{pid}:{process_start(pid) or 0}"


def is_dead_here(identity: str) -> bool:
    """Whether an identity names a Worker of this host whose process is gone."""
    prefix, _, rest = identity.partition(":")
    host, _, process = rest.partition(":")
    pid, _, start = process.partition(":")
    if prefix != _PREFIX or host != socket.gethostname() or not pid.isdigit():
        return False
    return process_start(int(pid)) != start
