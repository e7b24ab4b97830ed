"""`AdversarialReview`: independent reviewers, rounds of revision with the author, never a verdict from silence."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from .borrower import Answer, Borrower, Wanted

with workflow.unsafe.imports_passed_through():
    from . import review_prompts, verdicts
    from .review_contracts import Granted, ReviewInput, ReviewOutcome, Vote
    from .review_details import markdown

READ_ONLY = ["Read", "Glob", "Grep"]
"""What a reviewer may use at most; the run's policy narrows it further."""


@workflow.defn(name="AdversarialReview")
class AdversarialReview:
    """One review, as a child of the run whose agents it borrows."""

    @workflow.init
    def __init__(self, input: ReviewInput) -> None:
        self._input = input
        self._terms = input.terms
        self._borrower = Borrower(input.borrowing)
        self._rounds = verdicts.Rounds(
            self._terms.votes_needed, self._terms.rounds, revises=self._terms.revise is not None
        )
        self._work = input.work
        self._author = input.author
        self._doing = ""

    @workflow.signal(name="granted")
    def granted(self, granted: Granted) -> None:
        """The run has answered what was asked of it."""
        self._borrower.granted(granted)

    @workflow.query(name="review")
    def review(self) -> ReviewOutcome:
        """The review as it stands."""
        return ReviewOutcome(result=self._rounds.result(self._work))

    @workflow.run
    async def run(self, input: ReviewInput) -> ReviewOutcome:
        """Hold rounds until the work is accepted, or it is clear that it will not be."""
        try:
            return await self._hold()
        finally:
            await self._borrower.finish()

    async def _hold(self) -> ReviewOutcome:
        while True:
            answers = await self._ask_reviewers()
            if self._rounds.number == 1 and (refusal := answers[0].refusal) and all(a.refusal for a in answers):
                return ReviewOutcome(refusal=refusal)
            if not self._rounds.goes_on or not await self._revise():
                break
        self._show("ended")
        return ReviewOutcome(result=self._rounds.result(self._work))

    async def _ask_reviewers(self) -> list[Answer]:
        number = self._rounds.number + 1
        lenses = verdicts.lenses_of(self._terms.lenses, self._terms.reviewers)
        self._show(f"round {number}: {len(lenses)} reviewers")
        given: dict[str, Any] = {"output_schema": review_prompts.ANSWER, "effort": self._terms.effort}
        if self._input.borrowing.setup is not None:
            given["tools"] = READ_ONLY
        wanted = [
            Wanted(
                prompt=review_prompts.to_review(self._work, lens),
                label=f"review {number}.{index + 1}: {lens.partition(':')[0]}",
                model=self._input.model,
                given=given,
            )
            for index, lens in enumerate(lenses)
        ]
        answers = await self._borrower.ask(wanted)
        self._rounds.hold([_vote(answer, number, lens) for answer, lens in zip(answers, lenses, strict=True)])
        self._show(f"round {number} is over")
        return answers

    async def _revise(self) -> bool:
        """Have the author revise; false where it could not, and the verdict stands."""
        number, author = self._rounds.number, self._author
        self._show(f"the author revises after round {number}")
        prompt = review_prompts.to_revise(
            self._terms.revise or "",
            verdicts.failing(self._rounds.last),
            work=self._work,
            knows_work=author is not None,
        )
        effort = {"effort": self._terms.effort} if self._terms.effort else {}
        wanted = Wanted(
            prompt=prompt,
            label=f"revise after round {number}",
            model=author.model if author is not None else self._input.author_model,
            given={"phase": self._input.borrowing.phase} if author is not None else effort,
            like=author,
        )
        (answer,) = await self._borrower.ask([wanted])
        if answer.input is None:
            return False
        self._author = answer.input.model_copy(update={"prompt": ""})  # it is in the conversation that goes on
        self._work = review_prompts.revised(answer.value, self._work)
        return True

    def _show(self, doing: str) -> None:
        workflow.set_current_details(markdown(self._rounds, doing))


def _vote(answer: Answer, number: int, lens: str) -> Vote:
    if answer.failure is not None:
        return verdicts.silent(answer.failure, round=number, agent=answer.agent, lens=lens)
    return verdicts.vote_from(answer.value, round=number, agent=answer.agent, lens=lens)
