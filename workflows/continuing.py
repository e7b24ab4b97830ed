"""Beyond one Event History: a run comes to rest, and goes on in a new history with all that it knows.

A history has an end (51,200 events, 50 MB), and a long one takes long to replay. When it is long enough the run starts
nothing new and lets what is under way finish; what waits in line, for time, for a person or for a lock is carried over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from temporalio import workflow

from .width import Width

with workflow.unsafe.imports_passed_through():
    from . import details
    from .carry_contracts import AuthorsState, Carried

if TYPE_CHECKING:
    from .run import Run
    from .script_run import ScriptRun

BEGUN_MAX = 64
"""Calls made of several (reviews, votes, gates) that are begun at once: each is finished before a new history."""
PATIENCE = timedelta(minutes=10)
"""So long nothing new is started. Then one slow agent has held up the others long enough: it is tried again later."""
AGAIN_EVENTS = 2_000
"""Events until it is tried again."""
FORCED_EVENTS, FORCED_BYTES = 30_000, 25_000_000
"""From here on it takes as long as it takes: what `BEGUN_MAX` reviews still do must fit below the server's limit."""


class Continuing:
    """What a run of a script does about the length of its history. A hand-written Workflow stays in one history."""

    def __init__(self, run: Run, carried: Carried | None) -> None:
        self._run = run
        self._number = 1 if carried is None else carried.histories + 1
        self._begun = Width(BEGUN_MAX)
        self._loading = 0
        self._not_before = 0
        self._first: int | None = None
        """Length at the first look, and then `_base`: what it took to go on from where the last history ended."""
        self._base: int | None = None

    @property
    def on(self) -> bool:
        """Whether this run was begun by a version that can."""
        return self._run.input.histories is not None

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Around a call that is made of several and cannot be carried over half done."""
        if not self.on:
            yield
            return
        async with self._begun:
            yield

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Around the loading of a nested workflow."""
        if not self.on:
            yield
            return
        async with self._run.pending:
            self._loading += 1
            try:
                yield
            finally:
                self._loading -= 1

    async def through(self, script: ScriptRun) -> Any:
        """Run a script to its end, in this history or in later ones. Raises as `ScriptRun.run`, and to go on."""
        if not self.on:
            return await script.run()
        body = asyncio.create_task(script.run())
        for _, begin in sorted(script.calls_again(), key=lambda each: each[0]):
            begin()
        try:
            while True:
                await workflow.wait_condition(lambda: body.done() or self._due())
                if not body.done() and await self._at_rest(body):
                    self._go_on(script)
                if body.done():
                    return await body
        except asyncio.CancelledError:
            body.cancel()
            await workflow.wait([body])
            raise

    # ----------------------------------------------------------------------------------------- when

    def _due(self) -> bool:
        histories, info = self._run.input.histories, workflow.info()
        assert histories is not None
        length = info.get_current_history_length()
        if self._first is None:
            self._first = length
        elif self._base is None and length > self._first:
            self._base = length
        # What was carried over takes events to begin again: without that much progress it would go round in circles.
        if self._base is None or length < max(self._not_before, 2 * self._base):
            return False
        suggested = info.is_continue_as_new_suggested()
        return suggested if histories.events is None else suggested or length >= histories.events

    async def _at_rest(self, body: asyncio.Task[Any]) -> bool:
        """Start nothing new until nothing is under way; `False` where the script ended, or patience did."""
        gates = (self._run.width, self._run.pending, self._begun)
        for gate in gates:
            gate.close()
        info = workflow.info()
        length, size = info.get_current_history_length(), info.get_current_history_size()
        forced = length >= FORCED_EVENTS or size >= FORCED_BYTES
        try:
            if not self._rests():
                await workflow.wait_condition(
                    lambda: body.done() or self._rests(),
                    timeout=None if forced else PATIENCE,
                    timeout_summary="until what is under way has finished",
                )
        except TimeoutError:
            self._not_before = info.get_current_history_length() + AGAIN_EVENTS
        if self._rests() and not body.done():
            return True
        for gate in gates:
            gate.open()
        return False

    def _rests(self) -> bool:
        run = self._run
        return (
            not (run.agents.under_way or run.steps.under_way or run.reviews.under_way or run.questions.heard)
            and not (self._begun.inside or self._loading or run.pending.inside or run.saving_log)
            and not (run.notices.under_way or run.purse.lowering.telling)
            and all(script.rests for script in run.scripts)
            and workflow.all_handlers_finished()
        )

    # ----------------------------------------------------------------------------------------- what

    def _go_on(self, script: ScriptRun) -> NoReturn:
        run, length = self._run, workflow.info().get_current_history_length()
        run.say(f"goes on in history {self._number + 1}: this one has {length:,} events")
        carried = Carried(
            histories=self._number,
            **run.state(),
            journal=run.journal.state(),
            authors_known=run.agents.authors.state() if script.may_review else AuthorsState(),
            steps=run.steps.state(),
            reviews=run.reviews.numbered,
            gates=run.gates.state(),
            questions=run.questions.state(),
            holds=run.holds.state(),
            notices=run.notices.numbered,
            money=run.purse.state(),
            script=script.state(),
        )
        # A new history begins with the memo of the first one's start: readers would see a run that has done nothing.
        memo = {details.MEMO: details.snapshot(run.report(agents="none"))}
        workflow.continue_as_new(run.input.model_copy(update={"carry": carried}), memo=memo)

    def restore(self, carried: Carried) -> None:
        """Give every part of the run what it knew."""
        run = self._run
        run.journal.restore(carried.journal)
        run.agents.authors.restore(carried.authors_known, carried.authors)
        run.steps.restore(carried.steps)
        run.reviews.numbered = carried.reviews
        run.gates.restore(carried.gates)
        run.questions.restore(carried.questions)
        run.notices.numbered = carried.notices
        run.holds.restore(carried.holds)
        run.purse.restore(carried.money)
