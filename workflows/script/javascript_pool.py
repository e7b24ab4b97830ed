"""The pool of interpreter processes: who may use which, when to start one more, when to end one."""

from __future__ import annotations

import os
import threading
import time

from .javascript_process import InterpreterProcess
from .protocol import InterpreterBusy

PROCESSES_MAX = 16
CHECKOUT_SECONDS = 0.4
"""How long to wait for a process when there are as many as there may be."""
HOME_PATIENCE_SECONDS = 0.05
"""How long to wait for the process that holds the context before another one is taken and the context rebuilt there."""
SPAWN_PATIENCE_SECONDS = 0.02
"""How long to wait for any process before one more than there are CPUs is started."""


class Pool:
    """Interpreter processes. One that is lent serves nobody else until it is given back. Safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[InterpreterProcess] = []
        self._idle: list[InterpreterProcess] = []
        self._lent: dict[InterpreterProcess, float] = {}
        """Since when, on the monotonic clock."""
        self._starting = 0
        self._kept = os.cpu_count() or 1

    def lend(self, home: InterpreterProcess | None) -> InterpreterProcess:
        """Take a process, `home` if it is free soon.

        Raises:
            InterpreterBusy: none is free, and there are as many as there may be.
        """
        with self._changed:
            asked = time.monotonic()
            while (process := self._choose(home, time.monotonic() - asked)) is None:
                count = len(self._all) + self._starting
                waited = time.monotonic() - asked
                may_leave_home = home not in self._all or waited >= HOME_PATIENCE_SECONDS
                patience_over = count < self._kept or waited >= SPAWN_PATIENCE_SECONDS
                if may_leave_home and patience_over and count < PROCESSES_MAX:
                    self._starting += 1
                    break
                if waited >= CHECKOUT_SECONDS:
                    raise InterpreterBusy(f"all {count} interpreter processes are at work")
                self._changed.wait(SPAWN_PATIENCE_SECONDS)
        return process or self._start()

    def reclaim(self, seconds: float) -> list[InterpreterProcess]:
        """End those that were lent for so long: whoever had them was interrupted before he could give them back."""
        with self._changed:
            since = time.monotonic() - seconds
            lost = [process for process, lent in self._lent.items() if lent < since]
            for process in lost:
                process.kill()
                self._remove(process)
            if lost:
                self._changed.notify_all()
        return lost

    def give_back(self, process: InterpreterProcess) -> None:
        """Lend it to others from now on, or end it where it is one too many and holds nothing."""
        with self._changed:
            self._lent.pop(process, None)
            spare = not process.contexts and (len(self._idle) >= self._kept or process.bloated)
            if process not in self._all or spare:
                self.end(process)
                return
            self._idle.append(process)
            self._changed.notify_all()

    def end(self, process: InterpreterProcess) -> None:
        """End a process that the caller has been lent."""
        with self._changed:
            self._remove(process)
            process.end()
            self._changed.notify_all()

    def close(self) -> None:
        """End all. One that is at work is only killed: the thread that reads from it finds out, and tidies up."""
        with self._changed:
            for process in self._all:
                process.kill()
            for process in self._idle:
                process.end()
            self._all, self._idle = [], []
            self._lent.clear()
            self._changed.notify_all()

    @property
    def pids(self) -> list[int]:
        """Ids of the processes."""
        with self._changed:
            return [process.pid for process in self._all]

    def _choose(self, home: InterpreterProcess | None, waited: float) -> InterpreterProcess | None:
        if home in self._idle:
            chosen = home
        elif self._idle and (home not in self._all or waited >= HOME_PATIENCE_SECONDS):
            chosen = min(self._idle, key=lambda process: len(process.contexts))
        else:
            return None
        self._idle.remove(chosen)
        self._lent[chosen] = time.monotonic()
        return chosen

    def _remove(self, process: InterpreterProcess) -> None:
        self._lent.pop(process, None)
        if process in self._all:
            self._all.remove(process)

    def _start(self) -> InterpreterProcess:
        try:
            process = InterpreterProcess()
        finally:
            with self._changed:
                self._starting -= 1
        with self._changed:
            self._all.append(process)
            self._lent[process] = time.monotonic()
        return process
