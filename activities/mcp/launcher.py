"""Starts one stdio server and sees to it that nothing of it outlives the Worker: `launcher.py PARENT_PID COMMAND ARG…`.

It runs as a process of its own between the two, on the bare interpreter (`-I -S`), and imports nothing of ours. The
server has the pipes to the Worker to itself. The launcher is the reaper of everything that the server starts, so a
`setsid` grandchild still is below it in the process tree. It ends that tree when the server ends, when it is told to
(SIGTERM), or when the Worker is gone, by SIGKILL too (the kernel's parent-death signal, and a look every two seconds).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_S = 2.0
GRACE_S = 1.5
"""Between the polite signal and the other one."""
CANNOT_START = 127


def main(argv: list[str]) -> int:
    """Run the server; its exit code, as a shell gives it."""
    parent, command = int(argv[1]), argv[2:]
    wake = _watch_signals()
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        return 1  # the Worker went before the signal was asked for
    child = os.fork()
    if child == 0:
        _become(command)
    _let_go_of_pipes()
    code = None
    while code is None and os.getppid() == parent:
        asked = _wait(wake)
        code = _reap(child)
        if asked:
            break
    if code is None:
        code = _end_politely(child)
    _end_tree()
    return code


def _watch_signals() -> int:
    """A descriptor that has a byte to read for each signal."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    return read


def _wait(wake: int) -> bool:
    """Until something happens; whether it was a signal to end."""
    if not select.select([wake], [], [], LOOK_S)[0]:
        return False
    return any(number != signal.SIGCHLD for number in os.read(wake, 512))


def _become(command: list[str]) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvp(command[0], command)
    except (OSError, ValueError) as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    os._exit(CANNOT_START)


def _let_go_of_pipes() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)


def _reap(child: int) -> int | None:
    """Collect what has ended; the server's exit code if it was among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def _end_politely(child: int) -> int:
    """Its input has ended by now; a signal, and a moment to clean up."""
    _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        code = _reap(child)
        if code is not None:
            return code
        time.sleep(0.02)
    return 128 + signal.SIGKILL


def _end_tree() -> None:
    """Kill whatever is below this process until nothing is."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        below = _below()
        if not below:
            return
        for pid in below:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.01)
        _reap(0)


def _below() -> set[int]:
    """Every process that descends from this one."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # gone since the listing
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: set[int] = set()
    rest = [os.getpid()]
    while rest:
        for pid in children.get(rest.pop(), []):
            found.add(pid)
            rest.append(pid)
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # gone by itself
    except PermissionError:
        pass  # a set-uid program, which only root can end


def _prctl(option: int, value: int) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if call is not None:  # Linux; elsewhere the look at the parent has to do
        call(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
