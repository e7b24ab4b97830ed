"""Agents that a run lends to its Child Workflows: numbered, queued, capped and counted like every other of the run.

A child asks (`lease`), the run answers when there is room (`granted`), the child runs the agent under the run's id and
says how it ended (`settle`). The place in the width is the agent's from the grant until then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from .outbox import Outbox

with workflow.unsafe.imports_passed_through():
    from .contracts import RunAgentResult
    from .failure_kinds import INTERNAL
    from .review_contracts import Grant, Granted, LeaseAsk, LeaseRequest, Recalled, Refusal, Settled, Settlement
    from .run_state import Agent, label_of
    from .script.protocol import CallError
    from .share_contracts import AgentFailureDetails
    from .usage import Usage
    from .width import Place

if TYPE_CHECKING:
    from .run import Run


class Loans:
    """All loans of one run, by child."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._children: dict[str, _Loan] = {}

    def open(self, child: str) -> None:
        """A child is about to be started."""
        self._children[child] = _Loan(self._run, child)

    async def close(self, child: str) -> None:
        """A child has ended: what it has not settled never had a value."""
        await self._children.pop(child).close()

    def lent(self, child: str) -> list[str]:
        """Ids of the agents that a child has had so far."""
        return self._children[child].lent

    def lease(self, request: LeaseRequest) -> None:
        """A child wants agents."""
        if loan := self._children.get(request.child):
            loan.lease(request.asks)

    def settle(self, settled: Settled) -> None:
        """Agents of a child have ended."""
        if loan := self._children.get(settled.child):
            loan.settle(settled.settlements)


class _Loan:
    """What one child has borrowed."""

    def __init__(self, run: Run, child: str) -> None:
        self._run = run
        self._child = child
        self._grants: Outbox[Grant] = Outbox(self._send)
        self._out: dict[str, asyncio.Future[Settlement | LeaseAsk]] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on

    async def _send(self, grants: list[Grant]) -> None:
        handle = workflow.get_external_workflow_handle(self._child)
        await handle.signal("granted", Granted(grants=grants))

    @property
    def lent(self) -> list[str]:
        return list(self._out)

    def lease(self, asks: list[LeaseAsk]) -> None:
        run = self._run
        for ask in asks:
            if ask.stopped is not None:
                self._heard(ask.stopped.agent, ask)
                continue
            agent = Agent(id=run.ledger.next_id(), label=label_of(ask.label, ""), phase=ask.phase, model=ask.model)
            if refusal := run.agents.refusal(agents=len(run.ledger.agents)):
                self._refuse(ask, agent, refusal)
                continue
            run.ledger.queue(agent)
            entry = None if ask.key is None else run.journal.entry_of(ask.key)
            task = asyncio.create_task(self._lend(ask, agent, entry))
            self._tasks[task] = None
            task.add_done_callback(self._forget)

    def settle(self, settlements: list[Settlement]) -> None:
        for settlement in settlements:
            self._heard(settlement.agent, settlement)

    def _heard(self, agent: str, what: Settlement | LeaseAsk) -> None:
        out = self._out.get(agent)
        if out is not None and not out.done():
            out.set_result(what)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)

    async def _recalled(self, ask: LeaseAsk, agent: Agent, entry: str) -> bool:
        """Answer from the journal of the run that this one resumes; false where the agent has to work."""
        run = self._run
        found = await run.journal.recall(entry, agent.id, agent.label, agent.phase)
        if found is None:
            return False
        agent.model = found.model or agent.model
        run.ledger.end(agent, "cached", workflow.time())
        recalled = Recalled(value=found.value)
        if found.commit is not None:
            recalled.commit = found.commit
        self._grants.put(Grant(number=ask.number, agent=agent.id, entry=entry, recalled=recalled))
        run.show_progress()
        return True

    async def _lend(self, ask: LeaseAsk, agent: Agent, entry: str | None) -> None:
        run = self._run
        try:
            if entry is not None and await self._recalled(ask, agent, entry):
                return
            async with Place(run.width, run.pending, finishing=True) as place:
                # Money may have gone while this call was queued.
                if refusal := run.agents.refusal(agents=0):
                    self._refuse(ask, agent, refusal)
                    return
                ended = await self._within_shares(ask, agent, entry, place)
        except (asyncio.CancelledError, ActivityError):  # of a recall that was cancelled with the run
            run.ledger.end(agent, "skipped", workflow.time())
            raise
        if ended is None:
            return
        run.purse.settle(agent.id, agent, ended.usage, ended.lost)
        if ended.state == "failed":
            paid = AgentFailureDetails(usage=ended.usage, attempts=ended.attempts, tools=ended.tools)
            run.endings.failed(agent, ended.kind or INTERNAL, ended.message, paid)
        elif ended.state == "done":
            given: dict[str, Any] = {} if ended.tools is None else {"tools": ended.tools}
            result = RunAgentResult(usage=ended.usage, attempts=ended.attempts, model=ended.model, **given)
            run.endings.done(agent, "done", result)
        else:
            run.ledger.end(agent, "skipped", workflow.time(), ended.usage, ended.attempts, tools=ended.tools)
        run.show_progress()

    async def _within_shares(self, ask: LeaseAsk, agent: Agent, entry: str | None, place: Place) -> Settlement | None:
        """How the agent ended, after as many shares as it took; `None` for one that was refused a share."""
        run, wants = self._run, None
        while True:
            share = await run.purse.reserve(agent.id, agent, wants, place.away)
            if isinstance(share, CallError):
                self._refuse(ask, agent, share)
                return None
            run.ledger.start(agent, workflow.time())
            self._out[agent.id] = asyncio.get_running_loop().create_future()
            given: dict[str, Any] = {} if share is None else {"share": share}
            given |= {} if entry is None else {"entry": entry}
            self._grants.put(Grant(number=ask.number, agent=agent.id, **given))
            try:
                heard = await self._out[agent.id]
            except asyncio.CancelledError:
                run.purse.settle(agent.id, agent, Usage(), None)
                raise
            if isinstance(heard, Settlement):
                return heard
            assert heard.stopped is not None
            paid, ask = heard.stopped.paid, heard
            run.purse.settle(agent.id, agent, paid.usage, paid.lost)
            run.purse.wants_more(agent.id, agent, paid)
            wants = paid.ask

    def _refuse(self, ask: LeaseAsk, agent: Agent, refusal: CallError) -> None:
        self._run.endings.refused(agent, refusal)
        told = Refusal(kind=refusal.kind, message=refusal.message, name=refusal.name)
        self._grants.put(Grant(number=ask.number, refusal=told))
