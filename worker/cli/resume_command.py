"""`tenuto resume`: an ended run starts again, as a new one that pays for nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings, UsageError, here
from .control_commands import resume_live
from .limit_options import phase_ceilings
from .output import notice
from .run_command import TRIP, RunOptions, check_credentials, check_price, in_dollars, launch
from .session import open_runs, require_fit, warn_of

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunInput, RunLimits

    from ..runs import Runs


def resume(run_id: str, options: RunOptions) -> int:
    """Let a run that lives go on; else start a new one from the script, arguments, workspace and caps of the ended one.

    Returns:
        The exit code: of a new run, which is followed, as of `run`.

    Args:
        options: `limits` given here take the place of the earlier run's; the rest is how to follow.

    Raises:
        UsageError: there is no such run, or it lives and cannot be reached.
    """
    from tenuto.workflows.models import resolve
    from tenuto.workflows.script.dialects import interpreters

    from ..precheck.names import unnamed_phases
    from ..runs import check_run_id, new_run_id

    check_run_id(run_id)
    limits = _given(options)
    code = resume_live(run_id, limits, json=options.json)
    if code is not None:
        return code
    new_id = check_run_id(options.run_id) if options.run_id is not None else new_run_id()
    if new_id == run_id:
        raise UsageError(f"--id is {new_id!r}, the run that is resumed: the new one needs another id, or none given")
    before = asyncio.run(_ended_input(open_runs(Settings.load()), run_id))
    workspace = Path(before.workspace) if before.workspace is not None else here()
    if not workspace.is_dir():
        raise UsageError(
            f"{run_id} worked in {workspace}, which is not a directory here; name another one with "
            f"tenuto run SCRIPT --workspace DIR --resume-from {run_id}"
        )
    settings = Settings.load(workspace)
    if settings.disabled_by:
        raise UsageError(f"starting runs is turned off by {settings.disabled_by}; unset it to resume {run_id}")
    require_fit(workspace, settings.home)
    for line in unnamed_phases(before.script, phase_ceilings(options.phase_usd)):
        notice(line)
    caps = _limits(options, before.limits)
    if in_dollars(caps):
        check_price(resolve(before.model))
    if settings.embedded and not before.simulate:
        check_credentials(settings)
    warn_of(workspace, settings.home)
    # Its journal, seed and clock are added when the new run is started.
    input = before.model_copy(
        update={"limits": caps, "resume_from": None, "interpreters": interpreters(), "notify": settings.has_hook}
    )
    return launch(_simulated(options, before), settings, input, new_id)


async def _ended_input(runs: Runs, run_id: str) -> RunInput:
    from ..connect import Unreachable
    from ..resuming import ended_run

    try:
        await ended_run(runs, run_id)
        return await runs.input(run_id)
    except Unreachable as error:
        raise UsageError(str(error)) from None


def _given(options: RunOptions) -> dict[str, Any]:
    """The limits that were given, as fields of `SetLimitsInput`."""
    return {
        "agents": options.max_agents,
        "concurrency": options.concurrency,
        "usd": options.max_usd,
        "output_tokens": options.max_output_tokens,
        "tokens": options.max_tokens,
        "phases_usd": phase_ceilings(options.phase_usd) or None,
    }


def _limits(options: RunOptions, before: RunLimits) -> RunLimits:
    given = {name: value for name, value in _given(options).items() if value is not None}
    if "phases_usd" in given:
        given["phases_usd"] = {**(before.phases_usd or {}), **given["phases_usd"]}
    given["on_limit"] = options.on_limit or before.on_limit or "ask"
    given["trip"] = before.trip if before.trip is not None else TRIP
    return before.model_copy(update=given)


def _simulated(options: RunOptions, before: RunInput) -> RunOptions:
    from dataclasses import replace

    return replace(options, simulate=before.simulate)
