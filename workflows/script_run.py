"""Drives a script step by step: its calls become durable ones, their outcomes go back in call-id order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from .errors import RunEnded, ScriptFailed

with workflow.unsafe.imports_passed_through():
    from . import contracts
    from .contracts import Script
    from .script import dialects
    from .script.protocol import (
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

LOAD_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


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
        self._calls: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on
        self._failures_told = len(run.ledger.failures)

    async def run(self) -> Any:
        """Run to the end and return the script's value.

        Raises:
            ScriptFailed: the script threw, is stuck, or went over a limit.
        """
        seed = self._run.seed if self._depth == 0 else f"{self._run.seed}/{self._script.name}"
        session = dialects.open_session(self._script.loaded(), args=self._args, has_args=self._has_args, seed=seed)
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
                await workflow.wait_condition(lambda: bool(self._settled))
                outcomes, self._settled = dict(sorted(self._settled.items())), {}
                context = self._context()
                step = self._run.guard(lambda o=outcomes, c=context: session.resume(o, c))  # type: ignore[misc]
        except ScriptLoadError as error:
            raise ScriptFailed(str(error), kind="load", line=error.line) from error
        finally:
            session.close()
            for task in list(self._calls):
                task.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._calls.pop(task, None)

    def _context(self) -> StepContext:
        failures = self._run.ledger.failures
        new = tuple(failure.model_dump() for failure in failures[self._failures_told :])
        self._failures_told = len(failures)
        return StepContext(now=workflow.time(), budget=self._run.budget, new_failures=new)

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
        else:
            self._run.say(note.text)

    async def _settle(self, call: Call, phase: str | None) -> None:
        if call.op == "agent":
            options = dict(call.args)
            prompt = options.pop("prompt")
            if self._group is not None:
                options["phase"] = self._group
            outcome = await self._run.agents.call(prompt, options, phase=phase)
        elif call.op == "sleep":
            await asyncio.sleep(max(0.0, float(call.args["seconds"])))
            outcome = Outcome()
        elif call.op == "workflow":
            outcome = await self._nested(call.args)
        else:
            outcome = Outcome(error=CallError(kind="unknown_call", message=f"this Worker does not know {call.op}()"))
        self._settled[call.id] = outcome

    # ---------------------------------------------------------------------------------------- workflow()

    async def _nested(self, args: dict[str, Any]) -> Outcome:
        limit = self._run.input.limits.nesting
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
        try:
            return Outcome(value=await inner.run())
        except RunEnded as ended:
            return Outcome(error=CallError(kind=ended.kind, message=str(ended)))
