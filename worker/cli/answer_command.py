"""`tenuto answer`: a person answers what a run asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import UsageError
from .output import notice, print_json
from .read_commands import with_runs

if TYPE_CHECKING:
    from ..runs import Runs


def answer(run_id: str, words: list[str], *, who: str | None, json: bool) -> int:
    """Answer a question of a run; without its id, the only one that is open."""
    if len(words) > 2:
        raise UsageError(
            f"the answer has {len(words)} words: put it in quotes, tenuto answer {run_id} [QUESTION] 'ANSWER'"
        )
    said, question = words[-1], words[0] if len(words) == 2 else None

    async def give(runs: Runs) -> dict[str, Any]:
        from tenuto.workflows.people_contracts import AnswerInput, AnswerResult

        from ..control import RunEnded, send

        input = AnswerInput(answer=said, question=question, by=who or _user(), via="cli")
        try:
            result = await send(runs, run_id, "answer", input, result_type=AnswerResult)
        except RunEnded as ended:
            raise UsageError(f"{ended}, and asks nothing any more") from None
        return {"run_id": run_id, "question": result.question, "answer": result.answer, "by": input.by}

    told = with_runs(give)
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
