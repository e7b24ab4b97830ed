"""`AdversarialReview`: independent reviewers, rounds of revision with the author, never a verdict from silence."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from .borrower import Answer, Borrower, Wanted
from .change import Change, ChangeGone

with workflow.unsafe.imports_passed_through():
    from . import review_prompts, verdicts
    from .change_contracts import ReviewedChange
    from .contracts import RunAgentInput
    from .review_contracts import Granted, ReviewInput, ReviewOutcome, ReviewResult, Vote
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
        self._change = None if input.change is None else Change(input.borrowing, input.change)
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
        if self._change is not None:
            try:
                await self._change.read()
            except ChangeGone as gone:
                return ReviewOutcome(refusal=gone.refusal)
        while True:
            answers = await self._ask_reviewers()
            if self._rounds.number == 1 and (refusal := answers[0].refusal) and all(a.refusal for a in answers):
                return ReviewOutcome(refusal=refusal)
            if not self._rounds.goes_on or not await self._revise():
                break
        self._show("ended")
        return self._outcome()

    def _outcome(self) -> ReviewOutcome:
        named = self._input.borrowing.name is not None  # an earlier version's reviews end as they did
        result = self._rounds.result(self._work, marked=named)
        if self._change is None:
            return ReviewOutcome(result=result)
        shown = self._change.shown
        result = ReviewResult.model_validate(result.model_dump() | {"commit": shown.commit})
        outcome = ReviewOutcome(result=result, author=self._author, left_out=shown.left_out)
        if named:
            outcome.base = shown.base
        return outcome

    async def _ask_reviewers(self) -> list[Answer]:
        number = self._rounds.number + 1
        lenses = verdicts.lenses_of(self._terms.lenses, self._terms.reviewers)
        self._show(f"round {number}: {len(lenses)} reviewers")
        given: dict[str, Any] = {"output_schema": review_prompts.ANSWER, "effort": self._terms.effort}
        if self._input.borrowing.setup is not None:
            given["tools"] = READ_ONLY
        given |= self._at_the_change()
        shown, whole = (self._change.shown, self._change.whole) if self._change is not None else (None, False)
        named = "review " if self._input.borrowing.name is None else ""  # the name says it
        wanted = [
            Wanted(
                prompt=review_prompts.to_review(self._work, lens, shown, whole=whole),
                label=f"{named}{number}.{index + 1}: {lens.partition(':')[0]}",
                model=self._input.model,
                given=given,
            )
            for index, lens in enumerate(lenses)
        ]
        answers = await self._borrower.ask(wanted)
        self._rounds.hold([_vote(answer, number, lens) for answer, lens in zip(answers, lenses, strict=True)])
        self._show(f"round {number} is over")
        return answers

    def _at_the_change(self) -> dict[str, Any]:
        """What an agent is given that looks at the commit: a checkout of it, and the diff where it is in the store."""
        if self._change is None:
            return {}
        shown = self._change.shown
        return {"isolation": "worktree", "base": shown.commit} | ({} if shown.key is None else {"material": shown.key})

    async def _revise(self) -> bool:
        """Have the author revise; false where it could not, and the verdict stands."""
        number, author = self._rounds.number, self._author
        self._show(f"the author revises after round {number}")
        in_checkout = self._change is not None or (author is not None and author.isolation is not None)
        wanted = Wanted(
            prompt=self._to_revise(knows_work=author is not None, in_checkout=in_checkout),
            label=f"revise after round {number}",
            model=author.model if author is not None else self._input.author_model,
            given=self._given_to(author),
            like=author,
        )
        (answer,) = await self._borrower.ask([wanted])
        if answer.input is None:
            return False
        if self._change is None and answer.commit is not None:
            self._change = Change(self._input.borrowing, ReviewedChange(commit=answer.commit))
        if self._change is None:
            self._work = review_prompts.revised(answer.value, self._work)
        elif not await self._take(self._change, answer):
            return False
        # The prompt is in the conversation that goes on, and what it had of the store is in there too.
        self._author = answer.input.model_copy(update={"prompt": ""})
        return True

    def _to_revise(self, *, knows_work: bool, in_checkout: bool) -> str:
        against, revise = verdicts.failing(self._rounds.last), self._terms.revise or ""
        if not in_checkout:
            return review_prompts.to_revise(revise, against, work=self._work, knows_work=knows_work)
        shown, whole = (self._change.shown, self._change.whole) if self._change is not None else (None, False)
        return review_prompts.to_revise_change(
            revise, against, work=self._work, change=shown, whole=whole, knows_work=knows_work
        )

    def _given_to(self, author: RunAgentInput | None) -> dict[str, Any]:
        if author is None:
            return ({"effort": self._terms.effort} if self._terms.effort else {}) | self._at_the_change()
        given: dict[str, Any] = {"phase": self._input.borrowing.phase}
        if author.isolation is not None:
            given["checkout"] = author.checkout or author.agent
        if self._change is not None:
            given["base"] = self._change.shown.commit
        return given

    async def _take(self, change: Change, answer: Answer) -> bool:
        """What the author made of the work; false where nothing of it is new, or it cannot be read."""
        assert answer.input is not None
        work = self._work if change.whole else review_prompts.revised(answer.value, self._work)
        commit = answer.commit or change.commit
        if commit == change.commit and change.was_read and work == self._work:
            return False
        try:
            await change.read(commit, answer.input.checkout or answer.input.agent)
        except ChangeGone:
            return False
        self._work = {**self._work, "commit": commit} if change.whole else work
        return True

    def _show(self, doing: str) -> None:
        workflow.set_current_details(markdown(self._rounds, doing))


def _vote(answer: Answer, number: int, lens: str) -> Vote:
    if answer.failure is not None:
        return verdicts.silent(answer.failure, round=number, agent=answer.agent, lens=lens)
    return verdicts.vote_from(answer.value, round=number, agent=answer.agent, lens=lens)
