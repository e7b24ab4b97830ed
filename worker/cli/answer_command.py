"""`tenuto answer`: a person answers what a run asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..config import UsageError
from .output import notice, print_json
from .read_commands import with_runs

if TYPE_CHECKING:
    from ..runs import Runs

ANSWER_S = 5.0


def answer(run_id: str, words: list[str], *, who: str | None, json: bool) -> int:
    """Answer a question of a run; without its id, the only one that is open."""
    if len(words) > 2:
        raise UsageError(
            f"the answer has {len(words)} words: put it in quotes, tenuto answer {run_id} [QUESTION] 'ANSWER'"
        )
    said, question = words[-1], words[0] if len(words) == 2 else None

    async def send(runs: Runs) -> dict[str, Any]:
        from temporalio.client import WorkflowUpdateFailedError
        from temporalio.service import RPCError, RPCStatusCode

        from tenuto.workflows.people_contracts import AnswerInput, AnswerResult

        from ..runs import ENDED, check_run_id

        check_run_id(run_id)
        report = await runs.report(run_id, agents=False)
        if report.status in ENDED:
            raise UsageError(f"{run_id} has ended ({report.status}) and asks nothing any more")
        handle = (await runs.client()).get_workflow_handle(run_id)
        input = AnswerInput(answer=said, question=question, by=who or _user(), via="cli")
        try:
            async with asyncio.timeout(ANSWER_S):
                result: AnswerResult = await handle.execute_update("answer", input, result_type=AnswerResult)
        except WorkflowUpdateFailedError as error:
            raise UsageError(f"{run_id}: {getattr(error.cause, 'message', error.cause)}") from None
        except (TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                raise UsageError(f"{run_id} has ended and asks nothing any more") from None
            raise UsageError(
                f"{run_id} did not take the answer: no Worker answers. `tenuto up` starts one; then answer again"
            ) from None
        return {"run_id": run_id, "question": result.question, "answer": result.answer, "by": input.by}

    told = with_runs(send)
    if json:
        print_json(told)
    else:
        notice(f"{run_id} {told['question']}: {told['answer']}")
    return 0


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return "someone"
