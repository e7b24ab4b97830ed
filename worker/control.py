"""Updates to a run that lives, as a client sends them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from .config import UsageError
from .runs import ENDED, UnknownRun, check_run_id

if TYPE_CHECKING:
    from .runs import Runs

T = TypeVar("T")
UPDATE_S = 4.5
"""A Worker that is up answers at once; a person is told within five seconds that none is."""


class NoWorker(UsageError):
    """The run lives, and no Worker is up that could change it."""


class RunEnded(UsageError):
    """The run has ended: there is nothing to control."""


async def update(runs: Runs, run_id: str, name: str, *args: Any) -> str:
    """Send one Update and wait for its answer, which is words. Raises as `send`."""
    return await send(runs, run_id, name, *args, result_type=str)


async def send(runs: Runs, run_id: str, name: str, *args: Any, result_type: type[T]) -> T:
    """Send one Update and wait for its answer.

    Raises:
        UnknownRun: there is no such run.
        RunEnded: it has ended.
        NoWorker: no Worker answered in time. One that comes back may still do it; every Update here is idempotent.
        UsageError: the run refused; its own words.
    """
    report = await runs.report(check_run_id(run_id), agents=False)
    if report.status in ENDED:
        raise RunEnded(f"{run_id} has ended, it is {report.status}")
    handle = (await runs.client()).get_workflow_handle(run_id)
    try:
        async with asyncio.timeout(UPDATE_S):
            answer: T = await handle.execute_update(
                name, args=args, result_type=result_type, rpc_timeout=timedelta(seconds=UPDATE_S)
            )
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise NoWorker(
            f"no Worker answered for {run_id} within {UPDATE_S:g} s: none is up, or it is busy. Start one (tenuto up, "
            f"or tenuto worker), see whether this came through (tenuto show {run_id}), and say it again if not; said "
            "twice it does no more than once"
        ) from None
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        raise UsageError(cause.message if isinstance(cause, ApplicationError) else str(cause)) from None
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise UnknownRun(f"there is no live run {run_id!r}; `tenuto ls` lists them") from None
        raise
    return answer
