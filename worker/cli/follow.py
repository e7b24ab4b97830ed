"""Following a run from a terminal. The run does not know: leaving the follower changes nothing for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from temporalio.service import RPCError

from ..connect import Unreachable
from .progress import Progress

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunReport

    from ..runs import Runs

EVERY_S = 0.5


async def follow(runs: Runs, run_id: str, progress: Progress, *, until_waiting: bool = False) -> RunReport:
    """Show a run until it has ended; its final report.

    A Temporal Service or a Worker that goes away is waited for.

    Args:
        until_waiting: return as soon as the run waits for a person or a resource.

    Raises:
        UnknownRun: there is no such run.
    """
    ended = asyncio.create_task(runs.ended(run_id))
    report: RunReport | None = None
    said: list[str] = []
    away = False
    try:
        while not ended.done():
            try:
                report = not_older(report, await runs.progress(run_id))
                lines = await runs.live_log(run_id)
            except (Unreachable, RPCError):
                if not away:
                    progress.say("the Temporal Service does not answer; the run goes on when it does")
                away = True
            else:
                away = False
                progress.update(report)
                for line in new_lines(said, lines or said):
                    progress.say(f"  {line}")
                said = lines or said
                if until_waiting and report.status == "waiting":
                    return report
            await asyncio.wait({ended}, timeout=EVERY_S)
        await ended
    finally:
        ended.cancel()
    for line in new_lines(said, await runs.kept_log(run_id)):
        progress.say(f"  {line}")
    return await runs.report(run_id)


def not_older(seen: RunReport | None, report: RunReport) -> RunReport:
    """What is known of a live run. Without a Worker that is its memo, which lags behind what a Worker said before."""
    if seen is None or _settled(report) >= _settled(seen):
        return report
    return seen.model_copy(update={"trouble": report.trouble})


def _settled(report: RunReport) -> int:
    census = report.census
    return census.done + census.cached + census.failed + census.skipped


def new_lines(seen: Sequence[str], lines: Sequence[str]) -> list[str]:
    """What is new in a list that grows at its end and may have lost its beginning."""
    for overlap in range(min(len(seen), len(lines)), -1, -1):
        # The last `overlap` lines seen are the first ones of the list, or the list still begins where it did.
        if list(seen[len(seen) - overlap :]) == list(lines[:overlap]):
            return list(lines[overlap:])
    return list(lines)
