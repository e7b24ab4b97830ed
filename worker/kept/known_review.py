"""A review or a convergence driven by what the journal has of its agents: the very classes, without a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import ValidationError

from tenuto.workflows import models
from tenuto.workflows.authors import Authors
from tenuto.workflows.borrower import Answer, Borrower, Wanted
from tenuto.workflows.change_contracts import named_change
from tenuto.workflows.contracts import RunAgentInput, RunInput
from tenuto.workflows.convergence import Convergence
from tenuto.workflows.convergence_contracts import ConvergeInput, ConvergeTerms
from tenuto.workflows.journal import Material
from tenuto.workflows.review import AdversarialReview
from tenuto.workflows.review_contracts import Borrowing, JournalTerms, ReviewInput, ReviewTerms
from tenuto.workflows.reviews import REVIEWER_MODEL, bad_arguments
from tenuto.workflows.script.protocol import Outcome
from tenuto.workflows.setup_contracts import PrepareRunResult

Ask = Callable[[RunAgentInput, Material, str | None], Awaitable[Answer | None]]
"""Input, material and the entry whose conversation goes on, to what the journal has; `None` where it has nothing."""


class _NotKnown(Exception):
    """An agent of it would have to run."""


class _Journal(Borrower):
    """Borrows from a journal instead of from a run."""

    def __init__(self, borrowing: Borrowing, ask: Ask) -> None:
        super().__init__(borrowing)
        terms = borrowing.journal or JournalTerms()
        self._material = Material(base=terms.base, instructions=terms.instructions)
        self._ask = ask

    async def ask(self, wanted: Sequence[Wanted]) -> list[Answer]:
        """All answers, or `_NotKnown` after every one was asked for."""
        found = []
        for each in wanted:
            continues = None if each.like is None else each.like.entry
            found.append(await self._ask(self._input("", each), self._material, continues))
        answers = [answer for answer in found if answer is not None]
        if len(answers) < len(found):
            raise _NotKnown
        return answers


class _KnownReview(AdversarialReview):
    def __init__(self, input: ReviewInput, ask: Ask) -> None:
        super().__init__(input)
        self._borrower = _Journal(input.borrowing, ask)

    def _show(self, doing: str) -> None:
        """Nobody looks."""

    async def value(self) -> Any:
        """What `review()` gives."""
        outcome = await self._hold()
        if outcome.result is None:
            raise _NotKnown
        value = outcome.result.model_dump()
        if outcome.result.commit is None:
            del value["commit"]
        return value


class _KnownConvergence(Convergence):
    def __init__(self, input: ConvergeInput, ask: Ask) -> None:
        super().__init__(input)
        self._borrower = _Journal(input.borrowing, ask)

    def _show(self, verdict: str) -> None:
        """Nobody looks."""

    async def value(self) -> Any:
        """What `converge()` gives."""
        outcome = await self._hold()
        if outcome.result is None:
            raise _NotKnown
        return outcome.result.model_dump()


class KnownReviews:
    """The reviews of one script.

    Args:
        ask: asks the journal for an agent, and notes it down.
        authors: whose values the script has had so far.
    """

    def __init__(self, given: RunInput, setup: PrepareRunResult | None, authors: Authors, ask: Ask) -> None:
        self._given = given
        self._setup = setup
        self._authors = authors
        self._ask = ask

    async def review(self, args: dict[str, Any], phase: str | None) -> Outcome | None:
        """The outcome of `review()`; `None` where agents of it would run, or it is about a commit."""
        options = dict(args)
        work = options.pop("work", None)
        try:
            terms, change = ReviewTerms.model_validate(options), named_change(work)
        except ValidationError as error:
            return bad_arguments("review", error)
        author = self._authors.of_value(work)
        if change is not None or (author is not None and author.commit is not None):
            return None  # what its reviewers were shown was read from the repository then
        if terms.effort is None and self._given.effort:
            terms = terms.model_copy(update={"effort": self._given.effort})
        input = ReviewInput(
            borrowing=self._borrowing(phase),
            work=work,
            terms=terms,
            model=models.resolve(terms.model or REVIEWER_MODEL, self._given.model),
            author_model=models.resolve(None, self._given.model),
        )
        if author is not None and terms.revise is not None:
            input.author = author.input
        return await self._held(_KnownReview(input, self._ask))

    async def converge(self, args: dict[str, Any], phase: str | None) -> Outcome | None:
        """The outcome of `converge()`; `None` where agents of it would run."""
        options = dict(args)
        prompt, schema = str(options.pop("prompt")), options.pop("schema", None)
        try:
            terms = ConvergeTerms.model_validate(options | ({} if schema is None else {"output_schema": schema}))
        except ValidationError as error:
            return bad_arguments("converge", error)
        if terms.effort is None and self._given.effort:
            terms = terms.model_copy(update={"effort": self._given.effort})
        model = models.resolve(terms.model or REVIEWER_MODEL, self._given.model)
        input = ConvergeInput(borrowing=self._borrowing(phase), prompt=prompt, terms=terms, model=model)
        return await self._held(_KnownConvergence(input, self._ask))

    async def _held(self, child: _KnownReview | _KnownConvergence) -> Outcome | None:
        try:
            return Outcome(value=await child.value())
        except _NotKnown:
            return None

    def _borrowing(self, phase: str | None) -> Borrowing:
        setup = self._setup
        given: dict[str, Any] = {} if setup is None else {"setup": setup.key}
        if self._given.simulate:
            given["simulate"] = True
        terms = (
            JournalTerms() if setup is None else JournalTerms(base=setup.base, instructions=setup.instructions_sha256)
        )
        # The name as of a run of this version: what its reviews give may come into later prompts.
        return Borrowing(run_id="rehearsed", phase=phase, journal=terms, name="rehearsed", **given)
