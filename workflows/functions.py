"""The script API for hand-written Workflows: the same names, the same `Run` underneath.

    @workflow.defn(name="Audit")
    class Audit(Inspectable):
        @workflow.init
        def __init__(self, input: RunInput) -> None:
            self.current = Run(input)

        @workflow.run
        async def run(self, input: RunInput) -> RunReport:
            return await self.current.execute(within(self.current, lambda: self.audit(input.args)))

Inside `audit`, `await agent("…", label="…")`, `parallel`, `pipeline`, `phase`, `log`, and the steps (`sh`, `read`,
`write`, `glob`, `grep`, `lock`, `mcp`, `pull_request`) work as in a Python script. A call that has no value raises
`CallFailed`; inside `parallel` and `pipeline` its slot is `None`. Reviews and quality patterns: `review_functions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
_held: ContextVar[frozenset[str]] = ContextVar("tenuto_locks", default=frozenset())
"""Locks held by the calls around this one."""


def here() -> _Here:
    """Where the running body is: its run, and its current phase."""
    return _here.get()


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


async def sh(
    command: str,
    *,
    cwd: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
    env: Mapping[str, str] | None = None,
    check: bool = False,
    repeat: bool = True,
) -> dict[str, Any]:
    """Run a command in the workspace: `exit_code`, `stdout`, `stderr`, `duration_s`, `log`. Raises `CallFailed`."""
    given = {"command": command, "cwd": cwd, "timeout": timeout, "env": env, "check": check, "repeat": repeat}
    done: dict[str, Any] = await _step("sh", given)
    return done


async def read(path: str) -> str:
    """The text of a file of the workspace. Raises `CallFailed`, as all steps do."""
    text: str = await _step("read", {"path": path})
    return text


async def write(path: str, text: str) -> None:
    """Create or replace a file of the workspace."""
    await _step("write", {"path": path, "text": text})


async def glob(pattern: str) -> list[str]:
    """Files of the workspace that match, sorted."""
    paths: list[str] = await _step("glob", {"pattern": pattern})
    return paths


async def grep(pattern: str, glob: str | None = None) -> list[dict[str, Any]]:
    """Lines of the workspace's files that match: `path`, `line`, `text`."""
    lines: list[dict[str, Any]] = await _step("grep", {"pattern": pattern, "glob": glob})
    return lines


async def mcp(server: str, tool: str, input: Mapping[str, Any] | None = None, *, repeat: bool = False) -> Any:
    """The result of one call of an MCP server's tool."""
    return await _step("mcp", {"server": server, "tool": tool, "input": input, "repeat": repeat})


async def pull_request(
    *, branch: str, title: str, body: str, base: str | None = None, draft: bool = False
) -> dict[str, Any]:
    """Push a branch and open its request once: `url`, `branch`, `created`, `reason`."""
    given = {"branch": branch, "title": title, "body": body, "base": base, "draft": draft}
    request: dict[str, Any] = await _step("pull_request", given)
    return request


async def gate(command: str, **options: Any) -> dict[str, Any]:
    """Run a check: `passed`, `reason`, `flaky`, `evidence`. A last outcome that is not green degrades the run.

    Args:
        command: as `bash -c` takes it.
        options: `attempts`, `hold`, `cwd`, `timeout`, `allow_changes` as in the stubs (`tenuto.gate`).

    Raises:
        CallFailed: it could not be run.
    """
    run = _here.get().run
    outcome = await run.gates.call({"command": command, **options})
    if outcome.error is not None:
        raise CallFailed(f"{outcome.error.kind}: {outcome.error.message}", kind=outcome.error.kind)
    value: dict[str, Any] = outcome.value
    return value


async def ask(question: str, **options: Any) -> Any:
    """Ask a person: `options`, `default`, `timeout` as in the stubs (`tenuto.ask`).

    Raises:
        CallFailed: kind `timeout`: nobody answered in time, and there is no default.
    """
    return _value(await _here.get().run.questions.ask({"question": question, **options}))


async def wait_for(name: str, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the script API's own word
    """The payload of the next event of that name (Signal `event`). Raises `CallFailed` (`timeout`)."""
    return _value(await _here.get().run.questions.wait_for({"name": name, "timeout": timeout}))


def _value(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise CallFailed(f"{outcome.error.kind}: {outcome.error.message}", kind=outcome.error.kind)
    return outcome.value


async def lock(name: str, thunk: Callable[[], Awaitable[Any]]) -> Any:
    """Await `thunk()` while no other holder of that lock works in this run; waiters are served in order.

    Raises:
        CallFailed: kind `stuck`: this very call is inside that lock.
    """
    here, held = _here.get(), _held.get()
    if name in held:
        raise CallFailed(f"the lock {name!r} is taken again inside its own function", kind="stuck")
    turn = object()
    await here.run.locks.take(name, turn)
    inside = _held.set(held | {name})
    try:
        return await thunk()
    finally:
        _held.reset(inside)
        here.run.locks.release(name, turn)


async def _step(op: str, args: dict[str, Any]) -> Any:
    here = _here.get()
    outcome = await here.run.steps.call(
        op, {key: value for key, value in args.items() if value is not None and value is not False}
    )
    if outcome.error is not None:
        raise CallFailed(f"{outcome.error.kind}: {outcome.error.message}", kind=outcome.error.kind)
    return outcome.value


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
    """The run's clock, Unix seconds."""
    return _here.get().run.now


async def sleep(seconds: float) -> None:
    """A durable timer."""
    await asyncio.sleep(seconds)


def _check_size(items: Sequence[Any], name: str) -> None:
    if len(items) > MAX_ITEMS:
        raise CallFailed(f"{name}() takes at most {MAX_ITEMS:,} items, not {len(items):,}", kind="too_many_items")
