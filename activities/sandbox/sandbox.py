"""The runner of commands: inside walls, or, where that was switched off, at least on a lead."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import guarded
from .bubblewrap import walls
from .command import Command, CommandOutcome, CommandRefused, SandboxUnavailable
from .hosts import Hosts
from .inside import Inside
from .launch import Held, hold_inside, hold_open
from .limits import Limits
from .mounts import check_workspace
from .output import Output
from .queue import slot
from .running import NotStarted, Running
from .watch import Disk, watch

Result = TypeVar("Result")

TIMED_OUT, LIMIT_ENDED = 124, 137
_CPU_SIGNAL = 128 + 24
TEXT_MAX = 120_000
"""Bytes of a command: one argument of a program holds 128 KiB at most."""


class Sandbox:
    """Runs commands of one run in one workspace; see `CommandRunner`."""

    def __init__(
        self,
        root: Path,
        *,
        home: Path,
        hosts: Iterable[str] = (),
        allows_host: Callable[[str], bool] | None = None,
        walls: bool = True,
        shared: bool = False,
        allowed_git: Iterable[str] = (),
        read_only: Sequence[Path] = (),
        hidden: Sequence[Path] = (),
        limits: Limits | None = None,
    ) -> None:
        self.root = root.resolve()
        """The one place that commands may write, beside their home and temporary folder."""
        self.home = home.resolve()
        """`TENUTO_HOME/sandboxes/RUN`: the run's own home, caches, temporary folders and half-written logs."""
        self.hosts = Hosts(hosts, allows_host)
        """`Rules.hosts()` and `Rules.allows_host`. None of them: no network but the sandbox's own loopback."""
        self.walls = walls
        """False only where a person has said so."""
        self.limits = limits or Limits()
        self._inside = Inside(
            self.root,
            self.home,
            shared=shared,
            allowed_git=frozenset(allowed_git),
            read_only=tuple(read_only),
            hidden=tuple(hidden),
        )

    async def run(
        self,
        command: Command,
        *,
        say: Callable[[str], None] = lambda _text: None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> CommandOutcome:
        """Run one command; at most one per CPU at once in this process, the rest queue (`say` is told so).

        `before` is awaited when its turn has come and nothing of it runs yet. What it raises is raised.

        When it returns or raises, every process the command started is gone, `setsid` grandchildren included.

        Raises:
            SandboxUnavailable: there are no walls to run it in.
            CommandRefused: it cannot be run as asked.
            asyncio.CancelledError: likewise with everything gone.
        """
        check_workspace(self.root)
        cwd = self._cwd(command)
        async with slot(say):
            if self.walls:
                await walls()  # none: say so before anything is written down as begun
            if before is not None:
                await before()
            return await self._run(command, cwd)

    def _cwd(self, command: Command) -> Path:
        if "\0" in command.text or len(command.text.encode(errors="surrogatepass")) > TEXT_MAX:
            raise CommandRefused(
                f"a command has at most {TEXT_MAX} bytes and none of them is NUL; write a script and run that"
            )
        cwd = Path(os.path.realpath(self.root / command.cwd))
        if not cwd.is_relative_to(self.root):
            raise CommandRefused(f"the directory {command.cwd} is not in the workspace {self.root}")
        if not cwd.is_dir():
            raise CommandRefused(f"the directory {command.cwd} does not exist in the workspace")
        return cwd

    async def _run(self, command: Command, cwd: Path) -> CommandOutcome:
        ended: list[str] = []
        stopped = asyncio.Event()

        def stop(why: str) -> None:
            ended.append(why)
            stopped.set()

        output = Output(self.home / "spool", self.limits.output_bytes, stop)
        began = time.monotonic()
        try:
            with guarded.kept(self._inside.git().watched if self.walls else []) as put_back:
                exit_code = await self._held(command, cwd, output, stop, stopped)
        except BaseException:
            output.discard()
            raise
        if put_back:
            output.take(2, guarded.words(put_back).encode())
        why = ended[0] if ended else "cpu" if exit_code == _CPU_SIGNAL else None
        if why is not None:
            exit_code = TIMED_OUT if why == "timeout" else LIMIT_ENDED
        return CommandOutcome(
            exit_code=exit_code,
            stdout=output.tail(1),
            stderr=output.tail(2),
            stdout_bytes=output.counts[1],
            stderr_bytes=output.counts[2],
            duration_s=time.monotonic() - began,
            ended_by=why,
            log=output.close(),
        )

    async def _held(
        self, command: Command, cwd: Path, output: Output, stop: Callable[[str], None], stopped: asyncio.Event
    ) -> int:
        """Start it, watch it, and end all of it. The exit code, as far as the command itself had one."""
        hold = hold_inside if self.walls else hold_open
        async with hold(self._inside, command, cwd, self.hosts, self.limits) as held:
            try:
                running, cancelled = await _to_the_end(Running.start(held.launch, output))
            except OSError as error:
                os.close(held.launch.status_from)
                raise SandboxUnavailable(f"{held.launch.argv[0]} does not start: {error.strerror}") from error
            finally:
                held.started()
            try:
                if cancelled is not None:
                    raise cancelled
                try:
                    await running.ready()
                    await held.open(running)
                except NotStarted as error:
                    raise SandboxUnavailable(f"the sandbox could not be built: {error}") from error
                await self._watched(command, running, held, stop, stopped)
            finally:
                _, cancelled = await _to_the_end(running.gone())
            if cancelled is not None:
                raise cancelled
            refused = held.refused()
            if refused is not None and running.exit_code != 0:
                stop(refused)
        return LIMIT_ENDED if running.exit_code is None else running.exit_code

    async def _watched(
        self, command: Command, running: Running, held: Held, stop: Callable[[str], None], stopped: asyncio.Event
    ) -> None:
        disk = Disk([self.root, self.home], self.limits)
        disk.begin()
        watching = asyncio.create_task(watch(running.processes, disk, self.limits, held.refused, stop))
        stopping = asyncio.create_task(stopped.wait())
        try:
            waited: set[asyncio.Future[Any]] = {running.closed, stopping, watching}
            done, _ = await asyncio.wait(waited, timeout=command.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                stop("timeout")
            if watching in done:
                watching.result()  # a watchdog that died is our defect: say it rather than run unwatched
        finally:
            for task in (watching, stopping):
                task.cancel()
            await asyncio.gather(watching, stopping, return_exceptions=True)


async def _to_the_end(doing: Coroutine[Any, Any, Result]) -> tuple[Result, asyncio.CancelledError | None]:
    """Finish this even when cancelled meanwhile. Its result, and the cancellation, which is the caller's to raise."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    return task.result(), cancelled
