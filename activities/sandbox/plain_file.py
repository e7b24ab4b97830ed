"""Reading what an agent may have put there: a pipe would be waited for, a device or an endless file read for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

BYTES_MAX = 1 << 20


def read_plain(path: Path) -> bytes | None:
    """The first megabyte of a regular file; `None` for whatever else is there, or nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(BYTES_MAX)


def plain_lines(path: Path) -> list[str]:
    """Its lines, fit for a path at least in so far as there is no NUL in them; none where it cannot be read."""
    return (read_plain(path) or b"").replace(b"\0", b"?").decode(errors="replace").splitlines()
