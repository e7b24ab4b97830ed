"""Durable workflows of subagents: the functions that a workflow script calls.

A script is a Python module with `meta`, an `async def main(args)` and calls of these functions. This file and those it
imports from are what an editor shows to its author, and the very text that a script is type-checked against before it
runs (`python_loader` puts them together).
Outside a run the functions raise `RuntimeError`: a script is started with `tenuto run FILE`.

    from tenuto import Meta, agent, pipeline

    meta = Meta(name="audit", description="Audit every route", phases=["Find", "Verify"])

    async def main(args):
        return await pipeline(args["routes"], find, verify)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from ._gates import gate, until_green
from ._people import ask, wait_for
from ._reviews import converge, critic, judge, review, until_dry, vote
from ._steps import _outside_a_run, glob, grep, lock, mcp, pull_request, read, sh, write

__all__ = [
    "Meta",
    "Phase",
    "agent",
    "ask",
    "budget",
    "converge",
    "critic",
    "failures",
    "gate",
    "glob",
    "grep",
    "judge",
    "lock",
    "log",
    "mcp",
    "now",
    "parallel",
    "phase",
    "pipeline",
    "pull_request",
    "read",
    "review",
    "sh",
    "sleep",
    "until_dry",
    "until_green",
    "vote",
    "wait_for",
    "workflow",
    "write",
]


class Phase:
    """One phase of a run, as announced in `Meta.phases`.

    Args:
        title: the name that `phase(title)` and `agent(phase=…)` use.
        detail: one line on what happens in it.
        model: the model of its agents, for a reader; `agent(model=…)` is what chooses.
        usd: ceiling of its agents in dollars, beside that of the run. Flags may lower it.
    """

    title: str
    detail: str | None
    model: str | None
    usd: float | None

    def __init__(
        self, title: str, detail: str | None = None, model: str | None = None, usd: float | None = None
    ) -> None:
        self.title = title
        self.detail = detail
        self.model = model
        self.usd = usd


class Meta:
    """What a script says about itself; `meta = Meta(…)` at the top of the module, with literal values only.

    Args:
        name: by which `tenuto run NAME` and `workflow(name)` find it once saved.
        description: one line, for lists and for the planner.
        when_to_use: when a planner should choose it.
        phases: titles, or `Phase` objects, in the order in which they are shown.
        limits: ceilings the script asks for: `agents`, `concurrency`, `usd`. Flags may lower them.
    """

    name: str
    description: str
    when_to_use: str | None
    phases: Sequence[str | Phase]
    limits: Mapping[str, float]

    def __init__(
        self,
        *,
        name: str,
        description: str,
        when_to_use: str | None = None,
        phases: Sequence[str | Phase] = (),
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.when_to_use = when_to_use
        self.phases = phases
        self.limits = limits or {}


async def agent(
    prompt: object,
    *,
    label: str | None = None,
    phase: str | None = None,
    schema: Mapping[str, Any] | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
    isolation: Literal["worktree"] | None = None,
    agent_type: str | None = None,
    stall_ms: int | None = None,
    tools: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    max_usd: float | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word; the run's Timer, not asyncio's
    merge: Literal["queue"] | None = None,
) -> Any:
    """Ask a subagent, and wait for its final answer.

    Args:
        prompt: the conversation's first user message, verbatim; a value that is no string is turned into one.
        label: display name; by default the start of the prompt.
        phase: group of this call, whatever the current phase.
        schema: JSON Schema with root type `object`; the value is then a validated dict.
        model: `haiku`, `sonnet`, `opus`, `fable`, `inherit`, or a full model id.
        effort: how hard the model thinks.
        isolation: `worktree` gives the agent a checkout of its own.
        agent_type: name of an agent definition (`.claude/agents/*.md`).
        stall_ms: milliseconds without progress after which the attempt is cut.
        tools: narrows the agent's tools, in permission-rule grammar; `!` in front denies.
        context: paths or texts put at the front, the same bytes for all siblings.
        inputs: paths or globs whose content belongs to the cache key.
        max_usd: ceiling of this call in dollars.
        timeout: ceiling of this call in seconds.
        merge: `queue` integrates a worktree's commit through the run's merge queue.

    Returns:
        The final text, or the validated object where there is a `schema`.

    Raises:
        RuntimeError: `skipped: …` when a person stopped it, `limit: …` when the agent cap or the budget is reached,
            `<kind>: …` for every other failure. Inside `parallel` and `pipeline` that becomes a `None` slot.
    """
    raise _outside_a_run("agent")


async def parallel(calls: Iterable[Awaitable[Any] | Callable[[], Any]]) -> list[Any]:
    """Run calls at the same time and wait for all of them.

    Args:
        calls: awaitables (`agent(…)`, not awaited), or functions without parameters; at most 4,096.

    Returns:
        The values in the order of the calls; `None` where one raised, which is also logged.

    Raises:
        TypeError: an item is neither awaitable nor a function.
        ValueError: more than 4,096 items.
    """
    raise _outside_a_run("parallel")


def _same(item: Any) -> Any:
    return item


async def pipeline(
    items: Iterable[Any], first: Callable[[Any], Any] = _same, /, *later: Callable[[Any, Any], Any]
) -> list[Any]:
    """Send every item through all stages, without a barrier between them.

    Args:
        items: a list of anything; at most 4,096.
        first: the first stage, called with the item.
        later: further stages, called with the previous stage's value and the item. Stages may be `async`.

    Returns:
        One value an item, in the order of the items; `None` where a stage raised (which is also logged) or returned
        `None`, which ends that item.

    Raises:
        TypeError: `items` is no list.
        ValueError: more than 4,096 items.
    """
    raise _outside_a_run("pipeline")


async def workflow(name_or_ref: str | Mapping[str, str], args: Any = ...) -> Any:
    """Run another workflow inside this run: same caps, same budget, its agents grouped under its name.

    Args:
        name_or_ref: the `meta.name` of a saved workflow, or `{"script_path": path}`.
        args: its arguments; left out, it gets `None`.

    Returns:
        What its `main` returned.

    Raises:
        RuntimeError: there is no such workflow, it failed, or nesting is over 4 deep.
    """
    raise _outside_a_run("workflow")


async def sleep(seconds: float) -> None:
    """Wait durably: the run survives any crash meanwhile and costs nothing.

    Args:
        seconds: how long.
    """
    raise _outside_a_run("sleep")


def now() -> float:
    """Workflow time in Unix seconds: the same at every replay."""
    raise _outside_a_run("now")


def phase(title: str) -> None:
    """Start a phase: later calls without `phase=` belong to it.

    Args:
        title: one of `meta.phases`, or a new one.
    """
    raise _outside_a_run("phase")


def log(message: object) -> None:
    """Say one line to whoever watches the run.

    Args:
        message: any value.
    """
    raise _outside_a_run("log")


def failures() -> list[dict[str, Any]]:
    """What went wrong so far.

    Returns:
        One dict a failed agent or refused call: `agent`, `label`, `phase`, `kind`, `message`.
    """
    raise _outside_a_run("failures")


class _Money:
    """Dollars of the run, all token classes."""

    total: float | None = None
    """The ceiling (`--max-usd`), or `None`."""

    def spent(self) -> float:
        """Dollars spent so far."""
        raise _outside_a_run("budget")

    def remaining(self) -> float:
        """Dollars left; infinite without a ceiling."""
        raise _outside_a_run("budget")


class _Tokens:
    """Output tokens of the run; `budget.usd` has the same three in dollars."""

    total: int | None = None
    """The ceiling (`--max-output-tokens`), or `None`."""
    usd: _Money = _Money()

    def spent(self) -> int:
        """Output tokens spent so far."""
        raise _outside_a_run("budget")

    def remaining(self) -> float:
        """Output tokens left; infinite without a ceiling."""
        raise _outside_a_run("budget")


budget: _Tokens = _Tokens()
