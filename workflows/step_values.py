"""Steps without a model, between a script's words and the wire: one input and one value for each. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import gate_contracts
from . import step_contracts as contracts
from .gate_contracts import LookAtGateFilesInput
from .script.protocol import CallError, Outcome
from .step_contracts import (
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

SUMMARY_CHARS = 80
ERROR_CHARS = 600
"""Of a command and of its stderr in the error of `check`."""

Args = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of step.

    `input` makes the Activity's input from what all steps have (`run_id`, `step`, `setup`) and the call's arguments;
    `named_by` are the arguments that a person knows the step by.
    """

    activity: Callable[..., Any]
    input: Callable[[Args, Args], StepInput]
    value: Callable[[Args, Any], Outcome]
    named_by: tuple[str, ...]
    quick: bool = True
    """A file operation: what takes longer than an hour is stuck. Commands and requests have deadlines of their own."""


def step_name(op: str, args: Args) -> str:
    """The step on one line, for the Temporal UI and for errors: `sh npm test`."""
    text = " ".join([op, *(str(args.get(key, "")) for key in KINDS[op].named_by)])
    return shortened(" ".join(text[: 4 * SUMMARY_CHARS].split()), SUMMARY_CHARS)


def shortened(text: str, chars: int) -> str:
    """The start of a text that is too long."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _input(of: type[StepInput], *names: str) -> Callable[[Args, Args], StepInput]:
    """An input with the arguments that were given; absent ones are not sent."""

    def made(common: Args, args: Args) -> StepInput:
        given = {_ON_THE_WIRE.get(name, name): args[name] for name in names if args.get(name) is not None}
        return of.model_validate({**common, **given})

    return made


_ON_THE_WIRE = {"timeout": "timeout_s"}


def _command_value(args: Args, result: RunCommandResult) -> Outcome:
    value = result.model_dump()
    if result.ended_by is None:
        del value["ended_by"]
    for key in ("exit_code", "stdout", "stderr", "duration_s", "log"):
        value.setdefault(key, None)
    return checked(args, value)


def checked(args: Args, value: Args) -> Outcome:
    """The outcome of `sh`: its value, or with `check` an error where the exit code is not 0."""
    if not args.get("check") or value["exit_code"] == 0:
        return Outcome(value=value)
    how = f"exit code {value['exit_code']}"
    if value.get("ended_by"):
        how += f" ({value['ended_by']})"
    said = (value["stderr"] or value["stdout"]).strip()
    tail = said if len(said) <= ERROR_CHARS else "…" + said[-ERROR_CHARS:]
    command = shortened(args["command"].strip(), ERROR_CHARS)
    message = f"`{command}` failed with {how}" + (f": {tail}" if tail else " and said nothing")
    return Outcome(error=CallError(kind="command_failed", message=message))


def _plain(_args: Args, result: Any) -> Outcome:
    return Outcome(value=result)


def _found(_args: Args, result: list[FoundLine]) -> Outcome:
    return Outcome(value=[line.model_dump() for line in result])


def _mcp_value(_args: Args, result: CallMcpResult) -> Outcome:
    return Outcome(value=result.value)


def _request(_args: Args, result: OpenPullRequestResult) -> Outcome:
    return Outcome(value=result.model_dump())


KINDS: dict[str, Kind] = {
    "sh": Kind(
        contracts.run_command,
        _input(RunCommandInput, "command", "cwd", "env", "timeout", "repeat"),
        _command_value,
        ("command",),
        quick=False,
    ),
    "read": Kind(contracts.read_file, _input(ReadFileInput, "path"), _plain, ("path",)),
    "write": Kind(contracts.write_file, _input(WriteFileInput, "path", "text"), _plain, ("path",)),
    "glob": Kind(contracts.glob_files, _input(GlobFilesInput, "pattern"), _plain, ("pattern",)),
    "grep": Kind(contracts.grep_files, _input(GrepFilesInput, "pattern", "glob"), _found, ("pattern", "glob")),
    "mcp": Kind(
        contracts.call_mcp,
        _input(CallMcpInput, "server", "tool", "input", "repeat"),
        _mcp_value,
        ("server", "tool"),
        quick=False,
    ),
    "pull_request": Kind(
        contracts.open_pull_request,
        _input(OpenPullRequestInput, "branch", "title", "body", "base", "draft"),
        _request,
        ("branch",),
        quick=False,
    ),
    "look_at_gate_files": Kind(
        gate_contracts.look_at_gate_files,
        _input(LookAtGateFilesInput, "command", "cwd", "allow_changes", "fix", "written"),
        _plain,
        ("command",),
    ),
}
"""Every step by its name in the step protocol."""
