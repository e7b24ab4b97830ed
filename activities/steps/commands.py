"""`sh`: one command in the sandbox, at most once unless its author says that it may be repeated."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.step_contracts import RunCommandInput, RunCommandResult

from ..sandbox.command import Command, CommandOutcome, CommandRefused, SandboxUnavailable
from ..store import Store
from ..until_kept import until_kept
from .earlier import carried, earlier_step, stand_of
from .journal import StepJournal, folder_of
from .station import Station, StepFailed

ARGUMENT_BYTES_MAX = 120_000
"""The kernel takes 128 KiB in one argument, or one `NAME=value`, and no more."""
ENVIRONMENT_BYTES_MAX = 1_000_000
SHOWN_CHARS = 200


async def run_command(input: RunCommandInput, station: Station, store: Store) -> RunCommandResult:
    """Run it, or give what an earlier attempt came to.

    Raises:
        StepFailed: `refused`, `sandbox`, `too_large`, `bad_arguments`; `unknown_outcome` where a lost attempt had
            started it.
    """
    journal = StepJournal(store, input)
    before = await journal.before()
    if before.ended:
        return RunCommandResult.model_validate(before.result)
    if before.started is not None and not input.repeat:
        raise StepFailed(
            kinds.UNKNOWN_OUTCOME,
            f"{_named(input)}: the Worker that ran it since {before.started['at']} was lost before it ended, so "
            "whether it took effect is unknown, and it was not run again, as its repeat: false asks. Look at what it "
            "left, and resume",
        )
    _check_sizes(input)
    station.require("Bash", {"command": input.command})
    if before.started is None and (held := await _held(input, station, store)) is not None:
        result, still = held
        await journal.end(
            result.model_dump(mode="json"), command=input.command, exit_code=result.exit_code, stand=still
        )
        return result
    command = Command(input.command, cwd=input.cwd, env=input.env, timeout_s=input.timeout_s)

    async def starting() -> None:
        await journal.start(command=input.command[:SHOWN_CHARS])

    try:
        outcome = await station.place.commands.run(command, say=station.place.say, before=starting)
    except (SandboxUnavailable, CommandRefused) as error:
        await journal.take_back()
        kind = "sandbox" if isinstance(error, SandboxUnavailable) else "bad_arguments"
        raise StepFailed(kind, f"{_named(input)}: {error}") from error
    result = await _result(input, outcome, store)
    stand = None if input.entry is None else await stand_of(station.place.files, result.duration_s)
    await journal.end(result.model_dump(mode="json"), command=input.command, exit_code=result.exit_code, stand=stand)
    return result


async def _held(input: RunCommandInput, station: Station, store: Store) -> tuple[RunCommandResult, str] | None:
    """What the earlier run had of the same command, while the workspace stands as it left it."""
    earlier = await earlier_step(store, input)
    if earlier is None or earlier.record.get("stand") is None:
        return None
    result = RunCommandResult.model_validate(earlier.result)
    stand = await stand_of(station.place.files, result.duration_s)
    if stand is None or stand != earlier.record["stand"]:
        return None
    result.log = await carried(store, input, result.log, "output.log")
    return result, stand


async def _result(input: RunCommandInput, outcome: CommandOutcome, store: Store) -> RunCommandResult:
    log = None
    if outcome.log is not None:
        log = f"{folder_of(input.run_id, input.step)}/output.log"
        await until_kept(partial(store.put_file, log, outcome.log))
        with suppress(FileNotFoundError):
            outcome.log.unlink()
    return RunCommandResult(
        exit_code=outcome.exit_code,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        duration_s=round(outcome.duration_s, 3),
        log=log,
        ended_by=outcome.ended_by,
    )


def _check_sizes(input: RunCommandInput) -> None:
    size = len(input.command.encode("utf-8", "replace"))
    if size > ARGUMENT_BYTES_MAX:
        raise StepFailed(
            "too_large",
            f"{_named(input)}: the command has {size:,} bytes; at most {ARGUMENT_BYTES_MAX:,} can be run. Write it to "
            "a file with write() and run that",
        )
    if "\0" in input.command:
        raise StepFailed("bad_arguments", f"{_named(input)}: a command has no NUL character")
    total = 0
    for name, value in input.env.items():
        size = len(name.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) + 2
        total += size
        if not name or "=" in name or "\0" in name + value:
            raise StepFailed("bad_arguments", f"{_named(input)}: env has {name!r}, which cannot be a variable")
        if size > ARGUMENT_BYTES_MAX:
            raise StepFailed(
                "too_large",
                f"{_named(input)}: the variable {name} of env has {size:,} bytes; at most {ARGUMENT_BYTES_MAX:,} can "
                "be passed. Write it to a file with write() and pass its path",
            )
    if total > ENVIRONMENT_BYTES_MAX:
        raise StepFailed(
            "too_large",
            f"{_named(input)}: env has {total:,} bytes; at most {ENVIRONMENT_BYTES_MAX:,} can be passed. Write them to "
            "files with write() and pass their paths",
        )


def _named(input: RunCommandInput) -> str:
    text = " ".join(input.command[: 4 * SHOWN_CHARS].split())
    return f"sh({text[:SHOWN_CHARS] + '…' if len(text) > SHOWN_CHARS else text!r})"
