"""The work that a review is about, as the run knows it: whose it is, which commit goes with it, what comes of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from temporalio import workflow

from .agent_call import QUEUE
from .merge_queue import NotMerged

with workflow.unsafe.imports_passed_through():
    from .authors import Author
    from .change_contracts import NamedChange, ReviewedChange
    from .contracts import RunAgentInput, RunAgentResult
    from .failure_kinds import MERGE_CONFLICT
    from .review_contracts import ReviewOutcome
    from .review_views import ABOUT_CHARS, beginning

if TYPE_CHECKING:
    from .run import Run


@dataclass(frozen=True, slots=True)
class ReviewedWork:
    """One piece of work under review."""

    run: Run
    work: Any
    author: Author | None = None
    change: ReviewedChange | None = None

    @staticmethod
    def of(run: Run, work: Any, named: NamedChange | None) -> ReviewedWork:
        """Find out whose work it is.

        Args:
            named: the change, where the work is one.
        """
        authors = run.agents.authors
        if named is not None:
            author = authors.of_commit(run.id, named.commit)
            change = ReviewedChange(commit=named.commit, whole=True, **_unless_empty(paths=named.paths))
        else:
            author, change = authors.of_value(work), None
            if author is not None and author.commit is not None:
                change = ReviewedChange(commit=author.commit)
            elif authors.is_unclear(work):
                run.say(
                    "review(): several agents with checkouts of their own gave this very answer, so the reviewers see "
                    "no change; name its commit: review({commit, paths})"
                )
        if change is not None and author is not None and author.checkout is not None:
            change.agent = author.checkout
        return ReviewedWork(run, work, author, change)

    @property
    def about(self) -> str:
        """What its reviewers are labelled with: its author, else its commit, else how it begins."""
        if self.author is not None and self.author.input.label:
            return beginning(self.author.input.label, ABOUT_CHARS)
        return beginning(self.work if self.change is None else self.change.commit, ABOUT_CHARS)

    @property
    def told(self) -> dict[str, Any]:
        """Fields of its `ReviewView` that are known before it begins."""
        given: dict[str, Any] = {} if self.author is None else {"author": self.author.input.agent}
        return given | ({} if self.change is None else {"commit": self.change.commit, "paths": self.change.paths})

    @contextmanager
    def lent(self, *, revised: bool) -> Iterator[dict[str, Any]]:
        """Fields of `ReviewInput`; meanwhile no other review has the author work in the same checkout."""
        given: dict[str, Any] = {} if self.change is None else {"change": self.change}
        authors, author = self.run.agents.authors, self.author
        if author is None or not revised or not authors.lend(author):
            yield given
            return
        try:
            yield given | {"author": author.input}
        finally:
            authors.give_back(author)

    async def ended(self, outcome: ReviewOutcome) -> None:
        """Take over what the review made of it. Raises `ActivityError` when cancelled."""
        result, reviser = outcome.result, outcome.author
        for left_out in outcome.left_out:
            self.run.say(f"review(): no reviewer was shown {left_out}")
        before = self.author.input.agent if self.author is not None else None
        if result is None or reviser is None or reviser.agent == before:
            return
        self.run.agents.authors.remember(reviser, result.final, result.commit)
        if self.author is not None and self.author.input.merge == QUEUE and result.commit != self.author.commit:
            await self._merge(reviser, result.commit)

    async def _merge(self, reviser: RunAgentInput, commit: str | None) -> None:
        """What came through the queue before it was reviewed comes through it again."""
        run = self.run
        agent = run.ledger.agents.get(reviser.agent)
        if agent is None:
            return
        input = reviser.model_copy(update={"merge": QUEUE})
        try:
            merged = await run.merges.integrate(input, RunAgentResult(commit=commit), partial(run.agents.go_on, agent))
        except NotMerged as error:
            merged = error.result
            run.ledger.fail(agent.id, agent.label, agent.phase, MERGE_CONFLICT, str(error))
        run.ledger.add_usage(agent, merged.usage)


def _unless_empty(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}
