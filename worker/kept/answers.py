"""What an earlier run got for calls that are no agents: commands, gates, reviews, questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tenuto.workflows.contracts import RunReport
from tenuto.workflows.review_views import ReviewView, beginning
from tenuto.workflows.script.protocol import Outcome

from .audit import step_object
from .run import KeptRun

_NAMED = {"sh": ("command",), "mcp": ("server", "tool"), "pull_request": ("branch",)}
"""Step -> what it is known by."""
_COMMAND_FIELDS = ("exit_code", "stdout", "stderr", "duration_s", "log")


class EarlierAnswers:
    """Gives each answer once, in order; of a call that is made more often the last one again."""

    def __init__(self, report: RunReport | None) -> None:
        self._report = report or RunReport(run_id="", workflow="", status="running")
        self._steps: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        self._kinds: dict[str, Callable[[dict[str, Any]], Outcome | None]] = {
            "ask": self._answered,
            "gate": self._gate,
            "review": lambda args: self._review("review", args["work"], args),
            "converge": lambda args: self._review("converge", args["prompt"], args),
        }

    @classmethod
    async def of(cls, run: KeptRun) -> EarlierAnswers:
        """Read the records of a run's steps."""
        found = cls(run.report)
        async for step in run.steps():
            told = step_object(step)
            op = told["op"]
            if told["state"] != "done" or op not in _NAMED:
                continue
            value = {key: told.get(key) for key in _COMMAND_FIELDS} if op == "sh" else told.get("result")
            found._steps[op, *(str(told.get(name)) for name in _NAMED[op])].append(value)
        return found

    def take(self, op: str, args: dict[str, Any]) -> Outcome | None:
        """What the earlier run got for this; `None` if it did not ask it, or that is not known."""
        if op in self._kinds:
            return self._kinds[op](args)
        values = self._steps.get((op, *(str(args.get(name)) for name in _NAMED.get(op, ()))))
        if not values:
            return None
        return Outcome(value=values.pop(0) if len(values) > 1 else values[0])

    def _answered(self, args: dict[str, Any]) -> Outcome | None:
        asked = [each for each in self._report.questions if each.question == args["question"] and each.state != "open"]
        return Outcome(value=asked[0].answer) if asked else None

    def _gate(self, args: dict[str, Any]) -> Outcome | None:
        name = " ".join(args["command"].split())
        told = next((gate for gate in self._report.gates if gate.name == name), None)
        if told is None:
            return None
        evidence = {"exit_code": 0 if told.passed else 1, "stdout": "", "stderr": ""}
        value = {"passed": told.passed, "reason": told.reason, "flaky": False, "evidence": evidence}
        return Outcome(value=value | ({"failures": [], "signature": ""} if args.get("split") else {}))

    def _review(self, kind: str, work: Any, args: dict[str, Any]) -> Outcome | None:
        wanted = (beginning(work), beginning(repr(work)))  # earlier versions kept values as Python writes them
        held = next((each for each in self._report.reviews if each.kind == kind and each.work in wanted), None)
        return Outcome(value=_result(held, args)) if held is not None else None


def _result(review: ReviewView, args: dict[str, Any]) -> dict[str, Any]:
    """As much of the answer as is kept: the verdict and who voted what."""
    if review.kind == "converge":
        return {"verdict": review.verdict, "value": None, "positions": [], "rounds": review.rounds}
    votes = [vote.model_dump() | {"objections": [], "evidence": []} for vote in review.votes]
    shape: dict[str, Any] = {"final": args.get("work"), "objections": [], "evidence": [], "positions": []}
    return {"verdict": review.verdict, "votes": votes, "rounds": review.rounds, **shape}
