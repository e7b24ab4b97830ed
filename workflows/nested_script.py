"""Finding the script of a nested `workflow()` call."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from . import contracts
    from .bounds import TITLE_CHARS, cut
    from .contracts import Script
    from .script.protocol import CallError

if TYPE_CHECKING:
    from .run import Run

RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


async def load_nested(run: Run, args: dict[str, Any]) -> Script | CallError:
    """The script that `workflow()` names, or why there is none."""
    try:
        async with run.continuing.loading():
            return await workflow.execute_activity(
                contracts.load_script,
                contracts.LoadScriptInput(
                    run_id=run.id,
                    name=args.get("name"),
                    script_path=args.get("script_path"),
                    workspace=run.input.workspace,
                ),
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=RETRY,
                summary=cut(f"load workflow {args.get('name') or args.get('script_path')}", TITLE_CHARS),
            )
    except ActivityError as error:
        cause = error.cause
        kind = (cause.type if isinstance(cause, ApplicationError) else None) or "load"
        return CallError(kind=kind, message=cause.message if isinstance(cause, ApplicationError) else str(error))
