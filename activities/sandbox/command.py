"""One command and what became of it. What runs it is behind an interface: tools need no sandbox to be tested."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

TAIL_BYTES = 64 * 1024
"""Of each stream that is kept in memory and handed on; all of it goes to the log."""


class SandboxUnavailable(Exception):
    """No sandbox can be had on this host and none was waived. The message says why and how to go on."""


class CommandRefused(Exception):
    """The command cannot be run as asked: its directory is not in the workspace, for one."""


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command, run by `bash -c` (or `sh -c` where there is no bash) in the workspace."""

    text: str
    cwd: str = "."
    """Relative to the workspace, or an absolute path within it."""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a command ended. `stdout` and `stderr` are tails of at most `TAIL_BYTES`, decoded with replacement."""

    exit_code: int
    """Of the command; 124 after its timeout, 137 when a limit ended it."""
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    duration_s: float
    ended_by: str | None = None
    """Why it did not end by itself: `timeout`, `memory`, `processes`, `output`, `disk`, `cpu`."""
    log: Path | None = None
    """A file with all of the output (stdout and stderr as they came), where the tails are not all of it. The caller
    moves or removes it."""


class CommandRunner(Protocol):
    """Runs commands for one run in one place."""

    async def run(
        self,
        command: Command,
        *,
        say: Callable[[str], None] = lambda _text: None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> CommandOutcome:
        """Run one command; at most one per CPU at once in this process, the rest queue (`say` is told so).

        `before` is awaited when its turn has come and nothing of it runs yet: what it writes down tells a command that
        was lost in the queue from one that was lost at work. What it raises is raised, with nothing run.

        When it returns or raises, every process the command started is gone, `setsid` grandchildren included.

        Raises:
            SandboxUnavailable: there are no walls to run it in.
            CommandRefused: it cannot be run as asked.
            asyncio.CancelledError: likewise with everything gone.
        """
