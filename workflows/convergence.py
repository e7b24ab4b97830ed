"""`Convergence`: independent attempts that try to refute each other, until they agree or stand disputed."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from .borrower import Answer, Borrower, Wanted

with workflow.unsafe.imports_passed_through():
    from . import convergence_contracts as contracts
    from .contracts import RunAgentInput
    from .convergence_contracts import ConvergeInput, ConvergeOutcome, Position
    from .details import table
    from .review_contracts import Granted


@workflow.defn(name="Convergence")
class Convergence:
    """One question, as a child of the run whose agents it borrows."""

    @workflow.init
    def __init__(self, input: ConvergeInput) -> None:
        self._input = input
        self._terms = input.terms
        self._borrower = Borrower(input.borrowing)
        self._positions: list[Position] = []
        self._conversations: list[RunAgentInput | None] = [None] * len(input.terms.angles)
        self._rounds = 0
        self._shown: list[str] = []

    @workflow.signal(name="granted")
    def granted(self, granted: Granted) -> None:
        """The run has answered what was asked of it."""
        self._borrower.granted(granted)

    @workflow.run
    async def run(self, input: ConvergeInput) -> ConvergeOutcome:
        """Hold rounds until enough attempts agree, or it is clear that they will not."""
        try:
            return await self._hold()
        finally:
            await self._borrower.finish()

    async def _hold(self) -> ConvergeOutcome:
        answers = await self._begin()
        if (refusal := answers[0].refusal) and all(answer.refusal for answer in answers):
            return ConvergeOutcome(refusal=refusal)
        while True:
            self._rounds += 1
            await self._compare()
            result = contracts.result_of(self._positions, self._terms.needed, self._rounds)
            self._show(result.verdict)
            if result.verdict != "disputed" or self._rounds >= self._terms.rounds:
                return ConvergeOutcome(result=result)
            await self._refute()

    async def _begin(self) -> list[Answer]:
        given = {"output_schema": self._terms.output_schema, "effort": self._terms.effort}
        wanted = [
            Wanted(contracts.to_attempt(self._input.prompt, angle), f"attempt {n + 1}", self._input.model, given)
            for n, angle in enumerate(self._terms.angles)
        ]
        answers = await self._borrower.ask(wanted)
        self._positions = [Position(angle=angle, agent=None) for angle in self._terms.angles]
        self._take(range(len(answers)), answers)
        return answers

    async def _refute(self) -> None:
        """Every attempt that lives sees what the others hold, and goes on in its own conversation."""
        living = [n for n, like in enumerate(self._conversations) if like is not None]
        wanted: list[Wanted] = []
        for n in living:
            own, like = self._positions[n], self._conversations[n]
            others = {each.group: each.value for each in self._positions if each.group not in (None, own.group)}
            label = f"attempt {n + 1}, round {self._rounds + 1}"
            wanted.append(
                Wanted(contracts.to_refute(list(others.values())), label, self._input.model, _SAME, like=like)
            )
        self._take(living, await self._borrower.ask(wanted))

    def _take(self, numbers: Any, answers: list[Answer]) -> None:
        for n, answer in zip(numbers, answers, strict=True):
            angle = self._terms.angles[n]
            if answer.input is None:
                self._conversations[n] = None
                self._positions[n] = Position(angle=angle, agent=answer.agent, reason=answer.failure)
            else:
                self._conversations[n] = answer.input.model_copy(update={"prompt": ""})
                self._positions[n] = Position(angle=angle, agent=answer.agent, value=answer.value)

    async def _compare(self) -> None:
        """Find out who holds the same: equal values do, and of other texts an agent says so."""
        living = [n for n, like in enumerate(self._conversations) if like is not None]
        values = [self._positions[n].value for n in living]
        groups = contracts.grouped(values)
        kinds = max(groups, default=-1) + 1
        if kinds > 1 and self._terms.output_schema is None and len(living) >= self._terms.needed:
            first = [values[groups.index(group)] for group in range(kinds)]
            prompt = contracts.to_compare(self._input.prompt, first)
            given = {"output_schema": contracts.COMPARISON}
            (answer,) = await self._borrower.ask([Wanted(prompt, "compare answers", self._input.model, given)])
            groups = contracts.merged(groups, answer.value)
        for n, group in zip(living, groups, strict=True):
            self._positions[n] = self._positions[n].model_copy(update={"group": group})

    def _show(self, verdict: str) -> None:
        rows = [(each.group, each.angle, each.agent, each.reason or each.value) for each in self._positions]
        self._shown += [f"### Round {self._rounds}: {verdict}", table(("Group", "Angle", "Agent", "Holds"), rows)]
        workflow.set_current_details("\n\n".join(self._shown))


_SAME: dict[str, Any] = {}
"""What an attempt was called with at first holds for it to the end."""
