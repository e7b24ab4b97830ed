"""Wire contracts of steps without a model: each is one Activity under the run's policy.

Every input names the run, the step (`s7`, also the Activity id) and the run's setup. Errors that are final arrive as a
non-retryable `ApplicationError` whose type is a kind: `refused` (by the policy), `outside_workspace`, `not_found`,
`not_text`, `too_large`, `bad_pattern`, `unknown_outcome`, `sandbox`, `mcp`, `pull_request`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from temporalio import activity

from .wire import Wire, only_an_interface

COMMAND_TIMEOUT_S = 1800.0
"""Of a command whose caller names none: a build or a test suite, not a question."""
VALUE_BYTES_MAX = 24_000_000
"""Largest value of one step: a file that `read` gives back whole, the answer of an MCP tool. A script takes 24 MB in
0.3 to 0.7 s (MEASURED; line breaks are the worst), and a Workflow Task that takes 2 s on a busy machine never ends."""
GREP_LINES_MAX = 100_000
"""Most matching lines of one `grep`: more is a sign of a pattern that matches everything."""
GLOB_FILES_MAX = 100_000
LARGE_BYTES = 1_000_000
LARGE_VALUE = "large_value"
LARGE_TOTAL_MAX = 128_000_000
"""Bytes of values over `LARGE_BYTES` that the steps of one run give back in all: a run's script is replayed with them,
and they are in the Worker's memory as long as it lives."""


class StepInput(Wire):
    """What all steps have in common."""

    run_id: str
    step: str
    """Step id, unique in the run, also the Activity id."""
    setup: str
    """Store key of the run's `RunSetup`."""
    alone: bool = False
    """No other step of the run gives back a large value meanwhile. Without it a step whose value has more than
    `LARGE_BYTES` fails with type `large_value`, and is asked again with it: values that come together are decoded
    together, and the detector of deadlocks fires after 2 s of that (MEASURED with six of 50 MB)."""
    entry: str | None = None
    """Name of its journal entry, for a step that a later run may take over."""
    resumed: str | None = None
    """The run that this one resumes: a step that was made there is not made again while it holds."""


class RunCommandInput(StepInput):
    """One shell command."""

    command: str
    cwd: str = "."
    env: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = COMMAND_TIMEOUT_S
    repeat: bool = True
    """Whether it is run again when a Worker was lost while it ran: a build or a test suite just starts over."""


class RunCommandResult(Wire):
    """How a command ended. `stdout` and `stderr` are tails of at most 64 KiB."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""
    duration_s: float = 0.0
    log: str | None = None
    """Store key of all output, where the tails are not all of it."""
    ended_by: str | None = None
    """Why it did not end by itself: `timeout`, `memory`, `processes`, `output`, `disk`, `cpu`."""


class ReadFileInput(StepInput):
    """One file, as text."""

    path: str


class WriteFileInput(StepInput):
    """One file, whole."""

    path: str
    text: str


class GlobFilesInput(StepInput):
    """Files by pattern."""

    pattern: str


class GrepFilesInput(StepInput):
    """Lines by regular expression, in files by pattern."""

    pattern: str
    glob: str | None = None


class FoundLine(Wire):
    """One matching line."""

    path: str
    line: int
    """1-based."""
    text: str


class CallMcpInput(StepInput):
    """One call of one MCP tool."""

    server: str
    tool: str
    input: dict[str, Any] = Field(default_factory=dict)
    repeat: bool = False
    """As in `RunCommandInput`."""


class CallMcpResult(Wire):
    """The tool's structured result where it has one, else its text, else its content blocks."""

    value: Any = None


class OpenPullRequestInput(StepInput):
    """One branch, and how its request is described."""

    branch: str
    title: str
    body: str
    base: str | None = None
    draft: bool = False


class OpenPullRequestResult(Wire):
    """The branch's request, or why there is none."""

    branch: str
    url: str | None = None
    created: bool = False
    """False where it was there already, or there is none."""
    reason: str | None = None


@activity.defn(name="run_command")
async def run_command(input: RunCommandInput) -> RunCommandResult:
    """Run a command in the sandbox, at most once unless it may be repeated."""
    raise only_an_interface("run_command")


@activity.defn(name="read_file")
async def read_file(input: ReadFileInput) -> str:
    """The text of a file."""
    raise only_an_interface("read_file")


@activity.defn(name="write_file")
async def write_file(input: WriteFileInput) -> None:
    """Replace or create a file. Writing it twice is writing it once."""
    raise only_an_interface("write_file")


@activity.defn(name="glob_files")
async def glob_files(input: GlobFilesInput) -> list[str]:
    """Paths that match, sorted."""
    raise only_an_interface("glob_files")


@activity.defn(name="grep_files")
async def grep_files(input: GrepFilesInput) -> list[FoundLine]:
    """Matching lines, by path and line."""
    raise only_an_interface("grep_files")


@activity.defn(name="call_mcp")
async def call_mcp(input: CallMcpInput) -> CallMcpResult:
    """Call a tool of an MCP server, at most once unless it may be repeated; the same key on every attempt."""
    raise only_an_interface("call_mcp")


@activity.defn(name="open_pull_request")
async def open_pull_request(input: OpenPullRequestInput) -> OpenPullRequestResult:
    """Push a branch and create its request, unless it has one."""
    raise only_an_interface("open_pull_request")
