"""Money of a run in execution: every conversation has its share before it asks a model, or waits until there is one.

Where a ceiling leaves no room and nothing in flight can give any back, the run waits for a person who raises it, or the
calls that wait are refused (`RunLimits.on_limit`). Runs that were started without that field know no shares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from temporalio import workflow
from temporalio.exceptions import ActivityError

from .activity_failure import failure_of
from .lowering import Lowering, amount_of

with workflow.unsafe.imports_passed_through():
    from .budget import FIRST, NANO, NOTHING, RUN, Amount, Budget, Ceiling
    from .carry_contracts import MoneyState
    from .ceiling_words import reached, ways_on
    from .contracts import RunAgentInput, RunAgentResult
    from .failure_kinds import BUDGET, CEILING, SHARE
    from .line import Line
    from .run_state import Agent
    from .script.protocol import CallError
    from .share_contracts import AgentFailureDetails, Share, ShareAsk
    from .usage import Usage

if TYPE_CHECKING:
    from .run import Run

Granted: TypeAlias = Share | CallError


class Aside(Protocol):
    """Waits for a share while others have the place in the width; comes back `first`, before those who are new."""

    def __call__(self, what: Awaitable[Granted], *, first: bool) -> Awaitable[Granted]:  # noqa: D102
        ...


ELDERS_PATCH = "elders-first"
"""Who asked first is served first, also where it comes back for a larger share."""

PARTS_LEAST = 4
"""No share takes more than a quarter of what is left, unless it needs that: the script may start others."""


class OverCeiling(Exception):
    """A call is refused, since a ceiling has no room for it."""

    def __init__(self, refusal: CallError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(slots=True, eq=False)
class _Waiting:
    key: str
    agent: Agent
    floor: Amount
    """What it needs at the very least, where nobody else is under way."""
    least: Amount
    most: Amount
    granted: asyncio.Future[Granted] = field(default_factory=asyncio.Future)

    @property
    def phase(self) -> str | None:
        return self.agent.phase


class Purse:
    """The ceilings of one run, nested workflows and lent agents included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._budget = Budget()
        self.lowering = Lowering(run, self._budget, self._serve)
        self._line: Line[_Waiting, str | None] = Line()
        """In groups by phases that have a ceiling of their own; all others are one group."""
        self._first: dict[str, tuple[Amount, Amount]] = {}
        """Model -> floor and least of a first request of it, as far as they were found out."""
        self._shared: dict[str, int] = {}
        """Conversation -> how many shares it has had."""
        self._ages: dict[str, int] = {}
        """Conversation -> how many had asked for a share before it."""
        self._elders: bool | None = None
        """Whether the order of those who wait is that of their ages: runs of earlier versions had none. `None` before
        the first asks."""
        self._lost: dict[str, Usage] = {}
        """Conversation -> what was begun in it and never came: it may be billed."""
        self._held = ""
        self._since = 0.0
        self._given_up = False
        """Nobody raised the ceiling in time: calls are refused from then on, until somebody does."""
        self._limit()

    @property
    def on(self) -> bool:
        """Whether conversations of this run get shares."""
        return self._run.input.limits.on_limit is not None

    def state(self) -> MoneyState:
        """All that is known between two histories."""
        trip = self._run.trip
        return MoneyState(
            spent=dict(self._budget.state()),
            held=self._held,
            since=self._since,
            given_up=self._given_up,
            failed_as=trip.kind,
            failed_in_a_row=trip.row,
            tripped=trip.reason,
            lowered=self.lowering.number,
        )

    def restore(self, state: MoneyState) -> None:
        """Go on from what `state` gave."""
        trip = self._run.trip
        self._budget.restore(state.spent)
        self._held, self._since, self._given_up = state.held, state.since, state.given_up
        self.lowering.seen(state.lowered)
        trip.kind, trip.row, trip.reason = state.failed_as, state.failed_in_a_row, state.tripped

    def changed(self) -> None:
        """The limits of the run are others now. What is under way learns of lower ones before its next request."""
        lowered = self._limit()
        self._line.regroup(lambda waiting: self._group(waiting.phase))
        if lowered and self.on:
            self.lowering.lowered(lowered)
        self._given_up = False
        self._serve()

    def refuse_all(self, refusal: CallError) -> None:
        """Nobody who waits gets anything any more."""
        for each in self._line.clear():
            if not each.granted.cancelled():
                each.granted.set_result(refusal)
        self._serve()

    async def spend(
        self,
        agent: Agent,
        input: RunAgentInput,
        execute: Callable[[RunAgentInput], Awaitable[RunAgentResult]],
        aside: Aside,
    ) -> RunAgentResult:
        """Hold a conversation within its shares, as many as it takes.

        Args:
            agent: in whose name it is held; it runs while the conversation does.
            execute: runs the Activity.
            aside: as of `reserve`.

        Raises:
            OverCeiling: it was refused another share.
            ActivityError: as the Activity ended.
        """
        run, ask = self._run, None
        while True:
            share = await self.reserve(input.agent, agent, ask, aside)
            if isinstance(share, CallError):
                raise OverCeiling(share)
            if share is not None:
                input = input.model_copy(update={"share": share})
            if agent.state == "queued":
                run.ledger.start(agent, workflow.time())
            try:
                result = await execute(input)
            except ActivityError as error:
                kind, _, paid = failure_of(error)
                self.settle(input.agent, agent, paid.usage, paid.lost)
                if kind != SHARE or paid.ask is None:
                    raise
                self.wants_more(input.agent, agent, paid)
                ask = paid.ask
                continue
            except asyncio.CancelledError:
                self.settle(input.agent, agent, Usage(), None)
                raise
            self.settle(input.agent, agent, result.usage, result.lost)
            return result

    def wants_more(self, key: str, agent: Agent, paid: AgentFailureDetails) -> None:
        """A conversation has stopped for another share: it waits, and what it has cost is known."""
        if key == agent.id:
            self._run.ledger.pay(agent, paid.usage)
        if paid.ask is not None:
            self.lowering.seen(paid.ask.ceilings)
        self._run.ledger.pause(agent)

    def begun(self, key: str) -> bool:
        """Whether a conversation has cost something already."""
        return self._budget.paid(key) != NOTHING

    async def reserve(self, key: str, agent: Agent, ask: ShareAsk | None, aside: Aside) -> Granted | None:
        """A share for a conversation, as soon as there is one; `None` where no ceiling ever held for it.

        Args:
            ask: what it has asked for; `None` for one that begins.
            aside: where it waits: a phase without money keeps nobody else from working.
        """
        if not self.on:
            return None
        if not self._budget.bounds(agent.phase):
            share = self._share(key, agent, Ceiling())
            return share if share.renewed or share.ceilings else None
        begun = self.begun(key)
        if self._elders is None:
            self._elders = workflow.patched(ELDERS_PATCH)
        age = self._ages.setdefault(key, len(self._ages)) if self._elders else 0
        waiting = _Waiting(key, agent, *self._wanted(agent.model, ask, begun=begun))
        # Who has cost something already goes before those that have not.
        self._line.add(waiting, self._group(agent.phase), (not begun, age))
        self._serve()
        try:
            if waiting.granted.done():
                return waiting.granted.result()
            return await aside(waiting.granted, first=self._elders)
        except asyncio.CancelledError:
            if waiting in self._line:
                self._line.remove(waiting)
            elif not waiting.granted.cancelled():
                self.settle(key, agent, Usage(), None)
            self._serve()
            raise

    def settle(self, key: str, agent: Agent, usage: Usage, lost: Usage | None) -> None:
        """A conversation has stopped. `usage` is of all of it, `lost` of what was begun since its last share."""
        self.lowering.ends(key)
        if lost is not None:
            self._lost[key] = self._lost_of(key).plus(lost)
            self._run.ledger.lost = self._run.ledger.lost.plus(lost)
        if self.on:
            total = usage.plus(self._lost_of(key))
            self._budget.settle(key, agent.phase, Amount.of(total.usd, total.tokens, total.output_tokens))
            self._serve()

    def begins_anew(self, key: str) -> None:
        """A conversation is thrown away, and another one of that name begins."""
        self._budget.forget(key)
        self._lost.pop(key, None)
        self._shared.pop(key, None)

    # ----------------------------------------------------------------------------------------------- deciding

    def _limit(self) -> list[str]:
        """Set all ceilings; those scopes whose ceiling is lower than before."""
        limits = self._run.input.limits
        ceilings = {RUN: Ceiling.of(limits.usd, limits.tokens, limits.output_tokens)}
        ceilings |= {phase: Ceiling.of(usd) for phase, usd in (limits.phases_usd or {}).items()}
        return [scope for scope, ceiling in ceilings.items() if self._budget.limit(scope, ceiling)]

    def _group(self, phase: str | None) -> str | None:
        return phase if phase in (self._run.input.limits.phases_usd or {}) else None

    def _lost_of(self, key: str) -> Usage:
        return self._lost.get(key) or Usage()

    def _wanted(self, model: str, ask: ShareAsk | None, *, begun: bool) -> tuple[Amount, Amount, Amount]:
        """Floor, least and most."""
        if ask is None:
            floor, least = self._first.get(model, (NOTHING, NOTHING))
            return floor, least, Amount(*map(max, FIRST, least))
        floor, least, most = amount_of(ask.floor), amount_of(ask.least), amount_of(ask.most)
        if not begun:
            known = self._first.get(model, (floor, least))
            self._first[model] = Amount(*map(min, known[0], floor)), Amount(*map(min, known[1], least))
        return floor, least, Amount(*map(max, most, least))

    def _serve(self) -> None:
        """Give shares to those who wait, in order, as far as they go."""
        while self.on and not self.lowering.telling:
            blocked = self._grant()
            stuck = [scope for scope in blocked if not self._budget.out(scope) and not self._rest(blocked[scope])]
            asks = self._run.input.limits.on_limit == "ask" and not self._given_up
            if not stuck or asks:
                self._tell(stuck[0] if stuck else None, blocked)
                return
            for scope in stuck:
                refused = blocked[scope]
                self._line.remove(refused)
                refused.granted.set_result(self._refusal(refused))

    def _grant(self) -> dict[str, _Waiting]:
        """Scope without room -> the first who waits for it. Who comes after him in that scope waits too."""
        blocked: dict[str, _Waiting] = {}
        while RUN not in blocked and self._budget.out() < self._run.input.limits.concurrency:
            each = self._line.first(besides=blocked)
            if each is None:
                break
            if each.granted.cancelled():
                self._line.remove(each)  # with its call, whose turn it is to say so has yet to come
                continue
            scope = self._budget.reserve(each.key, each.phase, each.least, each.most, self._parts())
            if scope is None:
                self._give(each)
            else:
                blocked[scope] = each
        return blocked

    def _rest(self, waiting: _Waiting) -> bool:
        """Whether what is left will do for one, where no more of it comes back."""
        if self._budget.reserve(waiting.key, waiting.phase, waiting.floor, waiting.most, 1) is not None:
            return False
        self._give(waiting)
        return True

    def _give(self, waiting: _Waiting) -> None:
        self._line.remove(waiting)
        waiting.granted.set_result(self._share(waiting.key, waiting.agent, self._budget.share(waiting.key)))

    def _parts(self) -> int:
        """Among how many to divide: those who are here and may be under way at once."""
        free = self._run.input.limits.concurrency - self._budget.out()
        return max(PARTS_LEAST, min(free, self._run.ledger.census.queued))

    def _share(self, key: str, agent: Agent, most: Ceiling) -> Share:
        """What a conversation goes to work with. How often it did so before tells it whether to go on where it was."""
        self.lowering.begins(key, agent.phase, agent.model)
        paid, lost = self._budget.paid(key), self._lost_of(key)
        given: dict[str, float | int] = {}
        if most.nano_usd is not None:
            given["usd"] = most.nano_usd / NANO - lost.usd
        if most.tokens is not None:
            given["tokens"] = most.tokens - lost.tokens
        if most.output_tokens is not None:
            given["output_tokens"] = most.output_tokens - lost.output_tokens
        if paid != NOTHING:
            given["paid_tokens"] = paid.tokens - lost.tokens
        if key in self._shared:
            given["renewed"] = self._shared[key]
        if self.lowering.number:
            given["ceilings"] = self.lowering.number
        self._shared[key] = self._shared.get(key, 0) + 1
        return Share.model_validate(given)

    # --------------------------------------------------------------------------------------------- telling

    def _tell(self, stuck: str | None, blocked: dict[str, _Waiting]) -> None:
        """Hold the run up at a ceiling, or end that."""
        run = self._run
        if stuck is None:
            if self._held:
                self._held = ""
                run.say("going on: there is room under the ceiling again")
                run.release(CEILING)
            return
        waiting = blocked[stuck]
        message = f"{self._reached(waiting)}. {ways_on(self._lacking(waiting), run.id)}"
        if message == self._held:
            return
        first, self._held = not self._held, message
        if first:
            self._since = workflow.time()
            run.say(f"waiting for a higher ceiling: {message}")
        until = None
        if (timeout_s := run.input.limits.limit_timeout_s) is not None:
            until = datetime.fromtimestamp(self._since + timeout_s, UTC).isoformat(timespec="seconds")
        run.holds.hold(CEILING, message, until, over=self.give_up)

    def give_up(self) -> None:
        """Nobody has raised the ceiling in time."""
        self._run.say("nobody raised the ceiling in time: calls are refused from here on")
        self._held, self._given_up = "", True
        self._serve()

    def _lacking(self, waiting: _Waiting) -> list[tuple[str, int]]:
        """The ceilings in the way of the least that it can go on with: of the run, of its phase, or of both."""
        return self._budget.lacking(waiting.phase, waiting.floor)

    def _reached(self, waiting: _Waiting) -> str:
        run, spent = self._run, self._budget.spent
        return reached(run.input.limits, self._lacking(waiting), spent, waiting.floor, run.ledger.lost.usd)

    def _refusal(self, waiting: _Waiting) -> CallError:
        return CallError(
            kind=BUDGET,
            name="WorkflowBudgetExceededError",
            message=f"{self._reached(waiting)}. Ways on: resume it with a higher ceiling (finished agents are "
            "reused), or choose a smaller scope",
        )
