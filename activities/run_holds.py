"""Telling a run that the API takes no request for now, and that it does again: Signals to its Workflow.

The run then starts no agent, on whichever Worker; here only repetitions are saved: each agent that is held up would
tell the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio import activity
from temporalio.service import RPCError

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.control_contracts import AcceptedInput, HeldInput

log = logging.getLogger(__name__)

SAME_S = 5.0
"""Ends that lie closer together are told once: each response rounds its own way."""
AGAIN_S = 3600.0
"""A hold without an end is told once more after that: the run may have been told otherwise since."""
RUNS_MAX = 1000

Tell = Callable[[str, HeldInput | AcceptedInput], Awaitable[None]]
"""Takes the run id and what the run is told."""


@dataclass(frozen=True, slots=True)
class _Told:
    kind: str
    at: float
    """Of the monotonic clock."""
    until: float | None
    """Unix seconds."""


async def signal_run(run_id: str, input: HeldInput | AcceptedInput) -> None:
    """Signal the run's Workflow, whichever one of its Workflows the Activity in execution belongs to."""
    handle = activity.client().get_workflow_handle(run_id)
    await handle.signal("held" if isinstance(input, HeldInput) else "accepted", input)


class RunHolds:
    """What this Worker has told which run."""

    def __init__(self, tell: Tell = signal_run) -> None:
        self._tell = tell
        self._told: dict[str, _Told] = {}

    async def held(self, run_id: str, kind: str, message: str, seconds: float | None) -> None:
        """Tell a run that it is held up; `seconds` until that is over, `None` for until somebody does something."""
        until = None if seconds is None else time.time() + seconds
        told = self._told.get(run_id)
        if told is not None and told.kind == kind and time.monotonic() - told.at < AGAIN_S and _same(told.until, until):
            return
        if len(self._told) >= RUNS_MAX:
            self._told.pop(next(iter(self._told)))
        self._told[run_id] = _Told(kind, time.monotonic(), until)
        moment = None if until is None else datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
        log.warning("%s waits for %s%s: %s", run_id, kind, f" until {moment}" if moment else "", message)
        if not await self._send(run_id, HeldInput(kind=kind, message=message, until=moment)):
            self._told.pop(run_id, None)

    async def accepted(self, run_id: str, asked_at: float, *, was_held: bool) -> None:
        """The API took a request that was sent at `asked_at` (monotonic): what was told before is over."""
        told = self._told.get(run_id)
        if (told is not None and asked_at > told.at) or (told is None and was_held):
            self._told.pop(run_id, None)
            log.info("%s goes on", run_id)
            await self._send(run_id, AcceptedInput())

    async def _send(self, run_id: str, input: HeldInput | AcceptedInput) -> bool:
        try:
            await self._tell(run_id, input)
        except RPCError as error:
            # The agent's next attempt says it again; a run that has ended need not know.
            log.warning("a run could not be told: %s", error)
            return False
        return True


def hold_kind(kind: str) -> str:
    """The kind of hold: a rate limit of some length is a quota to whoever waits for it."""
    return kinds.QUOTA if kind == kinds.RATE_LIMIT else kind


def _same(before: float | None, now: float | None) -> bool:
    if before is None or now is None:
        return before is now
    return abs(before - now) < SAME_S
