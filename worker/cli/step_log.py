"""`tenuto logs RUN s7`: what a step put out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .output import notice, print_json, print_result, write_bytes

if TYPE_CHECKING:
    from ..runs import Runs

_STEP = re.compile(r"s\d+")


async def print_step(runs: Runs, run_id: str, name: str, *, json: bool) -> bool:
    """Print the output of a command, or the value of another step; false where the run has left none of that name."""
    from pydantic_core import to_json

    from ..kept.audit import step_object
    from ..kept.run import kept_step
    from ..runs import check_run_id

    step = await kept_step(runs.store, check_run_id(run_id), name) if _STEP.fullmatch(name) else None
    if step is None or (step.record is None and step.started is None):
        return False
    told = step_object(step)
    if json:
        print_json({"run_id": run_id, **told})
        return True
    if (failure := told.get("failure")) is not None:
        notice(f"{name} failed: {failure['kind']}: {failure['message']}")
    if told["state"] == "unknown":
        notice(f"{name} was begun {told['at']} and has no outcome")
    if told["op"] != "sh":
        print_result(to_json({key: value for key, value in told.items() if key != "type"}))
        return True
    notice(f"{name}: {told.get('command')}: exit code {told.get('exit_code')}")
    if told.get("log"):
        write_bytes(await runs.store.get(told["log"]))
    else:
        write_bytes((str(told.get("stdout") or "") + str(told.get("stderr") or "")).encode("utf-8", "replace"))
    return True
