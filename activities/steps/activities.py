"""The Activities of steps: an attempt of each, with heartbeats, and its failures in the words of the wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from obstore.exceptions import BaseError as StorageError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.change_contracts import ReadChangeInput, ReadChangeResult
from tenuto.workflows.contracts import AgentProgress
from tenuto.workflows.details import size
from tenuto.workflows.gate_contracts import LookAtGateFilesInput, LookAtGateFilesResult
from tenuto.workflows.step_contracts import (
    LARGE_BYTES,
    LARGE_TOTAL_MAX,
    LARGE_VALUE,
    CallMcpInput,
    CallMcpResult,
    FoundLine,
    GlobFilesInput,
    GrepFilesInput,
    OpenPullRequestInput,
    OpenPullRequestResult,
    ReadFileInput,
    RunCommandInput,
    RunCommandResult,
    StepInput,
    WriteFileInput,
)

from ..heartbeat import beating
from ..store import Store
from . import changes, commands, files, gate_files, mcp, pull_request
from .journal import StepJournal, folder_of
from .station import PATIENCE, LargeValue, Station, Stations, StepAgain, StepFailed

log = logging.getLogger(__name__)
T = TypeVar("T")


class StepActivities:
    """Registers the steps. One per Worker.

    Args:
        stations: equips each attempt with setup, rules and workspace.
        search: looks for a regular expression in files.
        servers: the MCP servers of this Worker.
    """

    def __init__(self, store: Store, stations: Stations, search: files.Search, servers: mcp.McpCalls) -> None:
        self._store = store
        self._stations = stations
        self._search = search
        self._servers = servers

    @property
    def all(self) -> list[Callable[..., Any]]:
        """What a Worker registers."""
        return [
            *(self.run_command, self.read_file, self.write_file, self.glob_files, self.grep_files),
            *(self.call_mcp, self.open_pull_request, self.look_at_gate_files, self.read_change),
        ]

    @activity.defn(name="run_command")
    async def run_command(self, input: RunCommandInput) -> RunCommandResult:
        """Run a command in the sandbox, at most once unless it may be repeated."""
        return await self._step(input, lambda station: commands.run_command(input, station, self._store))

    @activity.defn(name="read_file")
    async def read_file(self, input: ReadFileInput) -> str:
        """The text of a file."""
        return await self._step(input, lambda station: files.read(input, station))

    @activity.defn(name="write_file")
    async def write_file(self, input: WriteFileInput) -> None:
        """Replace or create a file; what was written is recorded with its hash."""

        async def write(station: Station) -> None:
            journal = StepJournal(self._store, input)
            if not (await journal.before()).ended:  # written again it could undo what others wrote since
                await files.write_once(input, station, journal, self._store)

        await self._step(input, write)

    @activity.defn(name="glob_files")
    async def glob_files(self, input: GlobFilesInput) -> list[str]:
        """Paths that match, sorted."""
        return await self._step(input, lambda station: files.glob(input, station))

    @activity.defn(name="grep_files")
    async def grep_files(self, input: GrepFilesInput) -> list[FoundLine]:
        """Matching lines, by path and line."""
        return await self._step(input, lambda station: files.grep(input, station, self._search))

    @activity.defn(name="call_mcp")
    async def call_mcp(self, input: CallMcpInput) -> CallMcpResult:
        """Call a tool of an MCP server, at most once unless it may be repeated."""
        return await self._step(input, lambda station: mcp.call_mcp(input, station, self._store, self._servers))

    @activity.defn(name="open_pull_request")
    async def open_pull_request(self, input: OpenPullRequestInput) -> OpenPullRequestResult:
        """Push a branch and create its request, unless it has one."""
        return await self._step(input, lambda station: pull_request.open_request(input, station, self._store))

    @activity.defn(name="look_at_gate_files")
    async def look_at_gate_files(self, input: LookAtGateFilesInput) -> LookAtGateFilesResult:
        """Compare the files that define a check with the start of the run."""
        return await self._step(input, lambda station: gate_files.look(input, station, self._store))

    @activity.defn(name="read_change")
    async def read_change(self, input: ReadChangeInput) -> ReadChangeResult:
        """Read what a commit changed, for reviewers."""
        return await self._step(input, lambda station: changes.read_change(input, station, self._store))

    async def _step(self, input: StepInput, work: Callable[[Station], Awaitable[T]]) -> T:
        """One attempt.

        Raises:
            ApplicationError: non-retryable with the kind as its type; or retryable, where the store is at fault.
        """
        doing = "starting"

        def say(text: str) -> None:
            nonlocal doing
            doing = text

        try:
            async with beating(lambda: AgentProgress(activity=doing)):
                station = await self._stations.station(input, folder_of(input.run_id, input.step), say)
                value = await work(station)
            if not input.alone and (large := _size(value)) > LARGE_BYTES:
                raise LargeValue(large)
            return value
        except asyncio.CancelledError:
            raise
        except LargeValue as alone:
            raise _final(LARGE_VALUE, str(alone), alone.size) from None
        except StepFailed as failure:
            raise _final(failure.kind, str(failure)) from None
        except StepAgain as later:
            if activity.info().attempt >= PATIENCE:
                raise _final(later.kind, f"given up after {PATIENCE} attempts: {later}") from None
            raise ApplicationError(str(later), type=later.kind, category=ApplicationErrorCategory.BENIGN) from None
        except StorageError as error:
            raise ApplicationError(
                f"the store: {error}", type=kinds.STORE, category=ApplicationErrorCategory.BENIGN
            ) from None
        except Exception as error:
            # A defect of ours costs this step, not the run; the script is told, and the Worker's log has the place.
            log.exception("step %s failed", input.step)
            raise _final(kinds.INTERNAL, f"the step failed inside: {type(error).__name__}: {error}") from error


def _size(value: Any) -> int:
    """About how many bytes a step's value has as JSON."""
    if isinstance(value, CallMcpResult):
        return size(value.value, LARGE_TOTAL_MAX)
    if isinstance(value, list):
        return sum(len(each) if isinstance(each, str) else len(each.path) + len(each.text) + 32 for each in value)
    return len(value) if isinstance(value, str) else 0


def _final(kind: str, message: str, *details: Any) -> ApplicationError:
    # Benign: expected, and so logged in a line of debug output, not as a warning with a traceback.
    return ApplicationError(message, *details, type=kind, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
