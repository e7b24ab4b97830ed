"""The step protocol between an interpreter and the durable world.

A session is a pure function of (source, arguments, seed, sequence of resumptions): `start` runs the script until it
waits, `resume` hands it the outcomes of finished calls and runs it until it waits again. Nothing here knows Temporal,
so one conformance table drives both dialects without a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Dialect = Literal["javascript", "python"]
NoteKind = Literal["log", "phase", "unlock"]

MAX_SOURCE_BYTES = 512 * 1024
"""Largest script, as in the original runtime (SCRIPT_API §5)."""
STEPS = ("sh", "read", "write", "glob", "grep", "mcp", "pull_request")
"""Calls that touch the world without a model."""
REVIEWS = ("review", "converge", "vote", "judge", "critic")
"""Calls made of several agents."""
MAX_ARGUMENT = 24_000_000
"""Most characters in one argument of a step."""
MAX_ITEMS = 4096
"""Most items in one `parallel` or `pipeline` call."""
STEP_SECONDS = 1.0
"""Script time between two awaits. Checkout, step and grace together stay under Temporal's deadlock detector (2 s)."""
MEMORY_BYTES = 256 * 1024 * 1024
"""Memory of one script."""


# --------------------------------------------------------------------------------------------------- loading


@dataclass(frozen=True, slots=True)
class Phase:
    """One entry of `meta.phases`."""

    title: str
    detail: str | None = None
    model: str | None = None
    usd: float | None = None
    """Ceiling of its agents in dollars."""


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """A script that passed every check that can be made without running it."""

    dialect: Dialect
    source: str
    name: str
    description: str
    phases: tuple[Phase, ...]
    meta: dict[str, Any]
    """All of `meta` as plain JSON, unknown keys included."""
    when_to_use: str | None = None
    limits: dict[str, float] = field(default_factory=dict)
    """`agents`, `concurrency`, `usd`: what the script asks for; flags may lower them."""


class ScriptLoadError(Exception):
    """A script that cannot be run. Nothing was started and nothing was spent.

    `str(error)` is complete for a person: reason, `file:line:column`, the source line, a caret, and a hint.
    """

    def __init__(
        self,
        reason: str,
        *,
        line: int | None = None,
        column: int | None = None,
        source_line: str | None = None,
        hint: str | None = None,
        filename: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        """1-based."""
        self.column = column
        """1-based, in characters."""
        self.source_line = source_line
        self.hint = hint
        self.filename = filename

    def __str__(self) -> str:
        name = self.filename or "script"
        where = name if self.line is None else f"{name}:{self.line}" + (f":{self.column}" if self.column else "")
        lines = [f"{where}: {self.reason}"]
        if self.source_line is not None:
            shown, caret = _window(self.source_line, self.column)
            lines.append(f"    {shown}")
            if caret is not None:
                lines.append("    " + " " * caret + "^")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


def _window(source_line: str, column: int | None, width: int = 110) -> tuple[str, int | None]:
    """Cut a long (minified) line around the caret, so that a person sees the place and not the line."""
    text = source_line.rstrip().replace("\t", " ")
    if column is None:
        return text[:width], None
    caret = column - 1
    start = 0 if caret < width - 20 else caret - width // 2
    return text[start : start + width], caret - start


# -------------------------------------------------------------------------------------------------- stepping


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the durable world answers later, by `id`.

    `op` is the public function's name in snake_case; `args` is plain JSON with snake_case keys, only what was given:

        agent         prompt (text), and its options
        sleep         seconds
        workflow      name or script_path; args
        sh            command; cwd, timeout (seconds), env, check, repeat. Answered by a dict: exit_code, stdout,
                      stderr, duration_s, log, and ended_by where it did not end by itself
        read          path. Answered by text
        write         path, text. Answered by None
        glob          pattern. Answered by a list of paths
        grep          pattern; glob. Answered by a list of {path, line, text}
        mcp           server, tool; input, repeat. Answered by the tool's result
        pull_request  branch, title, body; base, draft. Answered by {url, branch, created, reason}
        review        work; reviewers, lenses, quorum, rounds, revise, model, effort. Answered by a `ReviewResult`
        converge      prompt; angles, rounds, quorum, schema, model, effort. Answered by a `ConvergeResult`
        vote          prompt; n, quorum, schema, model, effort. Answered as `patterns.py` says, as are these two
        judge         candidates; criteria, judges, model, effort
        critic        result; task, model, effort
        gate          command; attempts, hold, cwd, timeout, allow_changes, split. Or, of a script's own function that
                      the prelude called: name, passed, runs, reason. Answered by {passed, reason, flaky, evidence},
                      with split by failures and signature too
        ask           question; options, default, timeout (seconds). Answered by the answer
        wait_for      name; timeout. Answered by the event's payload
        lock          name. Answered when the caller holds it; an `unlock` note gives it back
    """

    id: int
    op: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """Something the script said that nobody answers: a `log` line, the start of a `phase`, a lock given back.

    `text` is the line, the title, or the lock's name.
    """

    kind: NoteKind
    text: str


Event = Call | Note
"""Calls and notes keep the order in which the script made them: a phase holds for the calls after it."""


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a call has no value.

    `lost` marks an outcome that the original runtime turns into `null` (skipped, or a terminal API error): JavaScript
    resolves to `null`, Python raises. Everything else throws in both dialects, in JavaScript as an `Error` whose
    `name` is given.
    """

    kind: str
    message: str
    lost: bool = False
    name: str = "Error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one call: a plain JSON value, or an error."""

    value: Any = None
    error: CallError | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What `budget` shows to the script: output tokens, and dollars of all token classes."""

    total: int | None = None
    spent: int = 0
    usd_total: float | None = None
    usd_spent: float = 0.0


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a script may read synchronously during one step; part of the recorded input of that step."""

    now: float
    """Workflow time, Unix seconds."""
    budget: Budget = field(default_factory=Budget)
    new_failures: tuple[dict[str, Any], ...] = ()
    """Failures since the previous step; the session appends them to what `failures()` returns."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The script waits for at least one of `pending`. Empty `pending` means it is stuck."""

    events: tuple[Event, ...]
    pending: tuple[int, ...]
    """Ids of all unanswered calls, ascending."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The script returned. `value` is plain JSON."""

    events: tuple[Event, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The script threw and nothing caught it."""

    events: tuple[Event, ...]
    message: str
    """`TypeError: x is not a function`, as the dialect words it; for a refused cap it is the cap's own message."""
    kind: str = "script"
    """`script`, or the `kind` of the `CallError` that was never caught (`agent_cap`, `budget`, …)."""
    line: int | None = None
    """1-based line in the script's own source."""
    traceback: str | None = None


Step = Waiting | Finished | Failed


Limit = Literal["time", "memory"]
"""What a step may go over."""


class StepLimit(Exception):
    """A step went over a limit that depends on this machine: `time` or `memory`.

    Never a script-visible error by itself: the same step may pass on replay, so the caller records the decision first.
    """

    def __init__(self, limit: Limit, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class InterpreterBusy(Exception):
    """No interpreter process was free in time, or one was lost. Says nothing about the script: try the step again."""


class Session(Protocol):
    """One script in execution."""

    def start(self, context: StepContext) -> Step:
        """Run from the top to the first wait.

        Raises:
            ScriptLoadError: the script cannot be run at all.
            StepLimit: the step went over its time or memory.
            InterpreterBusy: nothing is known about the step; the session is unchanged and it may be tried again.
        """

    def resume(self, outcomes: Mapping[int, Outcome], context: StepContext) -> Step:
        """Settle `outcomes`, in call-id order and all in one go, and run to the next wait. Raises as `start`."""

    def state(self) -> dict[str, Any]:
        """A script that waits, as plain JSON: `restore_session` makes a session of it that goes on from there.

        Only an interpreter of the same version goes on from it.
        """

    def close(self) -> None:
        """Give up whatever the session holds. Safe to call twice, from any thread, and after any error."""
