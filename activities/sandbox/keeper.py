"""Holds one command where there are no walls, and ends with it everything that it started.

Run as a program of its own, by `python -I -S keeper.py STATUS_FD`, with the standard library alone. Its first line of
input is JSON: `argv`, `cwd`, `env`, `limits`. The input then stays open as long as the command may live: at its
end, which also comes when the Worker is killed, everything is ended. It adopts what its command leaves behind (a
daemon, a `setsid` grandchild), so that nothing gets out of its sight.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
CPU_GRACE_S = 5
"""From the signal that says which limit it was to the one that cannot be ignored."""
_EVERY_S = 0.02
_KILLING_S = 8.0


def main() -> int:
    """Run it; the exit code is the command's."""
    status = int(sys.argv[1])
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    _say(status, {"child-pid": os.getpid()})
    order = json.loads(sys.stdin.buffer.readline() or b"null")
    if order is None:
        return 125
    try:
        command = subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env=order["env"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _bind(order["limits"]),  # noqa: PLW1509 - this program has one thread
        )
    except OSError as error:
        sys.stderr.write(f"{order['argv'][0]}: {error.strerror}\n")
        return 127
    code = _wait(command.pid)
    _end_all(command.pid)
    _say(status, {"exit-code": code})
    return code


def _bind(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        grace = CPU_GRACE_S if name == "CPU" else 0
        last = value + grace if hard == resource.RLIM_INFINITY else min(value + grace, hard)
        resource.setrlimit(number, (min(value, last), last))


def _wait(pid: int) -> int:
    """Until the command ends, or the input does."""
    while True:
        found, status = _reap()
        if found.get(pid) is not None:
            return found[pid]
        if status == "none":
            return 137
        readable, _, _ = select.select([0], [], [], _EVERY_S)
        if readable and not os.read(0, 4096):
            return 137


def _reap() -> tuple[dict[int, int], str]:
    """Exit codes of all children that have ended."""
    found: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found, "none"
        if pid == 0:
            return found, "some"
        code = os.waitstatus_to_exitcode(status)
        found[pid] = 128 - code if code < 0 else code


def _end_all(group: int) -> None:
    """Kill descendants until there are none: those that were just born, and those adopted meanwhile, included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    steps = int(_KILLING_S / _EVERY_S)
    for _ in range(steps):
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if _reap()[1] == "none" and not _descendants():
            return
        select.select([], [], [], _EVERY_S)


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    left, found = [os.getpid()], []
    while left:
        for child in children.get(left.pop(), []):
            left.append(child)
            found.append(child)
    return found


def _parents() -> list[tuple[int, int]]:
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
        pairs = [line.split() for line in listed.stdout.splitlines()]
        return [(int(pid), int(parent)) for pid, parent in pairs if parent != "1"]
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_bytes().rpartition(b")")[2].split()
            found.append((int(entry.parent.name), int(fields[1])))
    return found


def _say(status: int, what: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(status, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    os._exit(main())
