"""The watchdog: counts, twenty times a second, what no limit of the kernel's bounds, and says when it is too much."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .limits import MIB, Limits

_EVERY_S = 0.05
_SHARE_MAX = 0.1
"""Of one CPU, that watching may take."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_INODES_RESERVE = 1000
_WRITING = 16 * MIB
"""Less than this is not what fills a disk."""

Processes = Callable[[], Iterable[Path]]
"""Lists the `/proc/PID` folders of a command's processes, as they can be read from here."""


@dataclass(slots=True)
class Disk:
    """The folders a command may write, and how full their file systems were when it began."""

    folders: list[Path]
    limits: Limits
    _free: dict[Path, int] = field(default_factory=dict)
    _began: float = 0.0

    def begin(self) -> None:
        """Note what is free now."""
        self._began = time.time() - 1
        self._free = {folder: _free(folder)[0] for folder in self.folders}

    def suspicious(self) -> bool:
        """Whether a disk filled up meanwhile, by whomsoever. Cheap."""
        for folder, before in self._free.items():
            free, inodes = _free(folder)
            fallen = before - free
            if fallen > self.limits.disk_bytes or inodes < _INODES_RESERVE:
                return True
            if free < self.limits.disk_reserve_bytes and fallen > _WRITING:
                return True
        return False

    def written(self) -> int:
        """Bytes of files in these folders that changed since. Reads all folders: only for a suspicion."""
        return sum(_changed_since(str(folder), self._began) for folder in self.folders)

    def guilty(self, processes: Iterable[Path]) -> bool:
        """Whether this command is the one that filled it. Takes a walk: call it in a thread.

        A file that was unlinked while it is written is in no folder: there the writers' own count serves.
        """
        written = max(self.written(), sum(map(_written_by, processes)))
        if written > self.limits.disk_bytes:
            return True
        short = any(_free(folder)[0] < self.limits.disk_reserve_bytes for folder in self.folders)
        few = any(_free(folder)[1] < _INODES_RESERVE for folder in self.folders)
        return (short and written > _WRITING) or few


async def watch(
    processes: Processes, disk: Disk, limits: Limits, refused: Callable[[], str | None], stop: Callable[[str], None]
) -> None:
    """Until cancelled. Calls `stop` with `processes`, `memory` or `disk` when that limit is passed.

    `refused` names a limit that the kernel has enforced already: what ran into it would only go on trying.
    """
    pause = _EVERY_S
    looked_at_disk = 0.0
    while True:
        await asyncio.sleep(pause)
        began = time.perf_counter()
        found = list(processes())
        enforced = refused()
        if enforced is not None:
            stop(enforced)
        elif len(found) > limits.processes:
            stop("processes")
        elif memory_over(found, limits.memory_bytes):
            stop("memory")
        elif disk.suspicious() and time.monotonic() > looked_at_disk:
            if await asyncio.to_thread(disk.guilty, found):
                stop("disk")
            looked_at_disk = time.monotonic() + 1.0
        pause = max(_EVERY_S, (time.perf_counter() - began) / _SHARE_MAX)
        pause = min(pause, 1.0)


def memory_over(processes: Iterable[Path], bytes_max: int) -> bool:
    """Whether the processes hold more memory than that: first the cheap sum, then the one that counts shares once."""
    found = list(processes)
    if sum(map(_resident, found)) <= bytes_max:
        return False
    return sum(map(_proportional, found)) > bytes_max


def _resident(process: Path) -> int:
    try:
        return int((process / "statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # it ended while we looked


def _proportional(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_bytes().splitlines()
    except OSError:
        return _resident(process)
    for line in lines:
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(process)


def _written_by(process: Path) -> int:
    try:
        lines = (process / "io").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"write_bytes:"))


def _free(folder: Path) -> tuple[int, int]:
    """Bytes and files that still fit."""
    try:
        facts = os.statvfs(folder)
    except OSError:
        return (1 << 62, 1 << 62)  # the folder is gone: nothing can be written to it
    return facts.f_bavail * facts.f_frsize, facts.f_favail if facts.f_files else 1 << 62


def _changed_since(folder: str, moment: float) -> int:
    total = 0
    left = [folder]
    while left:
        try:
            entries = list(os.scandir(left.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                    continue
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if max(facts.st_mtime, facts.st_ctime) >= moment:
                total += facts.st_blocks * 512
    return total
