"""Plays the Activities of a run's workspace: preparing it, and steps by what the test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity

from tenuto.workflows.change_contracts import ReadChangeInput, ReadChangeResult
from tenuto.workflows.gate_contracts import LookAtGateFilesInput, LookAtGateFilesResult
from tenuto.workflows.journal_contracts import FileHashes, HashFilesInput, HashFilesResult
from tenuto.workflows.setup_contracts import PrepareRunInput, PrepareRunResult, TidyRunInput, TidyRunResult
from tenuto.workflows.step_contracts import (
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

PlayStep = Callable[[StepInput], Awaitable[Any]]

DEFAULTS: dict[type[StepInput], Any] = {
    RunCommandInput: RunCommandResult(exit_code=0, stdout="done\n", duration_s=0.5),
    ReadFileInput: "text",
    WriteFileInput: None,
    GlobFilesInput: ["a.py", "b.py"],
    GrepFilesInput: [FoundLine(path="a.py", line=1, text="x")],
    CallMcpInput: CallMcpResult(value={"n": 1}),
    OpenPullRequestInput: OpenPullRequestResult(branch="b", reason="no forge"),
    ReadChangeInput: ReadChangeResult(commit="c" * 40, base="b" * 40, files=1, text="+new\n", sha256="0" * 64),
    LookAtGateFilesInput: LookAtGateFilesResult(tree="t1", definition="d1", files=1),
}


async def default(input: StepInput) -> Any:
    """The same answer for every step of a kind."""
    return DEFAULTS[type(input)]


class PlayedSteps:
    """`seen` holds every step's input; `prepared` what runs were prepared with."""

    def __init__(self, play: PlayStep = default, setup: PrepareRunResult | None = None) -> None:
        self.seen: list[StepInput] = []
        self.queues: list[str] = []
        self.prepared: list[PrepareRunInput] = []
        self.tidied: list[str] = []
        self.running = self.running_max = 0
        self._play = play
        self.setup = setup or PrepareRunResult(key="runs/x/setup/abc.json")

    @property
    def all(self) -> list[Callable[..., Any]]:
        """What a Worker registers."""
        return [
            *(self.prepare_run, self.run_command, self.read_file, self.write_file, self.glob_files, self.grep_files),
            *(self.call_mcp, self.open_pull_request, self.tidy_run, self.hash_files, self.look_at_gate_files),
            self.read_change,
        ]

    @activity.defn(name="hash_files")
    async def hash_files(self, input: HashFilesInput) -> HashFilesResult:
        """No item names a file, and no input is there."""
        return HashFilesResult(
            calls=[
                FileHashes(context=[None] * len(call.context), inputs=dict.fromkeys(call.inputs, "absent"))
                for call in input.calls
            ]
        )

    async def _step(self, input: StepInput) -> Any:
        self.seen.append(input)
        self.queues.append(activity.info().task_queue)
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            return await self._play(input)
        finally:
            self.running -= 1

    @activity.defn(name="prepare_run")
    async def prepare_run(self, input: PrepareRunInput) -> PrepareRunResult:
        self.prepared.append(input)
        self.queues.append(activity.info().task_queue)
        return self.setup

    @activity.defn(name="tidy_run")
    async def tidy_run(self, input: TidyRunInput) -> TidyRunResult:
        self.tidied.append(input.run_id)
        self.queues.append(activity.info().task_queue)
        return TidyRunResult()

    @activity.defn(name="run_command")
    async def run_command(self, input: RunCommandInput) -> RunCommandResult:
        result: RunCommandResult = await self._step(input)
        return result

    @activity.defn(name="read_file")
    async def read_file(self, input: ReadFileInput) -> str:
        text: str = await self._step(input)
        return text

    @activity.defn(name="write_file")
    async def write_file(self, input: WriteFileInput) -> None:
        await self._step(input)

    @activity.defn(name="glob_files")
    async def glob_files(self, input: GlobFilesInput) -> list[str]:
        paths: list[str] = await self._step(input)
        return paths

    @activity.defn(name="grep_files")
    async def grep_files(self, input: GrepFilesInput) -> list[FoundLine]:
        lines: list[FoundLine] = await self._step(input)
        return lines

    @activity.defn(name="call_mcp")
    async def call_mcp(self, input: CallMcpInput) -> CallMcpResult:
        result: CallMcpResult = await self._step(input)
        return result

    @activity.defn(name="open_pull_request")
    async def open_pull_request(self, input: OpenPullRequestInput) -> OpenPullRequestResult:
        result: OpenPullRequestResult = await self._step(input)
        return result

    @activity.defn(name="look_at_gate_files")
    async def look_at_gate_files(self, input: LookAtGateFilesInput) -> LookAtGateFilesResult:
        result: LookAtGateFilesResult = await self._step(input)
        return result

    @activity.defn(name="read_change")
    async def read_change(self, input: ReadChangeInput) -> ReadChangeResult:
        result: ReadChangeResult = await self._step(input)
        return result
