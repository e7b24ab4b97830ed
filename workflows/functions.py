"""The script API for hand-written Workflows: the same names, the same `Run` underneath.

    @workflow.defn(name="Audit")
    class Audit(Inspectable):
        @workflow.init
        def __init__(self, input: RunInput) -> None:
            self.current = Run(input)

        @workflow.run
        async def run(self, input: RunInput) -> RunReport:
            return await self.current.execute(within(self.current, lambda: self.audit(input.args)))

Inside `audit`, `await agent("…", label="…")`, `parallel`, `pipeline`, `phase`, `log` work as in a script. A call that
has no value raises `CallFailed`; inside `parallel` and `pipeline` its slot is `None`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

from temporalio import workflow

from .errors import RunEnded
from .run import Run

with workflow.unsafe.imports_passed_through():
    from .script.protocol import MAX_ITEMS, Outcome


class CallFailed(RunEnded):
    """A call without a value. Uncaught, it fails the run with the same kind."""


class _Here:
    """The run and the current phase of this body. One object, so that `phase()` in a helper is seen by its caller."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.phase: str | None = None


_here: ContextVar[_Here] = ContextVar("tenuto_run")


def within(run: Run, body: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """A body that knows its run: what `Run.execute` takes."""

    async def entered() -> Any:
        _here.set(_Here(run))
        return await body()

    return entered


async def agent(prompt: str, **options: Any) -> Any:
    """Call a subagent: its final text, or with `schema` the validated object.

    Args:
        prompt: the conversation's first user message.
        options: `label`, `phase`, `schema`, `model`, `effort`, `stall_ms`, `max_usd`, `timeout` as in SCRIPT_API §2.

    Raises:
        CallFailed: the call has no value; `kind` says why.
    """
    here = _here.get()
    outcome: Outcome = await here.run.agents.call(prompt, options, phase=here.phase)
    here.run.show_progress()
    if outcome.error is not None:
        raise CallFailed(f"{outcome.error.kind}: {outcome.error.message}", kind=outcome.error.kind)
    return outcome.value


async def parallel(calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Run all calls and wait for all; results in input order, `None` for a call that failed."""
    _check_size(calls, "parallel")

    async def one(index: int, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except RunEnded as error:
            log(f"parallel[{index}] failed: {error}")
            return None

    return await asyncio.gather(*(one(index, call) for index, call in enumerate(calls)))


async def pipeline(items: Sequence[Any], *stages: Callable[..., Awaitable[Any]]) -> list[Any]:
    """Each item moves on as soon as its stage is done: the first stage gets `(item)`, later ones `(previous, item)`."""
    _check_size(items, "pipeline")

    async def one(index: int, item: Any) -> Any:
        value: Any = item
        for number, stage in enumerate(stages):
            try:
                value = await (stage(item) if number == 0 else stage(value, item))
            except RunEnded as error:
                log(f"pipeline[{index}] failed: {error}")
                return None
            if value is None:
                return None
        return value

    return await asyncio.gather(*(one(index, item) for index, item in enumerate(items)))


def phase(title: str) -> None:
    """Group the calls that follow."""
    here = _here.get()
    here.phase = title
    here.run.ledger.phase(title)


def log(message: object) -> None:
    """Write a narrator line."""
    _here.get().run.say(str(message))


def failures() -> list[dict[str, Any]]:
    """Every call so far that has no value."""
    return [failure.model_dump() for failure in _here.get().run.ledger.failures]


def now() -> float:
    """Workflow time, Unix seconds."""
    return workflow.time()


async def sleep(seconds: float) -> None:
    """A durable timer."""
    await asyncio.sleep(seconds)


def _check_size(items: Sequence[Any], name: str) -> None:
    if len(items) > MAX_ITEMS:
        raise CallFailed(f"{name}() takes at most {MAX_ITEMS:,} items, not {len(items):,}", kind="too_many_items")
