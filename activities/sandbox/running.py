"""One started command: the program that holds it (bwrap, or the keeper where there are no walls), to its very end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from .output import Output

READY_S = 20.0
GONE_S = 10.0


class NotStarted(Exception):
    """The holding program ended before the command began. The message is what it said."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a holding program. It writes JSON lines to `status_fd`: `child-pid` first, `exit-code` last."""

    argv: Sequence[str]
    env: dict[str, str]
    status_fd: int
    """The writing end, inherited."""
    status_from: int
    """The reading end, ours."""
    pass_fds: Sequence[int]
    inside: bool
    """Whether `child-pid` is the init of a process namespace, with which all of it ends."""


@dataclass(slots=True)
class Running:
    """From start to end of one holding program. Not to be used twice."""

    output: Output
    inside: bool
    transport: asyncio.SubprocessTransport
    closed: asyncio.Future[None]
    """The program has ended and its pipes are read to their end."""
    status_from: int | None
    """Where the program tells of itself; `None` once that has ended."""
    child: int | None = None
    exit_code: int | None = None
    """The command's own, as the holding program told it."""
    _pidfd: int | None = None
    _told: bytearray = field(default_factory=bytearray)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def start(cls, launch: Launch, output: Output) -> Running:
        """Start the program. The command itself waits for `go`.

        The event loop's own thread spawns it: `--die-with-parent` fires when the spawning *thread* ends.
        """
        loop = asyncio.get_running_loop()
        closed: asyncio.Future[None] = loop.create_future()
        transport, _ = await loop.subprocess_exec(
            lambda: _Protocol(output, closed),
            *launch.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=launch.env,
            cwd="/",
            start_new_session=True,
            pass_fds=launch.pass_fds,
        )
        running = cls(output, launch.inside, transport, closed, launch.status_from)
        loop.add_reader(launch.status_from, running._read_status)
        return running

    async def ready(self) -> None:
        """Wait until the walls stand.

        Raises:
            NotStarted: they do not.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):  # not `wait_for`, which may swallow a cancellation in Python 3.11
                await self._ready.wait()
        if self.child is None:
            self.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GONE_S):
                    await asyncio.shield(self.closed)
            raise NotStarted(self.output.tail(2).strip() or "the sandbox did not start")

    def go(self, first: bytes) -> None:
        """Let the command begin: `first` is what the waiting program reads on its input."""
        pipe = cast("asyncio.WriteTransport", self.transport.get_pipe_transport(0))
        pipe.write(first)
        if self.inside:
            pipe.close()

    def processes(self) -> Iterator[Path]:
        """`/proc` folders of what is alive in there."""
        if self.child is None:
            return iter(())
        return _of_namespace(self.child) if self.inside else below(self.child)

    def kill(self) -> None:
        """Kill all of it. With the init of a process namespace the kernel ends every process in it."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if self.inside:
            with contextlib.suppress(ProcessLookupError):
                self.transport.kill()
        else:
            pipe = self.transport.get_pipe_transport(0)
            if pipe is not None:
                cast("asyncio.WriteTransport", pipe).close()  # the keeper reads the end of its input and clears up

    async def gone(self) -> None:
        """Kill what is left and wait until nothing is. Descriptors are closed when it returns.

        Raises:
            TimeoutError: something outlived SIGKILL, in a system call that does not return.
        """
        if self.child is None and not self.closed.done():
            # bwrap killed between its clone and its next step would leave its child waiting for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._ready.wait()
        self.kill()
        try:
            async with asyncio.timeout(GONE_S):
                await self._child_gone()
                await asyncio.shield(self.closed)
        finally:
            if not self.inside and not self.closed.done():
                with contextlib.suppress(ProcessLookupError):
                    self.transport.kill()
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None
            self.transport.close()
            self._end_status()

    async def _child_gone(self) -> None:
        if self._pidfd is None:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._pidfd, settle, ended)
        try:
            await ended
        finally:
            loop.remove_reader(self._pidfd)
        if self.child is not None:
            with contextlib.suppress(ChildProcessError):
                # Ours where this process adopts orphans, as PID 1 does. It has ended: this does not wait.
                os.waitpid(self.child, os.WNOHANG)  # noqa: ASYNC222

    def _read_status(self) -> None:
        if self.status_from is None:
            return
        data = os.read(self.status_from, 65536)
        self._told += data
        *lines, rest = bytes(self._told).split(b"\n")
        self._told = bytearray(rest)
        for line in filter(None, lines):
            told = json.loads(line)
            if "child-pid" in told and self.child is None:
                self.child = told["child-pid"]
                if self.inside:
                    with contextlib.suppress(ProcessLookupError):
                        self._pidfd = os.pidfd_open(told["child-pid"])
                self._ready.set()
            if "exit-code" in told:
                self.exit_code = told["exit-code"]
        if not data:
            self._end_status()

    def _end_status(self) -> None:
        if self.status_from is not None:
            asyncio.get_running_loop().remove_reader(self.status_from)
            os.close(self.status_from)
            self.status_from = None
        self._ready.set()


class _Protocol(asyncio.SubprocessProtocol):
    def __init__(self, output: Output, closed: asyncio.Future[None]) -> None:
        self._output = output
        self._closed = closed

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._output.take(fd, data)

    def connection_lost(self, _error: Exception | None) -> None:
        settle(self._closed)


def settle(future: asyncio.Future[None]) -> None:
    """Say that it has happened; it may have been said, or given up, before."""
    if not future.done():
        future.set_result(None)


def _of_namespace(init: int) -> Iterator[Path]:
    """All of a process namespace, read through its own `/proc`: complete, whatever left its parents."""
    own = Path(f"/proc/{init}", "root", "proc")
    try:
        if own.stat().st_dev == Path("/proc").stat().st_dev:
            return  # its walls are not up yet: these would be the processes out here
        found = list(own.iterdir())
    except OSError:
        return
    for process in found:
        if process.name.isdigit() and process.name != "1":
            yield process


def below(ancestor: int) -> Iterator[Path]:
    """Descendants of a process, by the parents that `/proc` tells now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    left = [ancestor]
    while left:
        for child in children.get(left.pop(), []):
            left.append(child)
            yield Path(f"/proc/{child}")
