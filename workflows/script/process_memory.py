"""What memory a step takes, as the kernel counts it, and so which limit it ran into.

Filling 256 MiB takes CPU time as well: over a second on a slow machine (MEASURED: 1.2 s for strings of 1 MB), where the
time limit comes first. A step whose time is over while it was filling memory has gone over its memory.
"""

from __future__ import annotations

import os
from pathlib import Path

from .protocol import MEMORY_BYTES

HOARD_BYTES = MEMORY_BYTES // 8
"""A step that has grown its process by so much when its time is over was on its way to the limit. Loops that hoard
grow by 160 MiB and more in their second, loops that make garbage by less than one (MEASURED)."""
_FULL_BYTES = MEMORY_BYTES // 2
_CHURN_BYTES = MEMORY_BYTES // 64
_PAGE = os.sysconf("SC_PAGE_SIZE")


class StepMemory:
    """The resident memory of one process during one step, which starts now."""

    def __init__(self, pid: int | None) -> None:
        self._process = Path(f"/proc/{pid}")
        self._before = self._resident()
        self._most = self._before
        self._peak_is_ours = self._forget_peak()

    def look(self) -> None:
        """Take note of what is held now: once the process is gone, nothing can be read any more."""
        self._most = max(self._most, self._peak() if self._peak_is_ours else self._resident())

    def was_filling(self) -> bool:
        """Whether a step whose time is over was on its way to the memory limit."""
        self.look()
        return self._most - self._before > HOARD_BYTES

    def was_full(self) -> bool:
        """Whether the process came to hold about as much as one script may, and did so in this step."""
        self.look()
        return self._most > _FULL_BYTES and self._most - self._before > _CHURN_BYTES

    def _forget_peak(self) -> bool:
        """Let the kernel's peak start anew: this process may have served a hoarder before."""
        try:
            with (self._process / "clear_refs").open("w", encoding="ascii") as peak:
                peak.write("5")
        except OSError:  # gone, or a kernel without it: then only what is seen at a look counts
            return False
        return True

    def _resident(self) -> int:
        try:
            return int((self._process / "statm").read_text("ascii").split()[1]) * _PAGE
        except (OSError, IndexError):  # gone, or going
            return 0

    def _peak(self) -> int:
        try:
            status = (self._process / "status").read_text("utf-8")
        except OSError:
            return 0
        found = status.partition("VmHWM:")[2].split(maxsplit=1)
        return int(found[0]) * 1024 if found else 0
