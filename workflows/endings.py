"""How the agents of a run end, whoever launched them: what goes into the books, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from .contracts import AgentState, RunAgentResult
    from .failure_kinds import SCHEMA, TRIPPED
    from .run_state import Agent
    from .script.protocol import CallError
    from .share_contracts import AgentFailureDetails
    from .trip import LOST_MAX

if TYPE_CHECKING:
    from .run import Run


class Endings:
    """Of one run, nested workflows and lent agents included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._skipped_by_trip = 0

    def done(self, agent: Agent, state: AgentState, result: RunAgentResult) -> None:
        """An agent has a value."""
        ledger, asked = self._run.ledger, agent.model
        if ledger.served(agent, result.model):
            self._run.say(f"{agent.id} ({agent.label}): {asked} was asked for, and {result.model} served")
        ledger.end(agent, state, workflow.time(), result.usage, result.attempts, tools=result.tools)
        if state == "done":
            self._run.trip.done()

    def failed(self, agent: Agent, kind: str, message: str, paid: AgentFailureDetails) -> None:
        """An agent ended without a value."""
        run = self._run
        run.ledger.end(agent, "failed", workflow.time(), paid.usage, paid.attempts, tools=paid.tools)
        raw = f"runs/{run.id}/agents/{agent.id}/record.json" if kind == SCHEMA else None
        run.ledger.fail(agent.id, agent.label, agent.phase, kind, message, raw=raw)
        if run.trip.failed(kind):
            run.say(f"no further agent is launched: {run.trip.reason}")
            run.purse.refuse_all(self.tripped())

    def tripped(self) -> CallError:
        """Why a call is not launched, once like failures have tripped the run."""
        self._skipped_by_trip += 1
        lost = self._skipped_by_trip <= LOST_MAX
        return CallError(kind=TRIPPED, message=f"not launched: {self._run.trip.reason}", lost=lost)

    def refused(self, agent: Agent, refusal: CallError) -> None:
        """A call was refused: it was never an agent, unless it had begun, or was launched no more."""
        ledger = self._run.ledger
        if refusal.kind == TRIPPED:
            if agent.id not in ledger.agents:
                ledger.queue(agent)
            ledger.end(agent, "skipped", workflow.time())
        elif agent.id in ledger.agents:
            if agent.started is None:
                ledger.withdraw(agent)
            else:
                ledger.end(agent, "failed", workflow.time())
        ledger.fail(agent.id, agent.label, agent.phase, refusal.kind, refusal.message)
