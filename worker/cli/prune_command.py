"""`prune`: removes what is kept of runs that ended long ago, after saying what that is."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..config import Settings, UsageError
from .output import notice, print_json
from .record_commands import with_kept_runs

if TYPE_CHECKING:
    from ..kept.pruning import Plan
    from ..runs import Runs

_AGE = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NAMED_MAX = 20


def age(text: str) -> timedelta:
    """`30d`, `12h`, `2w` as a span of time.

    Raises:
        UsageError: it is none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"--older is {text!r}; expected a number and s, m, h, d or w, such as 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def prune(older: str, *, yes: bool, json: bool) -> int:
    """Say what can be freed, and free it: with `yes`, or when a person at the terminal agrees.

    Returns:
        0; 1 where something that was to go had to stay.
    """
    from ..kept.pruning import Pruning

    span = age(older)
    home = Settings.load().home

    async def work(runs: Runs) -> Plan:
        pruning = Pruning(runs, home)
        plan = await pruning.plan(datetime.now(UTC) - span)
        _say(plan, older)
        if plan.prunable and (yes or (not json and _agreed())):
            for found in plan.prunable:
                await pruning.remove(found)
                if found.kept_because is not None:
                    notice(f"{found.run_id} stays: {found.kept_because}")
        return plan

    plan = with_kept_runs(work)
    gone = [found for found in plan.prunable if found.removed]
    if gone:
        notice(f"removed {_runs(len(gone))}, {_size(sum(each.store_bytes + each.disk_bytes for each in gone))}")
    elif plan.prunable and not yes:
        notice("nothing was removed; --yes removes it")
    if json:
        print_json(
            {
                "older": older,
                "removed": len(gone),
                "freed_bytes": sum(each.store_bytes + each.disk_bytes for each in gone),
                "runs": [asdict(found) for found in plan.prunable],
                "stays": plan.stays,
                "younger": plan.younger,
            }
        )
    return 1 if any(found.kept_because for found in plan.prunable) else 0


def _say(plan: Plan, older: str) -> None:
    runs = plan.prunable
    if not runs:
        notice(f"no run ended longer than {older} ago: nothing to remove")
    else:
        store, disk = sum(each.store_bytes for each in runs), sum(each.disk_bytes for each in runs)
        notice(
            f"{_runs(len(runs))} ended longer than {older} ago: {_size(store)} in the store, {_size(disk)} of clones"
        )
    for each in runs[:NAMED_MAX]:
        ended = (each.ended_at or "")[:16].replace("T", " ")
        notice(f"  {each.run_id}  {each.workflow}  {each.status}  {ended}  {_size(each.store_bytes + each.disk_bytes)}")
    if len(runs) > NAMED_MAX:
        notice(f"  … and {len(runs) - NAMED_MAX} more (--json lists all)")
    for run_id, why in plan.stays.items():
        notice(f"  {run_id} stays: {why}")


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    import typer

    return typer.confirm("Remove them?", default=False, err=True)


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count:,} runs"
