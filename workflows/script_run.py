"""Drives a script step by step: its calls become durable ones, their outcomes go back in call-id order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from .errors import RunEnded, ScriptFailed

with workflow.unsafe.imports_passed_through():
    from . import contracts, details
    from .contracts import Script
    from .patterns import PATTERNS
    from .script import dialects
    from .script.protocol import (
        STEPS,
        Call,
        CallError,
        Failed,
        Finished,
        Note,
        Outcome,
        ScriptLoadError,
        Step,
        StepContext,
    )

if TYPE_CHECKING:
    from .run import Run

SETTLED_BYTES_MAX = 48 * 1024 * 1024
"""Of outcomes that a script is given in one step: the detector of deadlocks fires after 2 s of it (Temporal)."""
PAUSE = timedelta(milliseconds=1)
LOAD_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


class OtherInterpreter(Exception):
    """This Worker must not replay the run. Not a failure of the run."""


class ScriptRun:
    """One script in a run: the run's own, or one called by `workflow()` inside it.

    Args:
        group: phase of calls that name none; a nested workflow's agents are grouped under its name.
        depth: 0 for the run's own script.
    """

    def __init__(
        self, run: Run, script: Script, *, args: Any, has_args: bool, group: str | None = None, depth: int = 0
    ) -> None:
        self._run = run
        self._script = script
        self._args, self._has_args = args, has_args
        self._group = self._phase = group
        self._depth = depth
        self._settled: dict[int, Outcome] = {}
        self._pending: tuple[int, ...] = ()
        self._passive: set[int] = set()
        """Calls that end only when a script of this run goes on: waits for a lock, nested workflows."""
        self._waits = False
        self._defect: BaseException | None = None
        self._calls: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on
        self._failures_told = len(run.ledger.failures)

    async def run(self) -> Any:
        """Run to the end and return the script's value.

        Raises:
            ScriptFailed: the script threw, is stuck, or went over a limit.
        """
        self._check_interpreter()
        seed = self._run.seed if self._depth == 0 else f"{self._run.seed}/{self._script.name}"
        session = dialects.open_session(self._script.loaded(), args=self._args, has_args=self._has_args, seed=seed)
        self._run.scripts[self] = None
        try:
            context = self._context()
            step = self._run.guard(lambda: session.start(context))
            while True:
                self._dispatch(step)
                if isinstance(step, Finished):
                    return step.value
                if isinstance(step, Failed):
                    raise ScriptFailed(step.message, kind=step.kind, line=step.line)
                if not step.pending:
                    raise ScriptFailed(
                        "the script waits for something that will never come: no agent, timer or workflow is pending. "
                        "Look for a promise that nobody resolves",
                        kind="stuck",
                    )
                self._run.show_progress()
                await self._wait(step.pending)
                outcomes = self._take()
                context = self._context()
                step = self._run.guard(lambda o=outcomes, c=context: session.resume(o, c))  # type: ignore[misc]
        except ScriptLoadError as error:
            raise ScriptFailed(str(error), kind="load", line=error.line) from error
        finally:
            session.close()
            del self._run.scripts[self]
            self._run.locks.drop(self)
            for task in list(self._calls):
                task.cancel()

    def _check_interpreter(self) -> None:
        """Fail the Workflow Task, which leaves the run as it is, on a Worker that might replay it otherwise."""
        dialect = self._script.dialect
        began, here = (self._run.input.interpreters or {}).get(dialect), dialects.interpreters()[dialect]
        if began is not None and began != here:
            raise OtherInterpreter(
                f"this Worker has {here}, the run began with {began}: it is left to a Worker that has that version"
            )

    async def _wait(self, pending: tuple[int, ...]) -> None:
        """Until a call has ended.

        Raises:
            ScriptFailed: kind `stuck`: it waits for a lock, and nothing in the run can ever give one back.
        """
        if self._settled:
            # Too much for one step: the rest is for another Workflow Task, whose time begins anew.
            await workflow.sleep(PAUSE)
        self._pending, self._waits = pending, True
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
                task = asyncio.create_task(self._settle(event, self._phase))
                self._calls[task] = None
                task.add_done_callback(self._forget)

    def _note(self, note: Note) -> None:
        if note.kind == "phase":
            self._phase = self._group or note.text
            if self._group is None:
                self._run.ledger.phase(note.text)
        elif note.kind == "unlock":
            self._run.locks.release(note.text, self)
        else:
            self._run.say(note.text)

    async def _settle(self, call: Call, phase: str | None) -> None:
        """Have a call answered by whatever in the run answers it."""
        run, args, group = self._run, call.args, self._group or phase
        answers: dict[str, Callable[[], Awaitable[Outcome]]] = {
            "agent": lambda: self._agent(args, phase),
            "sleep": lambda: self._sleep(args),
            "workflow": lambda: self._nested(call),
            "lock": lambda: self._lock(call),
            "review": lambda: run.reviews.review(args, phase=group),
            "converge": lambda: run.reviews.converge(args, phase=group),
            "gate": lambda: run.gates.call(args),
            "ask": lambda: run.questions.ask(args),
            "wait_for": lambda: run.questions.wait_for(args),
        }
        if call.op in answers:
            outcome = await answers[call.op]()
        elif call.op in PATTERNS:
            outcome = await run.reviews.pattern(call.op, args, phase=group)
        elif call.op in STEPS:
            outcome = await run.steps.call(call.op, args)
        else:
            outcome = Outcome(error=CallError(kind="unknown_call", message=f"this Worker does not know {call.op}()"))
        self._settled[call.id] = outcome

    async def _agent(self, args: dict[str, Any], phase: str | None) -> Outcome:
        options = dict(args)
        prompt = options.pop("prompt")
        if self._group is not None:
            options["phase"] = self._group
        return await self._run.agents.call(prompt, options, phase=phase)

    async def _sleep(self, args: dict[str, Any]) -> Outcome:
        await asyncio.sleep(max(0.0, float(args["seconds"])))
        return Outcome()

    async def _lock(self, call: Call) -> Outcome:
        self._passive.add(call.id)
        await self._run.locks.take(call.args["name"], self)
        self._passive.discard(call.id)
        return Outcome()

    # ---------------------------------------------------------------------------------------- workflow()

    async def _nested(self, call: Call) -> Outcome:
        args, limit = call.args, self._run.input.limits.nesting
        if self._depth >= limit:
            return Outcome(error=CallError(kind="nesting", message=f"workflow() is nested more than {limit} deep"))
        try:
            script = await workflow.execute_activity(
                contracts.load_script,
                contracts.LoadScriptInput(
                    run_id=self._run.id,
                    name=args.get("name"),
                    script_path=args.get("script_path"),
                    workspace=self._run.input.workspace,
                ),
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=LOAD_RETRY,
                summary=f"load workflow {args.get('name') or args.get('script_path')}",
            )
        except ActivityError as error:
            cause = error.cause
            kind = (cause.type if isinstance(cause, ApplicationError) else None) or "load"
            message = cause.message if isinstance(cause, ApplicationError) else str(error)
            return Outcome(error=CallError(kind=kind, message=message))
        inner = ScriptRun(
            self._run,
            script,
            args=args.get("args"),
            has_args="args" in args,
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
