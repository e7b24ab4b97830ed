"""What of a run is under way, and whether it knows of ceilings that were lowered, or set where there was none.

A conversation sees it before its next request and stops for another share. Until nobody can begin a request without
knowing, and it is known what all of them have spent by then, no share is given to anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from . import ceiling_contracts as wire
    from .budget import FIRST, RUN, Amount, Budget
    from .share_contracts import Cost
    from .wire import HEARTBEAT

if TYPE_CHECKING:
    from .run import Run

PATCH = "tenuto.ceilings-lowered.{}"
"""One marker for each time: a run of an earlier version learns to do it in the middle of its history."""
ANSWER_S = 2.0
"""A person who lowers a ceiling waits no longer for what is under way to know."""
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    phase: str | None
    model: str


class Lowering:
    """Of one run, nested workflows and lent agents included.

    Args:
        told: called when everybody knows.
    """

    def __init__(self, run: Run, budget: Budget, told: Callable[[], None]) -> None:
        self._run = run
        self._budget = budget
        self._told = told
        self.number = 0
        """How often ceilings were lowered over what was under way."""
        self._under_way: dict[str, _UnderWay] = {}
        self._news: dict[str, int] = {}
        """Scope -> number, as far as it is not told yet."""
        self._times = 0
        self._telling: asyncio.Task[None] | None = None

    @property
    def telling(self) -> bool:
        """Whether somebody may still not know."""
        return self._telling is not None and not self._telling.done()

    def begins(self, key: str, phase: str | None, model: str) -> None:
        """A conversation goes to work with what holds now."""
        self._under_way[key] = _UnderWay(phase, model)

    def ends(self, key: str) -> None:
        """It has stopped, for now or for good."""
        self._under_way.pop(key, None)

    def seen(self, number: int) -> None:
        """A conversation has stopped at that number; one that is not known here is of a history that was reset."""
        self.number = max(self.number, number)

    def lowered(self, scopes: Sequence[str]) -> None:
        """These ceilings, of the run or of phases, are lower than they were."""
        if not any(self._concerned(scopes)):
            return
        self._times += 1
        if not workflow.patched(PATCH.format(self._times)):
            return
        self.number += 1
        self._news |= dict.fromkeys(scopes, self.number)
        if not self.telling:
            self._telling = asyncio.create_task(self._tell())

    async def known(self) -> bool:
        """Wait until everybody knows, or for as long as a person waits; whether they do."""
        if self.telling:
            try:
                await workflow.wait_condition(
                    lambda: not self.telling,
                    timeout=ANSWER_S,
                    timeout_summary="until what is under way knows of the ceiling",
                )
            except TimeoutError:
                return False
        return True

    def cancel(self) -> list[asyncio.Task[None]]:
        """The run ends; what has to be waited for until it has really stopped."""
        self._news.clear()
        if self._telling is None or not self.telling:
            return []
        self._telling.cancel()
        return [self._telling]

    def _concerned(self, scopes: Sequence[str]) -> list[str]:
        return [key for key, each in self._under_way.items() if RUN in scopes or each.phase in scopes]

    async def _tell(self) -> None:
        try:
            while self._news:
                news, self._news = self._news, {}
                await self._tell_of(news)
        except ActivityError as error:
            if not is_cancelled_exception(error):
                raise
            return  # with the run: nobody waits for a share any more
        self._telling = None
        self._told()

    async def _tell_of(self, news: dict[str, int]) -> None:
        concerned = {key: self._under_way[key] for key in self._concerned(list(news))}
        told = await workflow.execute_activity(
            wire.tell_ceilings,
            wire.TellCeilingsInput(
                run_id=self._run.id,
                lowered=news,
                under_way=[wire.UnderWay(agent=key, model=each.model) for key, each in concerned.items()],
            ),
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary="tell what is under way of the ceilings",
        )
        for key, standing in told.standings.items():
            each = concerned[key]
            if self._under_way.get(key) is each:
                coming = FIRST if standing.coming is None else amount_of(standing.coming)
                self._budget.under_way(key, each.phase, amount_of(standing.paid), coming)


def amount_of(cost: Cost) -> Amount:
    """In the units of the books."""
    return Amount.of(cost.usd, cost.tokens, cost.output_tokens)
