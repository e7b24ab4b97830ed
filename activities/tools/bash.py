"""The tool `Bash`: one shell command in the workspace, inside the run's sandbox."""

from __future__ import annotations

from typing import Any

from ..sandbox.command import Command, CommandOutcome, CommandRefused, SandboxUnavailable
from .tool import AfterLoss, Note, Place, ToolCall, ToolError, ToolResult

TIMEOUT_MS = 120_000
TIMEOUT_MS_MAX = 600_000
CHARACTERS_MAX = 30_000
"""Of output in a result; the end is what says how it went."""

_DESCRIPTION = f"""\
Runs a shell command (bash) in the workspace and returns its output and exit code.

- Each call is a new shell that starts in the workspace's root. Files stay; variables, directories and processes do not:
  what a command leaves running is ended with it.
- Only the workspace, $HOME and /tmp can be written. There is no network unless the run allows hosts; a server on
  127.0.0.1 within one command works.
- `timeout` is in milliseconds: {TIMEOUT_MS} by default, {TIMEOUT_MS_MAX} at most.
- Output over {CHARACTERS_MAX} characters is cut at its beginning: print less, or write to a file and read parts of it.
- Prefer Read, Edit, Write, Glob and Grep to cat, sed, echo, find and grep for files."""

_WHY = {
    "memory": "it used more memory than a command may",
    "processes": "it had more processes at once than a command may",
    "output": "it printed more than a command may",
    "disk": "it filled the disk, or wrote more to it than a command may",
    "cpu": "it used more CPU time than a process may",
}


class Bash:
    """The tool itself; see `Tool`."""

    name = "Bash"
    after_loss: AfterLoss = "unknown"

    @property
    def definition(self) -> dict[str, Any]:
        """As the Messages API takes it."""
        return {
            "name": self.name,
            "description": _DESCRIPTION,
            "input_schema": {
                "type": "object",
                "properties": {
                    "command": {"type": "string", "description": "The command to run"},
                    "timeout": {
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "maximum": TIMEOUT_MS_MAX,
                        "description": f"Milliseconds after which it is ended; {TIMEOUT_MS} by default",
                    },
                    "description": {"type": "string", "description": "What the command does, in five to ten words"},
                    "run_in_background": {"type": "boolean", "description": "Not available: must be false or absent"},
                },
                "required": ["command"],
            },
        }

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Run it. Nothing is noted: of a command whose end nobody saw there is nothing to be known.

        Raises:
            ToolError: it could not be run as asked.
        """
        text = str(call.input["command"])
        if call.input.get("run_in_background"):
            raise ToolError(
                "Commands cannot run in the background here: what a command leaves running is ended with it. Run it in "
                f"the foreground, with a timeout of up to {TIMEOUT_MS_MAX} ms."
            )
        if not text.strip():
            raise ToolError("The command is empty.")
        timeout_ms = min(float(call.input.get("timeout") or TIMEOUT_MS), TIMEOUT_MS_MAX)
        try:
            outcome = await place.commands.run(Command(text, timeout_s=timeout_ms / 1000), say=place.say)
        except (CommandRefused, SandboxUnavailable) as error:
            raise ToolError(f"The command was not run: {error}") from error
        return await _result(call, text, timeout_ms, outcome, place)


async def _result(call: ToolCall, text: str, timeout_ms: float, outcome: CommandOutcome, place: Place) -> ToolResult:
    output = "\n".join(filter(None, (outcome.stdout.rstrip("\n"), outcome.stderr.rstrip("\n"))))
    log = None
    if outcome.log is not None or len(output) > CHARACTERS_MAX:
        log = f"{place.folder}/logs/{call.id}.txt"
        await _keep(outcome, output, log, place)
        printed = outcome.stdout_bytes + outcome.stderr_bytes
        output = f"[{printed} bytes of output; this is the end of them]\n{_end(outcome)}"
    failed = outcome.exit_code != 0
    first = _verdict(outcome, timeout_ms) if failed else ""
    content = "\n".join(filter(None, (first, output))) or "(the command printed nothing)"
    return ToolResult(content, is_error=failed, command=text, exit_code=outcome.exit_code, log=log)


def _end(outcome: CommandOutcome) -> str:
    """The ends of both streams within the bound; a short stderr is kept whole, since it says what went wrong."""
    stderr = outcome.stderr.rstrip("\n")[-CHARACTERS_MAX // 2 :]
    stdout = outcome.stdout.rstrip("\n")[-(CHARACTERS_MAX - len(stderr)) :]
    return "\n".join(filter(None, (stdout, stderr)))


async def _keep(outcome: CommandOutcome, output: str, key: str, place: Place) -> None:
    if outcome.log is None:
        await place.store.put(key, output.encode())
        return
    try:
        await place.store.put_file(key, outcome.log)
    finally:
        outcome.log.unlink(missing_ok=True)


def _verdict(outcome: CommandOutcome, timeout_ms: float) -> str:
    if outcome.ended_by == "timeout":
        return f"The command was ended after its timeout of {timeout_ms / 1000:g} s (exit code {outcome.exit_code})."
    if outcome.ended_by is not None:
        why = _WHY.get(outcome.ended_by, f"of its {outcome.ended_by}")
        return f"The command was ended because {why} (exit code {outcome.exit_code})."
    return f"Exit code {outcome.exit_code}"
