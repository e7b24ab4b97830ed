"""A new run that takes over what an earlier one has paid for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from .config import UsageError
from .runs import ENDED, UnknownRun

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunInput, RunReport

    from .runs import Runs


async def resuming(runs: Runs, input: RunInput, resumed: str) -> RunInput:
    """The input of a run that resumes an earlier one: with its journal, its seed, and its clock.

    The clock goes over so that a prompt with a date in it is still the same prompt.

    Raises:
        UsageError: the earlier run has not ended, or there is none.
        Unreachable: there is no Temporal Service to ask.
    """
    report = await ended_run(runs, resumed)
    before = await runs.input(resumed)
    clock = before.clock
    if clock is None and report is not None and report.started_at is not None:
        clock = datetime.fromisoformat(report.started_at).timestamp()
    return input.model_copy(update={"resume_from": resumed, "seed": before.seed or resumed, "clock": clock})


async def ended_run(runs: Runs, run_id: str) -> RunReport | None:
    """The report of a run that has ended; `None` for one that only the store remembers, without a report.

    Raises:
        UsageError: it has not ended, or there is none.
        Unreachable: there is no Temporal Service to ask.
    """
    try:
        report = await runs.report(run_id, agents=False)
    except UnknownRun:
        if not await runs.kept(run_id):
            raise
        return None  # it was cut off, and Temporal no longer keeps it: what it finished is in the store
    if report.status not in ENDED:
        raise UsageError(
            f"{run_id} has not ended, it is {report.status}: only a run that has ended can be resumed in a new one. "
            f"Wait for it, or stop it first: tenuto stop {run_id}"
        )
    return report
