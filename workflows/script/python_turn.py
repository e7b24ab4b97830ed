"""One step of a Python script: driving the interpreter until it waits, returns or throws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic_monty import (
    ExternalResult,
    ExternalSettledResult,
    FunctionSnapshot,
    FutureSnapshot,
    MontyComplete,
    MontyRuntimeError,
    NameLookupSnapshot,
    SyncSnapshot,
)

from .protocol import Call, CallError, Event, Failed, Finished, Note, Outcome, Step, StepContext, Waiting
from .python_failure import failed
from .python_host import LATER, NOTES, Totals, call_arguments, clock, error_text, read, refusal, settled, value
from .python_pool import Lease
from .python_prelude import PRELUDE, RUN_MAIN
from .python_values import from_script, to_script

PRINTED_CHARACTERS_MAX = 1 << 20
"""Most characters that `print` may say in one step; the rest is dropped, and a line says so."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An unanswered call, as the interpreter knows it."""

    interpreter_id: int
    wrapped: bool
    """Whether the prelude asked (its answers are dicts) or the interpreter's own `sleep`."""


@dataclass(frozen=True, slots=True)
class State:
    """All that a session keeps between two steps."""

    snapshot: bytes = b""
    """The interpreter, as it waits."""
    asked: Mapping[int, Asked] = field(default_factory=dict)
    """Unanswered calls by our id."""
    next_id: int = 0
    blocked: int | None = None
    """Our id of the `time.sleep` that stops the whole script, if one does."""
    early: Mapping[int, ExternalSettledResult] = field(default_factory=dict)
    """Answers that nothing in the script awaits yet, by the interpreter's id."""
    said: Mapping[str, CallError] = field(default_factory=dict)
    """What each error raised in the script says -> the failed call behind it."""
    failures: tuple[dict[str, Any], ...] = ()
    tail: str = ""
    """What `print` said since the last line break."""
    totals: Totals = (None, None)
    """The budget's ceilings as the script last saw them."""


class Turn:
    """One step in the making. It works on copies: nothing of the session changes before the step is complete."""

    def __init__(self, lease: Lease, state: State, context: StepContext) -> None:
        self.state: State | None = None
        """The state after the step; `None` once the script has ended."""
        self._lease = lease
        self._before = state
        self._context = context
        self._asked = dict(state.asked)
        self._next_id = state.next_id
        self._early = dict(state.early)
        self._said = dict(state.said)
        self._failures = (*state.failures, *context.new_failures)
        self._tail = state.tail
        self._totals = state.totals
        self._printed = 0
        self._events: list[Event] = []
        self._in_main = True

    # ------------------------------------------------------------------------------------------ whole steps

    def load_module(self, source: str) -> Step | None:
        """Run prelude and module level; returns how the script failed there, or `None`.

        Raises:
            MontySyntaxError: the interpreter cannot parse the script.
        """
        self._in_main = False
        self._totals = (self._context.budget.total, self._context.budget.usd_total)
        for text in (PRELUDE, source):
            ended = self._drive(partial(self._feed, text))
            if not isinstance(ended, MontyComplete):
                return ended
        self._in_main = True
        return None

    def call_main(self, parameters: list[Any]) -> Step:
        """Call `main` and run to the first wait."""
        inputs = {"_tenuto_args": [to_script(each) for each in parameters]}
        return self._stopped(self._drive(partial(self._feed, RUN_MAIN, inputs)))

    def settle(self, outcomes: Mapping[int, Outcome]) -> Step:
        """Give the script the answers, all in one go, and run to the next wait."""
        blocked = self._before.blocked
        answer: ExternalSettledResult | None = None
        for call_id in sorted(outcomes):
            if call_id not in self._asked:
                raise ValueError(f"call {call_id} is not waiting for an answer")
            asked = self._asked.pop(call_id)
            result = self._settled(outcomes[call_id], wrapped=asked.wrapped)
            if call_id == blocked:
                answer = result
            else:
                self._early[asked.interpreter_id] = result
        if blocked is not None and answer is None:
            return self._keep(self._before.snapshot, blocked)
        snapshot = self._lease.session.load_snapshot(self._before.snapshot, print_callback=self._print)
        if answer is None:
            return self._stopped(self._drive(lambda: snapshot))
        assert isinstance(snapshot, FunctionSnapshot)  # it is the `time.sleep` that blocks
        return self._stopped(self._drive(partial(snapshot.resume, answer)))

    # ---------------------------------------------------------------------------------------------- driving

    def _feed(self, text: str, inputs: dict[str, Any] | None = None) -> SyncSnapshot:
        return self._lease.session.feed_start(text, inputs=inputs, print_callback=self._print, skip_type_check=True)

    def _drive(self, begin: Callable[[], SyncSnapshot]) -> Step | MontyComplete:
        try:
            snapshot = begin()
            while True:
                self._lease.check()
                if isinstance(snapshot, MontyComplete):
                    return snapshot
                if isinstance(snapshot, NameLookupSnapshot):
                    snapshot = snapshot.resume()
                elif isinstance(snapshot, FutureSnapshot):
                    ready = sorted(each for each in snapshot.pending_call_ids if each in self._early)
                    if not ready:
                        return self._keep(snapshot.dump(), None)
                    snapshot = snapshot.resume({each: self._early.pop(each) for each in ready})
                elif self._blocks(snapshot):
                    call_id = self._call(snapshot, "sleep", {"seconds": snapshot.args[0]}, wrapped=False)
                    return self._keep(snapshot.dump(), call_id)
                else:
                    reply = self._reply(snapshot)
                    snapshot = snapshot.resume_not_handled() if reply is None else snapshot.resume(reply)
        except MontyRuntimeError as error:
            limit = self._lease.limit(error)
            if limit is not None:
                raise limit from None
            self._end_line()
            return failed(error, tuple(self._events), self._said)

    def _keep(self, snapshot: bytes, blocked: int | None) -> Waiting:
        self.state = State(
            snapshot=snapshot,
            asked=self._asked,
            next_id=self._next_id,
            blocked=blocked,
            early=self._early,
            said=self._said,
            failures=self._failures,
            tail=self._tail,
            totals=self._totals,
        )
        return Waiting(tuple(self._events), tuple(sorted(self._asked)))

    def _stopped(self, stop: Step | MontyComplete) -> Step:
        if not isinstance(stop, MontyComplete):
            return stop
        self._end_line()
        try:
            return Finished(tuple(self._events), from_script(stop.output))
        except ValueError as error:
            message = f"ValueError: main() returned a value that is not plain JSON: {error}"
            return Failed(tuple(self._events), message)

    # --------------------------------------------------------------------------------------- what it asks for

    def _blocks(self, snapshot: FunctionSnapshot) -> bool:
        """Whether this is a `time.sleep`, which stops the script as a whole: only a step's end can wait."""
        return (
            snapshot.is_os_function
            and snapshot.function_name == "time.sleep"
            and self._in_main
            and bool(snapshot.args[0] > 0)
        )

    def _reply(self, snapshot: FunctionSnapshot) -> ExternalResult | None:
        """The answer to a call, or `None` for what the interpreter itself refuses (files, environment)."""
        if snapshot.is_os_function:
            if snapshot.function_name in ("asyncio.sleep", "time.sleep"):
                return self._sleep(snapshot)
            return clock(snapshot, self._context.now)
        match snapshot.function_name:
            case "_tenuto_call":
                return self._ask(snapshot)
            case "_tenuto_note":
                kind, text = snapshot.args
                self._end_line()
                self._events.append(Note(NOTES.get(kind, "log"), text))
                return value(None)
            case "_tenuto_read":
                return value(read(snapshot.args[0], self._context, self._failures))
        return {"exc_type": "NameError", "message": f"name '{snapshot.function_name}' is not defined"}

    def _sleep(self, snapshot: FunctionSnapshot) -> ExternalResult:
        seconds = snapshot.args[0]
        if not seconds > 0:
            return value(None)  # a durable timer for nothing would let a loop of them fill the history
        if not self._in_main:
            return refusal("a script can wait inside main() only")
        self._call(snapshot, "sleep", {"seconds": seconds}, wrapped=False)
        return LATER

    def _ask(self, snapshot: FunctionSnapshot) -> ExternalResult:
        try:
            op, arguments = call_arguments(snapshot)
        except (TypeError, ValueError) as error:
            return {"exc_type": "TypeError", "message": str(error)}
        if not self._in_main:
            return refusal(f"{op}() can be awaited inside main() only; the runtime calls main, not the script")
        self._call(snapshot, op, arguments, wrapped=True)
        return LATER

    def _call(self, snapshot: FunctionSnapshot, op: str, arguments: dict[str, Any], *, wrapped: bool) -> int:
        self._lease.calls += 1
        call_id = self._next_id
        self._next_id += 1
        self._asked[call_id] = Asked(snapshot.call_id, wrapped)
        self._events.append(Call(call_id, op, arguments))
        return call_id

    def _settled(self, outcome: Outcome, *, wrapped: bool) -> ExternalSettledResult:
        if outcome.error is not None:
            self._said[error_text(outcome.error)] = outcome.error
        budget = self._context.budget
        totals: Totals = (budget.total, budget.usd_total)
        changed = totals != self._before.totals
        if wrapped and outcome.error is None:
            self._totals = totals
        return settled(outcome, wrapped=wrapped, totals=totals if changed else None)

    # ------------------------------------------------------------------------------------------------ print

    def _print(self, _stream: str, text: str) -> None:
        room = PRINTED_CHARACTERS_MAX - self._printed
        self._printed += len(text)
        *lines, self._tail = (self._tail + text[: max(0, room)]).split("\n")
        self._events.extend(Note("log", line) for line in lines)
        if 0 <= room < len(text):
            self._end_line()
            self._events.append(
                Note("log", f"(what print said beyond {PRINTED_CHARACTERS_MAX:,} characters is dropped)")
            )

    def _end_line(self) -> None:
        if self._tail:
            self._events.append(Note("log", self._tail))
            self._tail = ""
