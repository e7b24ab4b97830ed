"""Whose a leftover is: a process by number and start time, so that a number used again is not taken for it."""

from __future__ import annotations

import os
from pathlib import Path


def start_of(pid: int) -> str | None:
    """When a process started, in the system's own count; `None` if it is gone (or this system has no `/proc`)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def _room() -> str:
    """Which numbering of processes this is: containers that share a folder each have their own."""
    try:
        return "".join(filter(str.isdigit, Path("/proc/self/ns/pid").readlink().name))
    except OSError:
        return "0"


OWNER = f"{os.getpid()}.{start_of(os.getpid()) or 0}.{_room()}"
"""Of this process; part of the names of what must not outlive it."""

MARK = "TENUTO_SANDBOX"
"""Environment variable of the programs that hold a command, with their owner's mark as its value."""


def is_gone(owner: str) -> bool:
    """Whether the process of an owner's mark has ended. `False` for one that cannot be seen from here."""
    parts = owner.split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts) or parts[2] != _room():
        return False
    if parts[1] == "0":
        return not _exists(int(parts[0]))
    return start_of(int(parts[0])) != parts[1]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
