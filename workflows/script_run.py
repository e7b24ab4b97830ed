"""Drives a script step by step: its calls become durable ones, their outcomes go back in call-id order."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from temporalio import workflow

from .errors import RunEnded, ScriptFailed
from .nested_script import load_nested
from .rounds import Rounds

with workflow.unsafe.imports_passed_through():
    from . import details
    from .bounds import TITLE_CHARS, cut
    from .carry_contracts import OpenCall, ScriptState
    from .contracts import Script
    from .missing_arguments import reaches_into_arguments
    from .patterns import PATTERNS
    from .script import dialects
    from .script.protocol import (
        STEPS,
        CallError,
        Failed,
        Finished,
        Note,
        Outcome,
        ScriptLoadError,
        Session,
        Step,
        StepContext,
    )

if TYPE_CHECKING:
    from .run import Run

SETTLED_BYTES_MAX = 48 * 1024 * 1024
"""Of outcomes that a script is given in one step: the detector of deadlocks fires after 2 s of it (Temporal)."""
PAUSE = timedelta(milliseconds=1)
MAY_REVIEW = re.compile(r"\b(?:review|workflow)\b")


class OtherInterpreter(Exception):
    """This Worker must not replay the run. Not a failure of the run."""


class ScriptRun:
    """One script in a run: the run's own, or one called by `workflow()` inside it.

    Args:
        group: phase of calls that name none; a nested workflow's agents are grouped under its name.
        depth: 0 for the run's own script.
        carried: of a script that goes on in a new history: how far it had come. Its calls wait for `calls_again`.
    """

    def __init__(
        self,
        run: Run,
        script: Script,
        *,
        args: Any,
        has_args: bool,
        group: str | None = None,
        depth: int = 0,
        carried: ScriptState | None = None,
    ) -> None:
        self._run = run
        self._script = script
        self._args, self._has_args = args, has_args
        self._group = self._phase = group
        self._depth = depth
        self._session: Session | None = None
        self._open: dict[int, OpenCall] = {}
        self._inner: dict[int, ScriptRun] = {}
        """Nested workflows in execution, by the call."""
        self._settled: dict[int, Outcome] = {}
        self._pending: tuple[int, ...] = ()
        self._passive: set[int] = set()
        """Calls that end only when a script of this run goes on: waits for a lock, nested workflows."""
        self._rounds = Rounds()
        self._waits = False
        self._defect: BaseException | None = None
        self._calls: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on
        self._failures_told = len(run.ledger.failures)
        if carried is not None:
            self._restore(carried)

    async def run(self) -> Any:
        """Run to the end and return the script's value.

        Raises:
            ScriptFailed: the script threw, is stuck, or went over a limit.
        """
        self._check_interpreter()
        self._run.scripts[self] = None
        session = self._session
        try:
            if session is None:
                session = self._session = dialects.open_session(
                    self._script.loaded(),
                    args=self._args,
                    has_args=self._has_args,
                    seed=self._seed,
                    locale=self._run.input.locale,
                )
                context = self._context()
                step = self._run.guard(lambda: session.start(context))
                if (ended := self._ended(step)) is not None:
                    return ended.value
            while True:
                self._run.show_progress()
                await self._rounds.rest()
                await self._wait()
                outcomes = self._take()
                context = self._context()
                step = self._run.guard(lambda o=outcomes, c=context: session.resume(o, c))  # type: ignore[misc]
                if (ended := self._ended(step)) is not None:
                    return ended.value
        except ScriptLoadError as error:
            raise ScriptFailed(str(error), kind="load", line=error.line) from error
        finally:
            if session is not None:
                session.close()
            del self._run.scripts[self]
            self._run.locks.drop(self)
            for task in list(self._calls):
                task.cancel()

    @property
    def _seed(self) -> str:
        return self._run.seed if self._depth == 0 else f"{self._run.seed}/{self._script.name}"

    def _ended(self, step: Step) -> Finished | None:
        """Do what a step says; the end of the script, if that is what it was.

        Raises:
            ScriptFailed: it threw, or waits for nothing.
        """
        self._dispatch(step)
        if isinstance(step, Finished):
            return step
        if isinstance(step, Failed):
            raise ScriptFailed(self._explained(step), kind=step.kind, line=step.line)
        if not step.pending:
            raise ScriptFailed(
                "the script waits for something that will never come: no agent, timer or workflow is pending. "
                "Look for a promise that nobody resolves",
                kind="stuck",
            )
        self._pending = step.pending
        return None

    def _explained(self, failed: Failed) -> str:
        """What the script threw; where it reached into arguments that nobody gave, with that."""
        if self._has_args or not reaches_into_arguments(self._script.source, failed):
            return failed.message
        return f"{failed.message} (it reads `args`, and none were given{'' if self._depth else ': --args JSON'})"

    def _check_interpreter(self) -> None:
        """Fail the Workflow Task, which leaves the run as it is, on a Worker that might replay it otherwise."""
        dialect = self._script.dialect
        began, here = (self._run.input.interpreters or {}).get(dialect), dialects.interpreters()[dialect]
        if began is not None and began != here:
            raise OtherInterpreter(
                f"this Worker has {here}, the run began with {began}: it is left to a Worker that has that version"
            )

    async def _wait(self) -> None:
        """Until a call has ended.

        Raises:
            ScriptFailed: kind `stuck`: it waits for a lock, and nothing in the run can ever give one back.
        """
        if self._settled:
            # Too much for one step: the rest is for another Workflow Task, whose time begins anew.
            await workflow.sleep(PAUSE)
        self._waits = True
        await workflow.wait_condition(lambda: bool(self._settled) or self._defect is not None or self._deadlocked())
        self._waits = False
        if self._defect is not None:
            raise self._defect
        if not self._settled:
            names = ", ".join(repr(name) for name in self._run.locks.waits(self))
            raise ScriptFailed(
                f"the script waits for the lock {names}, and nothing else is pending in the run that could free it. A "
                "lock must not be taken again inside its own function, nor two of them in different orders",
                kind="stuck",
            )

    def _take(self) -> dict[int, Outcome]:
        """What has ended, in the order of the calls; at most so much at once that a step stays quick."""
        taken: dict[int, Outcome] = {}
        size = 0
        for call_id in sorted(self._settled):
            size += details.size(self._settled[call_id].value, SETTLED_BYTES_MAX)
            if taken and size > SETTLED_BYTES_MAX:
                break
            taken[call_id] = self._settled.pop(call_id)
        return taken

    @property
    def blocked(self) -> bool:
        """Whether it can only go on when another script of the run does."""
        return self._waits and not self._settled and all(each in self._passive for each in self._pending)

    def _deadlocked(self) -> bool:
        locks = self._run.locks
        return bool(locks.waits(self)) and all(script.blocked for script in self._run.scripts)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._calls.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._defect = error  # of ours: it fails the Workflow Task, instead of leaving the script waiting for ever

    def _context(self) -> StepContext:
        failures = self._run.ledger.failures
        new = tuple(failure.model_dump() for failure in failures[self._failures_told :])
        self._failures_told = len(failures)
        return StepContext(now=self._run.now, budget=self._run.budget, new_failures=new)

    def _dispatch(self, step: Step) -> None:
        ended = isinstance(step, Finished | Failed)
        for event in step.events:
            if isinstance(event, Note):
                self._note(event)
            elif not ended:  # a call made in the very step that ended the script would only be cancelled
                order = self._run.next_call()
                self._begin(OpenCall(id=event.id, op=event.op, args=event.args, phase=self._phase, order=order))

    def _begin(self, call: OpenCall) -> None:
        self._open[call.id] = call
        task = asyncio.create_task(self._settle(call))
        self._calls[task] = None
        task.add_done_callback(self._forget)

    def _note(self, note: Note) -> None:
        if note.kind == "phase":
            self._phase = self._group or cut(note.text, TITLE_CHARS)
            if self._group is None:
                self._run.ledger.phase(note.text)
        elif note.kind == "unlock":
            self._run.locks.release(note.text, self)
        else:
            self._run.say(note.text)

    async def _settle(self, call: OpenCall) -> None:
        """Have a call answered by whatever in the run answers it."""
        run, args, phase = self._run, call.args, call.phase
        group = self._group or phase
        answers: dict[str, Callable[[], Awaitable[Outcome]]] = {
            "agent": lambda: self._agent(call),
            "sleep": lambda: self._sleep(call),
            "workflow": lambda: self._nested(call),
            "lock": lambda: self._lock(call),
            "ask": lambda: run.questions.ask(args, call),
            "wait_for": lambda: run.questions.wait_for(args, call),
        }
        made_of_several: dict[str, Callable[[], Awaitable[Outcome]]] = {
            "review": lambda: run.reviews.review(args, phase=group),
            "converge": lambda: run.reviews.converge(args, phase=group),
            "gate": lambda: run.gates.call(args),
            **{op: lambda: run.reviews.pattern(call.op, args, phase=group) for op in PATTERNS},
        }
        if call.op in answers:
            outcome = await answers[call.op]()
        elif call.op in made_of_several:
            async with run.continuing.begun():
                outcome = await made_of_several[call.op]()
        elif call.op in STEPS:
            outcome = await run.steps.call(call.op, args)
        else:
            outcome = Outcome(error=CallError(kind="unknown_call", message=f"this Worker does not know {call.op}()"))
        del self._open[call.id]
        self._settled[call.id] = outcome
        if call.op != "sleep" or float(args["seconds"]) > 0:
            self._rounds.awaited()

    async def _agent(self, call: OpenCall) -> Outcome:
        if call.queued is not None:
            queued, call.queued = call.queued, None
            return await self._run.agents.again(queued)
        options = dict(call.args)
        prompt = options.pop("prompt")
        if self._group is not None:
            options["phase"] = self._group
        return await self._run.agents.call(prompt, options, phase=call.phase, call=call)

    async def _sleep(self, call: OpenCall) -> Outcome:
        seconds = max(0.0, float(call.args["seconds"]))
        if call.until is not None:
            seconds = max(0.0, call.until - workflow.time())
        else:
            call.until = workflow.time() + seconds
        await asyncio.sleep(seconds)
        return Outcome()

    async def _lock(self, call: OpenCall) -> Outcome:
        self._passive.add(call.id)
        await self._run.locks.take(call.args["name"], self)
        self._passive.discard(call.id)
        return Outcome()

    # ---------------------------------------------------------------------------------------- workflow()

    async def _nested(self, call: OpenCall) -> Outcome:
        limit = self._run.input.limits.nesting
        if self._depth >= limit:
            return Outcome(error=CallError(kind="nesting", message=f"workflow() is nested more than {limit} deep"))
        inner = self._inner.get(call.id)
        if inner is None:
            script = await load_nested(self._run, call.args)
            if isinstance(script, CallError):
                return Outcome(error=script)
            inner = self._inner[call.id] = ScriptRun(
                self._run,
                script,
                args=call.args.get("args"),
                has_args="args" in call.args,
                group=self._group or script.name,
                depth=self._depth + 1,
            )
        self._passive.add(call.id)
        try:
            return Outcome(value=await inner.run())
        except RunEnded as ended:
            return Outcome(error=CallError(kind=ended.kind, message=str(ended)))
        finally:
            self._passive.discard(call.id)
            del self._inner[call.id]

    # ---------------------------------------------------------------------------------- between two histories

    @property
    def rests(self) -> bool:
        """Whether it waits and has nothing to go on with."""
        return self._waits and not self._settled and self._defect is None

    @property
    def may_review(self) -> bool:
        """Whether it, or a workflow that it calls, may ask for who gave a value."""
        return bool(MAY_REVIEW.search(self._script.source))

    def state(self) -> ScriptState:
        """How far it has come, nested workflows included. Only while it rests."""
        assert self._session is not None
        queued = self._run.agents.queued
        calls: list[OpenCall] = []
        for call in self._open.values():
            known: dict[str, Any] = {}
            if call.agent is not None:
                known = {"queued": queued[call.agent], "args": {}}  # its input has them
            elif call.id in self._inner:
                known = {"script": self._inner[call.id].state(), "args": {}}
            calls.append(call.model_copy(update=known))
        return ScriptState(
            script=None if self._depth == 0 else self._script,
            group=self._group,
            phase=self._phase,
            depth=self._depth,
            failures_told=self._failures_told,
            session=self._session.state(),
            pending=list(self._pending),
            locks=self._run.locks.held(self),
            calls=calls,
        )

    def _restore(self, state: ScriptState) -> None:
        self._phase, self._failures_told, self._pending = state.phase, state.failures_told, tuple(state.pending)
        self._session = dialects.restore_session(self._script.loaded(), seed=self._seed, state=state.session)
        for name in state.locks:
            self._run.locks.restore(name, self)
        for call in state.calls:
            self._open[call.id] = call
            inner, call.script = call.script, None
            if inner is not None:
                assert inner.script is not None
                self._inner[call.id] = ScriptRun(
                    self._run,
                    inner.script,
                    args=None,
                    has_args=False,
                    group=inner.group,
                    depth=inner.depth,
                    carried=inner,
                )

    def calls_again(self) -> list[tuple[int, Callable[[], None]]]:
        """What begins each call again that was open, nested workflows included, with its place among all."""
        again: list[tuple[int, Callable[[], None]]] = []
        for call in self._open.values():
            again.append((call.order, partial(self._begin, call)))
            if call.id in self._inner:
                again.extend(self._inner[call.id].calls_again())
        return again
