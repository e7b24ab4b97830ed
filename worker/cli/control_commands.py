"""`pause`, `resume`, `set`, `agent skip|restart`: what a person can do to a run that lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import UsageError
from .output import notice, print_json
from .read_commands import with_runs

if TYPE_CHECKING:
    from ..runs import Runs


def pause(run_id: str, *, json: bool) -> int:
    """Start no further agents of a run."""
    return _update(run_id, "pause", json=json)


def resume_live(run_id: str, limits: dict[str, Any], *, json: bool) -> int | None:
    """Let a run that lives go on, after a pause or before the end of a wait; `None` for one that has ended.

    Args:
        limits: fields of `SetLimitsInput`, which hold from then on.
    """
    from tenuto.workflows.control_contracts import SetLimitsInput

    from ..control import RunEnded, update
    from ..runs import UnknownRun

    given = {name: value for name, value in limits.items() if value is not None}

    async def send(runs: Runs) -> str:
        if given:
            await update(runs, run_id, "set_limits", SetLimitsInput.model_validate(given))
        return await update(runs, run_id, "resume")

    try:
        answer = with_runs(send)
    except (RunEnded, UnknownRun):
        return None
    return _said(run_id, answer, json=json)


def set_limits(run_id: str, limits: dict[str, Any], *, json: bool) -> int:
    """Change the limits of a run.

    Args:
        limits: fields of `SetLimitsInput`; `None` is not given.
    """
    from tenuto.workflows.control_contracts import SetLimitsInput

    given = {name: value for name, value in limits.items() if value is not None}
    if not given:
        raise UsageError(
            "nothing to set: give --concurrency, --max-usd, --max-agents, --max-tokens, --max-output-tokens or "
            "--phase-usd"
        )
    return _update(run_id, "set_limits", SetLimitsInput.model_validate(given), json=json)


def skip(run_id: str, agent: str, *, json: bool) -> int:
    """End one agent without a value."""
    return _of_agent(run_id, "skip_agent", agent, json=json)


def restart(run_id: str, agent: str, *, json: bool) -> int:
    """Have one agent start over."""
    return _of_agent(run_id, "restart_agent", agent, json=json)


def _of_agent(run_id: str, name: str, agent: str, *, json: bool) -> int:
    from tenuto.workflows.control_contracts import AgentInput

    return _update(run_id, name, AgentInput(agent=agent), json=json)


def _update(run_id: str, name: str, *args: Any, json: bool) -> int:
    from ..control import update

    async def send(runs: Runs) -> str:
        return await update(runs, run_id, name, *args)

    return _said(run_id, with_runs(send), json=json)


def _said(run_id: str, answer: str, *, json: bool) -> int:
    notice(f"{run_id}: {answer}")
    if json:
        print_json({"run_id": run_id, "message": answer})
    return 0
