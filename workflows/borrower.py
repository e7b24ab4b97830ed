"""A Child Workflow's agents: asked of its parent, run here under the parent's run id, settled with the parent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from .activity_failure import failure_of
from .agent_activity import execute_agent
from .outbox import Outbox

with workflow.unsafe.imports_passed_through():
    from .contracts import RunAgentInput, RunAgentResult
    from .failure_kinds import SHARE, STOPPED
    from .journal import Material, key_of
    from .review_contracts import (
        Borrowing,
        Grant,
        Granted,
        LeaseAsk,
        LeaseRequest,
        Refusal,
        Settled,
        Settlement,
        Stopped,
    )

OF_ONE_CALL = {"entry", "restarts", "resumed", "merge", "material", "share"}
"""Of an agent that is continued, what belonged to that call alone: its journal entry must not get another value."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One agent that is wanted; `given` are fields of its `RunAgentInput` besides those that all have."""

    prompt: str
    label: str
    model: str
    given: dict[str, Any]
    like: RunAgentInput | None = None
    """An earlier agent whose conversation it continues, with all that it was called with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent came to: its value, or why there is none."""

    agent: str | None
    value: Any = None
    input: RunAgentInput | None = None
    failure: str | None = None
    refusal: Refusal | None = None
    commit: str | None = None
    """What it left in a checkout of its own."""


class Borrower:
    """Asks the parent of this Child Workflow for agents."""

    def __init__(self, borrowing: Borrowing) -> None:
        self._borrowing = borrowing
        self._asked: dict[int, asyncio.Future[Grant]] = {}
        self._numbered = 0
        self._asks: Outbox[LeaseAsk] = Outbox(self._lease)
        self._ends: Outbox[Settlement] = Outbox(self._settle)

    async def ask(self, wanted: Sequence[Wanted]) -> list[Answer]:
        """Run agents at once, as far as the run has room, and wait for all. Never raises but for cancellation."""
        return await asyncio.gather(*(self._one(each) for each in wanted))

    def granted(self, granted: Granted) -> None:
        """The parent has answered."""
        for grant in granted.grants:
            asked = self._asked.pop(grant.number, None)
            if asked is not None and not asked.done():
                asked.set_result(grant)

    async def finish(self) -> None:
        """Wait until the parent knows all."""
        await self._asks.flush()
        await self._ends.flush()

    async def _one(self, wanted: Wanted) -> Answer:
        key = self._key(wanted)
        grant = await self._grant(wanted, **({} if key is None else {"key": key}))
        entry = grant.entry
        while grant.agent is not None:
            input = self._input(grant.agent, wanted)
            if entry is not None:
                input.entry = entry
            if (recalled := grant.recalled) is not None:
                return Answer(agent=grant.agent, value=recalled.value, input=input, commit=recalled.commit)
            if grant.share is not None:
                input.share = grant.share
            ended = await self._run(grant.agent, input)
            if isinstance(ended, Answer):
                return ended
            grant = await self._grant(wanted, stopped=ended)
        refusal = grant.refusal or Refusal(kind="internal", message="the run gave no agent and no reason")
        return Answer(agent=None, failure=f"{refusal.kind}: {refusal.message}", refusal=refusal)

    async def _grant(self, wanted: Wanted, **given: Any) -> Grant:
        self._numbered += 1
        number, phase, label = self._numbered, self._borrowing.phase, self._borrowing.labelled(wanted.label)
        asked: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        self._asks.put(LeaseAsk(number=number, label=label, phase=phase, model=wanted.model, **given))
        return await asked

    def _key(self, wanted: Wanted) -> str | None:
        """Of the journal; `None` where it has none: what came before in the conversation is not known by an entry."""
        terms, like = self._borrowing.journal, wanted.like
        if terms is None or (like is not None and like.entry is None):
            return None
        material = Material(base=terms.base, instructions=terms.instructions)
        return key_of(self._input("", wanted), material, continues=None if like is None else like.entry)

    async def _run(self, agent: str, input: RunAgentInput) -> Answer | Stopped:
        try:
            result = await execute_agent(input, self._borrowing.workspace_queue if input.setup else None)
        except asyncio.CancelledError:
            self._ends.put(Settlement(agent=agent, state="skipped"))
            raise
        except ActivityError as error:
            kind, message, paid = failure_of(error)
            if kind == SHARE:
                return Stopped(agent=agent, paid=paid)
            spent: dict[str, Any] = {"usage": paid.usage, "attempts": paid.attempts}
            spent |= {name: value for name in ("tools", "lost") if (value := getattr(paid, name)) is not None}
            if is_cancelled_exception(error) or kind == STOPPED:
                self._ends.put(Settlement(agent=agent, state="skipped", **(spent if kind == STOPPED else {})))
                raise asyncio.CancelledError from error
            self._ends.put(Settlement(agent=agent, state="failed", **spent, kind=kind, message=message))
            return Answer(agent=agent, failure=f"{kind}: {message}")
        self._ends.put(_done(agent, result))
        return Answer(agent=agent, value=result.value, input=input, commit=result.commit)

    def _input(self, agent: str, wanted: Wanted) -> RunAgentInput:
        has = self._borrowing
        own: dict[str, Any] = {"agent": agent, "prompt": wanted.prompt, "label": has.labelled(wanted.label)}
        if wanted.like is not None:
            before = wanted.like.model_dump(exclude_unset=True, exclude=OF_ONE_CALL)
            going_on: dict[str, Any] = before | own | {"continues": wanted.like.agent} | wanted.given
            return RunAgentInput(**going_on)
        shared = {"run_id": has.run_id, "phase": has.phase, "setup": has.setup, "simulate": has.simulate or None}
        given = {key: value for key, value in (shared | wanted.given).items() if value is not None}
        return RunAgentInput(**own, model=wanted.model, **given)

    async def _lease(self, asks: list[LeaseAsk]) -> None:
        await _parent().signal("lease", LeaseRequest(child=workflow.info().workflow_id, asks=asks))

    async def _settle(self, settlements: list[Settlement]) -> None:
        await _parent().signal("settle", Settled(child=workflow.info().workflow_id, settlements=settlements))


def _parent() -> workflow.ExternalWorkflowHandle[Any]:
    parent = workflow.info().parent
    assert parent is not None, "a review is a child of a run"
    return workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id)


def _done(agent: str, result: RunAgentResult) -> Settlement:
    given = {name: value for name in ("model", "tools", "lost") if (value := getattr(result, name)) is not None}
    return Settlement(agent=agent, state="done", usage=result.usage, attempts=result.attempts, **given)
