"""What holds a run up: a resource that is missing, a question, a person who said `pause`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from . import failure_kinds
    from .carry_contracts import HoldsState
    from .contracts import RunReport, WaitingFor

if TYPE_CHECKING:
    from .run import Run


OWNER_SECONDS = 60.0
"""A question ends its own hold when its time is up. Two timers that fire at the same moment, one of which cancels the
other, are more than the time-skipping test server can take; so the hold's own comes later."""


class Holds:
    """The holds of one run, by kind; the oldest is the one that is shown.

    Those of `failure_kinds.HOLDS`, and `pause`, let no further agent start. Others (`question`, …) only tell; they make
    the run `waiting` when no agent of it is running.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held: dict[str, WaitingFor] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self.paused = False
        self.resumed = 0
        """How often a person ended a hold: a Worker that sees a greater number asks the API again."""

    def restore(self, state: HoldsState) -> None:
        """Go on from what `state` gave; what has an end is ended by a new timer."""
        self.paused, self.resumed = state.paused, state.resumed
        for held in state.held:
            self._held[held.kind] = held
        self._run.widen()

    def watch(self, over: Mapping[str, Callable[[], None]]) -> None:
        """Start the timers of holds that were restored; `over` is what they call at their end, by kind."""
        for held in list(self._held.values()):
            if held.until is not None and held.kind not in self._timers:
                self._timers[held.kind] = asyncio.create_task(
                    self._release_after(held.kind, _seconds(held.until), over.get(held.kind))
                )

    def state(self) -> HoldsState:
        """All of it, to be taken along."""
        return HoldsState(held=list(self._held.values()), paused=self.paused, resumed=self.resumed)

    def holds(self, kind: str) -> bool:
        """Whether it is held up by this."""
        return kind in self._held

    def message(self, kind: str) -> str | None:
        """Why this holds it up; `None` where it does not."""
        held = self._held.get(kind)
        return None if held is None else held.message

    def hold(
        self, kind: str, message: str, until: str | None = None, *, over: Callable[[], None] | None = None
    ) -> None:
        """Hold the run up, or say anew why. With `until` (ISO 8601) it goes on by itself then, and `over` is called."""
        held = WaitingFor(kind=kind, until=until, message=message)
        before = self._held.get(kind)
        if before is not None and (before.until, kind in failure_kinds.HOLDS) == (until, True):
            return  # each Worker of the run tells the same
        seconds = None
        if until is not None:
            seconds = _seconds(until)
            if seconds <= 0:
                self._over(kind, over)
                return
        self._stop_timer(kind)
        self._held[kind] = held
        if seconds is not None:
            self._timers[kind] = asyncio.create_task(self._release_after(kind, seconds, over))
        if before is None and kind in failure_kinds.HOLDS:
            self._run.say(f"waiting for {kind}{f' until {until}' if until else ''}: {message}")
        if before is None:
            self._run.notices.held(held)
        self._changed()

    def release(self, kind: str) -> None:
        """What held the run up is over; unknown kinds are no error."""
        self._stop_timer(kind)
        if self._held.pop(kind, None) is not None:
            if kind in failure_kinds.HOLDS:
                self._run.say(f"going on: the wait for {kind} is over")
            self._changed()

    def pause(self) -> None:
        """Let no further agent start until `resume`; those under way finish."""
        if not self.paused:
            self.paused = True
            self._changed()

    def resume(self) -> bool:
        """End the pause and every hold on a resource. Whether there was anything to end."""
        kinds = [kind for kind in self._held if kind in failure_kinds.HOLDS]
        ended = self.paused or bool(kinds)
        self.paused = False
        self.resumed += bool(kinds)
        for kind in kinds:
            self.release(kind)
        self._changed()
        return ended

    def end(self) -> None:
        """The run has ended: nothing holds it up any more."""
        for kind in list(self._timers):
            self._stop_timer(kind)
        self._held.clear()
        self.paused = False

    def width(self, wide: int) -> int:
        """How many agents may be under way at once, of `wide`.

        A hold without an end is over when an agent gets through; so one may start where none is left to find out.
        """
        held = [hold for kind, hold in self._held.items() if kind in failure_kinds.HOLDS]
        if self.paused or any(hold.until is not None for hold in held):
            return 0
        return 1 if held else wide

    def mark(self, report: RunReport) -> None:
        """Put the status and what is waited for into the report of a live run."""
        idle = not report.census.running
        shown = [held for kind, held in self._held.items() if kind in failure_kinds.HOLDS or idle]
        if shown:
            report.status, report.waiting_for = "waiting", shown[0]
        if self.paused:
            report.status = "paused"

    def _changed(self) -> None:
        self._run.widen()
        self._run.show_progress(force=True)

    async def _release_after(self, kind: str, seconds: float, over: Callable[[], None] | None) -> None:
        owned = over is None and kind not in failure_kinds.HOLDS
        await asyncio.sleep(seconds + (OWNER_SECONDS if owned else 0))
        del self._timers[kind]  # this very task: it must not cancel itself
        self._over(kind, over)

    def _over(self, kind: str, over: Callable[[], None] | None) -> None:
        self.release(kind)
        if over is not None:
            over()

    def _stop_timer(self, kind: str) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()


def _seconds(until: str) -> float:
    """From now on, Workflow time."""
    return datetime.fromisoformat(until).astimezone(UTC).timestamp() - workflow.time()
