"""Ending daemons: SIGTERM, a bounded wait, SIGKILL last."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

from .records import Daemon, Home, holders, living

WORKER_GRACE_S = 15.0
"""The Worker drains for 10 s (see `worker/process.py`) and then leaves."""
SERVER_GRACE_S = 5.0
_TICK_S = 0.02


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_S)
    return True


def send(daemon: Daemon, number: signal.Signals) -> None:
    """Signal a daemon if it is still the one that the record names."""
    if daemon.alive:
        try:
            os.kill(daemon.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # gone in between, or never ours


def end(daemon: Daemon, grace_s: float) -> bool:
    """End one daemon and wait for it; whether it ran at all."""
    if not daemon.alive:
        return False
    send(daemon, signal.SIGTERM)
    if not wait_until(lambda: not daemon.alive, grace_s):
        send(daemon, signal.SIGKILL)
        wait_until(lambda: not daemon.alive, SERVER_GRACE_S)
    return True


def end_each(daemons: Iterable[Daemon], grace_s: float) -> list[int]:
    """End several, one after the other; the pids of those that ran."""
    return [daemon.pid for daemon in daemons if end(daemon, grace_s)]


def end_all(home: Home) -> list[int]:
    """End the Worker and the server, known or not, and forget them; the pids of those that ran.

    The Worker goes first, so that it can hand back its tasks to a server that is there.
    """
    ended: list[int] = []
    for record, lock, grace_s in (
        (home.worker, home.working, WORKER_GRACE_S),
        (home.server, home.serving, SERVER_GRACE_S),
    ):
        recorded = living(record)
        ended += end_each([recorded] if recorded else [], grace_s)
        ended += end_each(holders(lock), grace_s)
        record.unlink(missing_ok=True)
    return ended
