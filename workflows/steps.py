"""Steps without a model: from a call in a script to an Activity. They count as no agents and need none of the width."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from .width import Width

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from . import step_values
    from .carry_contracts import StepsState
    from .failure_kinds import INTERNAL, NO_WORKSPACE, SKIPPED
    from .journal import step_key
    from .script.protocol import CallError, Outcome
    from .step_contracts import LARGE_TOTAL_MAX, LARGE_VALUE, StepInput
    from .wire import HEARTBEAT

if TYPE_CHECKING:
    from .run import Run

PAUSE = timedelta(milliseconds=1)
LONGEST_QUICK = timedelta(hours=1)
LONGEST_ATTEMPT = timedelta(hours=24)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1))
"""Without an end: the Activity itself says which failures are final."""


class StepCalls:
    """The steps of one run, nested workflows included: they share numbering."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._numbered = self._queued = 0
        self._large = Width(1)
        self._large_total = 0
        self._later: asyncio.Task[None] | None = None
        self._tasks: dict[asyncio.Task[Outcome], None] = {}  # a dict keeps the order, which replay depends on

    def restore(self, state: StepsState) -> None:
        """Go on from what `state` gave."""
        self._numbered, self._large_total = state.numbered, state.large_total

    def state(self) -> StepsState:
        """What has to be taken along."""
        return StepsState(numbered=self._numbered, large_total=self._large_total)

    async def call(self, op: str, args: dict[str, Any], *, finishing: bool = False) -> Outcome:
        """Make one step and wait for its outcome. Never raises but for cancellation.

        Args:
            op: a key of `step_values.KINDS`.
            args: as in the step protocol (`script/protocol.py`), only those that were given.
            finishing: whether it belongs to something that is under way, such as a gate.
        """
        if self._run.setup is None:
            return _no_workspace(op)
        self._numbered += 1
        common = {"run_id": self._run.id, "step": f"s{self._numbered}", "setup": self._run.setup.key}
        task = asyncio.create_task(self._dispatch(op, args, common, finishing))
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            raise

    def _forget(self, task: asyncio.Task[Outcome]) -> None:
        self._tasks.pop(task, None)

    @property
    def under_way(self) -> bool:
        """Whether a step is being made; those that wait for their turn are not."""
        return len(self._tasks) > self._queued or (self._later is not None and not self._later.done())

    def cancel(self) -> list[asyncio.Task[Outcome]]:
        """Cancel what is still under way; what has to be waited for until it has really stopped."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    async def _dispatch(self, op: str, args: dict[str, Any], common: dict[str, Any], finishing: bool) -> Outcome:
        kind = step_values.KINDS[op]
        try:
            input = kind.input(common, args)
        except ValidationError as error:
            return Outcome(error=CallError(kind="bad_arguments", message=_told(op, error)))
        summary = step_values.step_name(op, args)
        try:
            try:
                self._queued += 1
                queued = True
                try:
                    async with self._run.pending.place(finishing=finishing):
                        self._queued -= 1
                        queued = False
                        if not finishing:
                            input = self._named(op, args, input)
                        result = await self._execute(kind, input, summary)
                finally:
                    self._queued -= queued
            except ActivityError as error:
                size = _large_size(error)
                if size is None:
                    raise
                if self._large_total + size > LARGE_TOTAL_MAX:
                    return _too_much(summary, size, self._large_total)
                self._large_total += size
                await self._large.__aenter__()
                try:
                    async with self._run.pending.to_finish:
                        result = await self._execute(kind, input.model_copy(update={"alone": True}), summary)
                finally:
                    self._later = asyncio.create_task(self._next_large())
        except ActivityError as error:
            return _failed(op, error)
        if op == "write":
            self._run.gates.wrote(args["path"], args["text"])
        return kind.value(args, result)

    def _named(self, op: str, args: dict[str, Any], input: StepInput) -> StepInput:
        """The same step with its journal entry, where it has one; of a gate, what was green before is no answer."""
        key, resumed = step_key(op, args), self._run.input.resume_from
        if key is None:
            return input
        given = {"entry": self._run.journal.entry_of(key)} | ({} if resumed is None else {"resumed": resumed})
        return input.model_copy(update=given)

    async def _next_large(self) -> None:
        """Let the next large value come in another Workflow Task, when the script has taken this one."""
        await workflow.sleep(PAUSE)
        await self._large.__aexit__(None, None, None)

    async def _execute(self, kind: step_values.Kind, input: StepInput, summary: str) -> Any:
        if self._run.continuing.on:
            await self._run.pace.room_for(input.model_dump(exclude_unset=True))
        return await workflow.execute_activity(
            kind.activity,
            input,
            activity_id=input.step,
            task_queue=self._run.workspace_queue,
            start_to_close_timeout=LONGEST_QUICK if kind.quick else LONGEST_ATTEMPT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )


def _large_size(error: ActivityError) -> int | None:
    """Bytes of a value that has to be asked for alone; `None` for any other failure."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != LARGE_VALUE:
        return None
    return int(cause.details[0])


def _too_much(summary: str, size: int, before: int) -> Outcome:
    message = (
        f"{summary}: its value has {size:,} bytes, and the steps of this run have given its script {before:,} bytes of "
        f"large values already; {LARGE_TOTAL_MAX:,} is the most. Let commands or agents read such files, and give the "
        "script what it decides by"
    )
    return Outcome(error=CallError(kind="too_large", message=message))


def _failed(op: str, error: ActivityError) -> Outcome:
    if is_cancelled_exception(error):
        return Outcome(error=CallError(kind=SKIPPED, message="the run ended first", lost=True))
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return Outcome(error=CallError(kind=INTERNAL, message=f"{op}: {cause or error}"))
    return Outcome(error=CallError(kind=cause.type or INTERNAL, message=cause.message))


def _no_workspace(op: str) -> Outcome:
    message = f"{op}() works in a workspace, and this run has none: start it with `tenuto run --workspace DIR`"
    return Outcome(error=CallError(kind=NO_WORKSPACE, message=message))


def _told(op: str, error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{op}(): {'.'.join(map(str, first['loc']))}: {first['msg']}"
