"""How a command is started, with walls and without: descriptors, control group, proxy, and their end."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import bubblewrap, cgroups, door, environment, keeper, seccomp
from .command import Command
from .hosts import Hosts
from .inside import Inside, shell
from .limits import Limits
from .owner import MARK, OWNER
from .proxy import Proxy
from .running import Launch, NotStarted, Running, settle

_DOOR_S = 20.0
_NICE = 10
"""Weighs a tenth of an ordinary process."""

_FIRST = """\
ulimit -c @CORE@; ulimit -n @FILES@; ulimit -f @BLOCKS@; ulimit -S -t @CPU@; ulimit -H -t @CPU_AT_LAST@
@NPROC@
read -r go || exit 125
echo 500 2>/dev/null > /proc/self/oom_score_adj
exec "$@" < /dev/null"""
"""What runs first inside. It waits for word from outside, so that nothing runs which the Worker's death would miss."""


@dataclass(slots=True)
class Held:
    """What one command needs while it runs, beside its processes."""

    launch: Launch
    first: bytes
    """What lets the command begin."""
    ours: list[int] = field(default_factory=list)
    """Descriptors that the started program has inherited."""
    group: cgroups.Group | None = None
    proxy: Proxy | None = None
    way: socket.socket | None = None

    def started(self) -> None:
        """Close what only the started program needs."""
        while self.ours:
            os.close(self.ours.pop())

    def refused(self) -> str | None:
        """A limit that the kernel has enforced."""
        return None if self.group is None else self.group.refused()

    async def open(self, running: Running) -> None:
        """Let the command begin, with its way out where it has one.

        Raises:
            NotStarted: the way out could not be made.
        """
        running.go(self.first)
        if self.proxy is None or self.way is None:
            return
        loop = asyncio.get_running_loop()
        came: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.way, settle, came)
        try:
            async with asyncio.timeout(_DOOR_S):
                await came
        except TimeoutError:
            raise NotStarted("the way out to the allowed hosts was not opened in time") from None
        finally:
            loop.remove_reader(self.way)
        listening = door.received(self.way)
        if listening is None:
            raise NotStarted(f"the way out to the allowed hosts was not opened: {running.output.tail(2).strip()}")
        await self.proxy.serve(listening)


@asynccontextmanager
async def hold_inside(inside: Inside, command: Command, cwd: Path, hosts: Hosts, limits: Limits) -> AsyncIterator[Held]:
    """Inside walls. Leaves nothing behind.

    Raises:
        SandboxUnavailable: there are none.
    """
    walls = await bubblewrap.walls()
    inside.make_folders()
    more = {**(environment.proxied(door.PORT, hosts.here) if hosts else {}), **command.env}
    variables = inside.environment(more, walls)
    arguments = inside.arguments(walls, limits, cwd, inside.git())
    argv = [shell(), "-c", command.text]
    async with AsyncExitStack() as stack:
        told, status = os.pipe()
        held = Held(Launch([], {}, status, told, (), True), b"go\n", [status])
        stack.callback(held.started)
        passed = [status]
        if hosts:
            held.way, theirs = socket.socketpair()
            stack.callback(held.way.close)
            held.way.setblocking(False)
            descriptor = theirs.detach()
            held.ours.append(descriptor)
            passed.append(descriptor)
            argv = [*door.argv(descriptor), *argv]
            held.proxy = Proxy(hosts)
            stack.push_async_callback(held.proxy.close)
        more_arguments, files = _handed(arguments, variables, status)
        held.ours += files
        held.group = await _group(stack, limits)
        niced = [] if os.getuid() else _niced(held.group)  # RLIMIT_NPROC binds all others
        first = ["/bin/sh", "-c", _first(limits), "tenuto", *niced, *argv]
        program = [walls.program, *more_arguments, "--", *first]
        if held.group is not None:
            join = 'echo 0 > "$0" && exec "$@"'
            program = ["/bin/sh", "-c", join, str(held.group.folder / "cgroup.procs"), *program]
        held.launch = Launch(program, _outside(), status, told, (*passed, *files), True)
        yield held


@asynccontextmanager
async def hold_open(inside: Inside, command: Command, cwd: Path, hosts: Hosts, limits: Limits) -> AsyncIterator[Held]:
    """Without walls, on a lead: the same environment and limits, and everything ended with it. `hosts` bind nobody."""
    inside.make_folders()
    argv = [shell(), "-c", command.text]
    order = {
        "cwd": str(cwd),
        "env": {**inside.environment(command.env, None), MARK: OWNER},
        "limits": {
            "CORE": limits.core_bytes,
            "NOFILE": limits.open_files,
            "FSIZE": limits.file_bytes,
            "CPU": limits.cpu_s,
        },
    }
    async with AsyncExitStack() as stack:
        told, status = os.pipe()
        program = [sys.executable, "-I", "-S", str(Path(keeper.__file__)), str(status)]
        held = Held(Launch(program, _outside(), status, told, (status,), False), b"", [status])
        stack.callback(held.started)
        held.group = await _group(stack, limits)
        held.first = json.dumps({"argv": [*_niced(held.group), *argv], **order}).encode() + b"\n"
        if held.group is not None:
            join = 'echo 0 > "$0" && exec "$@"'
            program = ["/bin/sh", "-c", join, str(held.group.folder / "cgroup.procs"), *program]
            held.launch = Launch(program, _outside(), status, told, (status,), False)
        yield held


def _outside() -> dict[str, str]:
    """The environment of the holding program, which is not the command's."""
    return {"PATH": os.defpath, MARK: OWNER}


async def _group(stack: AsyncExitStack, limits: Limits) -> cgroups.Group | None:
    tree = cgroups.tree()
    if tree is None:
        return None
    try:
        group = tree.make(limits)
    except OSError:
        return None  # the watchdog bounds what the group would have
    stack.push_async_callback(group.remove)
    return group


def _niced(group: cgroups.Group | None) -> list[str]:
    """What stands before a command: where only the watchdog bounds how many processes it has, they leave it the CPU.

    A fork bomb of the watchdog's own priority keeps it from looking: on a busy machine it had 30,000 processes, which
    no kill ends in time, before it was seen for the first time. By its full name: the command may have another `PATH`.
    """
    program = shutil.which("nice", path=os.defpath)
    bounded = group is not None and "pids" in group.tree.controllers
    return [] if bounded or program is None else [program, "-n", str(_NICE)]


def _handed(arguments: Sequence[str], variables: dict[str, str], status: int) -> tuple[list[str], list[int]]:
    """Arguments as a file, so that no list of processes shows them and no length limit applies; and the filter."""
    every = ["--clearenv", *arguments]
    for name, value in variables.items():
        every += ["--setenv", name, value]
    files = []
    code = seccomp.program()
    if code is not None:
        files.append(_memory(code))
        every += ["--seccomp", str(files[-1])]
    files.append(_memory(b"".join(os.fsencode(word) + b"\0" for word in every)))
    return ["--args", str(files[-1]), "--json-status-fd", str(status)], files


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("tenuto")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _first(limits: Limits) -> str:
    """Units are those of a POSIX shell: 512-byte blocks, seconds."""
    nproc = f"ulimit -u {limits.tasks} 2>/dev/null || ulimit -p {limits.tasks} 2>/dev/null"
    return (
        _FIRST.replace("@CORE@", str(limits.core_bytes // 512))
        .replace("@FILES@", str(_at_most(resource.RLIMIT_NOFILE, limits.open_files)))
        .replace("@BLOCKS@", str(_at_most(resource.RLIMIT_FSIZE, limits.file_bytes) // 512))
        .replace("@CPU@", str(_at_most(resource.RLIMIT_CPU, limits.cpu_s)))
        .replace("@CPU_AT_LAST@", str(_at_most(resource.RLIMIT_CPU, limits.cpu_s + keeper.CPU_GRACE_S)))
        .replace("@NPROC@", nproc if os.getuid() else ":")
    )


def _at_most(number: int, wanted: int) -> int:
    """No more than this process may give."""
    hard = resource.getrlimit(number)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
