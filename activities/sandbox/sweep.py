"""What Workers that were killed left behind: processes, control groups, half-written logs. And homes of ended runs."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from pathlib import Path

from . import cgroups, keeper
from .owner import MARK, is_gone

log = logging.getLogger(__name__)


def sweep(sandboxes: Path) -> None:
    """At the start of a Worker, once; `sandboxes` is `TENUTO_HOME/sandboxes`. What belongs to live processes stays.
    Blocks, mostly for milliseconds.

    Nearly nothing is ever found: commands end with their Worker. It is for the moment before that holds.
    """
    killed = sum(map(_killed, _orphans()))
    groups = cgroups.sweep()
    logs = 0
    for path in sandboxes.glob("*/spool/*.log"):
        if is_gone(path.stem.rpartition("-")[0]):
            path.unlink(missing_ok=True)
            logs += 1
    if killed or groups or logs:
        log.info("cleared up after Workers that are gone: %d processes, %d groups, %d logs", killed, groups, logs)


def remove_home(home: Path) -> None:
    """Remove a run's home with its caches, once the run has ended. Takes a while: call it in a thread.

    Package managers leave folders that cannot be written: they are opened first. Links are removed, not followed.
    """
    if not home.is_dir() or home.is_symlink():
        return
    home.chmod(0o700)
    for folder, names, _ in os.walk(home):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(home)


def _orphans() -> list[int]:
    """Programs that hold a command for an owner who is gone. A keeper is left alone: it is clearing up just now."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # not ours to read, or gone
        for variable in variables:
            name, _, value = variable.partition(b"=")
            if name == MARK.encode() and is_gone(value.decode(errors="replace")):
                if os.fsencode(keeper.__file__) not in words:
                    found.append(int(entry.name))
                break
    return found


def _killed(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return 0
    return 1
