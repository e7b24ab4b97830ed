"""A hand-written Workflow: ask one question of many things, let another agent object, put it together.

It needs no interpreter and no script file; everything else, caps, report, Temporal UI, is that of a script's run.
Its `args` are `{"question": str, "items": [str, …]}`.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from .errors import ScriptFailed
from .functions import agent, log, phase, pipeline, within
from .inspectable import Inspectable
from .run import Run

with workflow.unsafe.imports_passed_through():
    from .contracts import RunInput, RunReport


@workflow.defn(name="Survey")
class Survey(Inspectable):
    """One question, many items, each answer challenged, one conclusion."""

    @workflow.init
    def __init__(self, input: RunInput) -> None:
        self.current = Run(input)

    @workflow.run
    async def run(self, input: RunInput) -> RunReport:
        """Survey the items and return `{"answers": {item: answer}, "conclusion": str}`."""
        return await self.current.execute(within(self.current, lambda: self._survey(input.args)))

    async def _survey(self, args: Any) -> dict[str, Any]:
        if (
            not isinstance(args, dict)
            or not isinstance(args.get("question"), str)
            or not isinstance(args.get("items"), list)
        ):
            raise ScriptFailed('Survey takes {"question": text, "items": [text, …]} as args', kind="bad_args")
        question, items = args["question"], [str(item) for item in args["items"]]

        async def ask(item: str) -> Any:
            return await agent(f"{question}\n\nSubject: {item}", label=f"ask {item}", phase="Ask")

        async def challenge(answer: Any, item: str) -> Any:
            prompt = f"{question}\n\nSubject: {item}\n\nAn answer was given:\n{answer}\n\nCorrect it where it is wrong."
            return await agent(prompt, label=f"challenge {item}", phase="Challenge")

        answers = dict(zip(items, await pipeline(items, ask, challenge), strict=True))
        answered = {item: answer for item, answer in answers.items() if answer is not None}
        log(f"{len(answered)} of {len(items)} subjects have an answer")
        phase("Conclude")
        body = "\n\n".join(f"{item}: {answer}" for item, answer in answered.items())
        return {
            "answers": answers,
            "conclusion": await agent(f"{question}\n\nConclude from:\n\n{body}", label="conclude"),
        }
