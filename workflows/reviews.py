"""`review()`: from a call in a script to a Child Workflow that borrows the run's agents."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, is_cancelled_exception

from .convergence import Convergence
from .loans import Loans
from .review import AdversarialReview
from .reviewed_work import ReviewedWork

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from . import models
    from .change_contracts import named_change
    from .convergence_contracts import ConvergeInput, ConvergeResult, ConvergeTerms
    from .failure_kinds import INTERNAL, SKIPPED
    from .patterns import PATTERNS
    from .review_contracts import (
        Borrowing,
        JournalTerms,
        Refusal,
        ReviewInput,
        ReviewOutcome,
        ReviewResult,
        ReviewTerms,
    )
    from .review_views import ABOUT_CHARS, ReviewView, VoteView, beginning
    from .run_state import label_of
    from .script.protocol import CallError, Outcome

if TYPE_CHECKING:
    from .run import Run

REVIEWER_MODEL = "opus"
CAPS = ("agent_cap", "budget", "tripped")
"""A cap that leaves not one agent throws: a script that asks again until it has an answer must not do so for ever."""
TASK_TIMEOUT = timedelta(seconds=4)
"""As of a run: a wait after a crash."""


class Reviews:
    """The reviews of one run, nested workflows included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.loans = Loans(run)
        self.numbered = 0
        """Children so far: their Workflow Ids are never used again."""
        self._tasks: dict[asyncio.Task[Outcome], bool] = {}
        """Whether each was cancelled; a dict keeps the order, which replay depends on."""

    async def review(self, args: dict[str, Any], *, phase: str | None) -> Outcome:
        """Hold one review. Never raises but for cancellation.

        Args:
            args: `work`, and the options of `review()` that were given (`script/protocol.py`).
            phase: of its agents.
        """
        options = dict(args)
        work = options.pop("work", None)
        try:
            terms = ReviewTerms.model_validate(options)
            change = named_change(work)
        except ValidationError as error:
            return bad_arguments("review", error)
        return await self._under_way(self._review(ReviewedWork.of(self._run, work, change), terms, phase))

    async def converge(self, args: dict[str, Any], *, phase: str | None) -> Outcome:
        """Independent attempts until they agree. Never raises but for cancellation.

        Args:
            args: `prompt`, and the options of `converge()` that were given.
        """
        options = dict(args)
        prompt, schema = str(options.pop("prompt")), options.pop("schema", None)
        try:
            terms = ConvergeTerms.model_validate(options | ({} if schema is None else {"output_schema": schema}))
        except ValidationError as error:
            return bad_arguments("converge", error)
        return await self._under_way(self._converge(prompt, terms, phase))

    async def pattern(self, op: str, args: dict[str, Any], *, phase: str | None) -> Outcome:
        """A quality pattern over agents of this run (`patterns.py`). Never raises but for cancellation."""
        terms, begin = PATTERNS[op]
        try:
            pattern = begin(terms.model_validate(args))
        except ValidationError as error:
            return bad_arguments(op, error)
        outcomes: list[Outcome] | None = None
        while True:
            try:
                asks = next(pattern) if outcomes is None else pattern.send(outcomes)
            except StopIteration as end:
                self._run.show_progress()
                return Outcome(value=end.value)
            calls = (self._run.agents.call(prompt, options, phase=phase, finishing=True) for prompt, options in asks)
            outcomes = await asyncio.gather(*calls)
            if all(outcome.error is not None and outcome.error.kind in CAPS for outcome in outcomes):
                return Outcome(error=outcomes[0].error)

    @property
    def under_way(self) -> bool:
        """Whether a child is at work."""
        return bool(self._tasks)

    def cancel(self) -> list[asyncio.Task[Outcome]]:
        """Cancel what is still under way; what has to be waited for until it has really stopped."""
        tasks = list(self._tasks)
        for task in tasks:
            self._cancel(task)
        return tasks

    def _cancel(self, task: asyncio.Task[Outcome]) -> None:
        """Once: a server may refuse to be asked twice to cancel the same child."""
        if not self._tasks.get(task, True):
            self._tasks[task] = True
            task.cancel()

    async def _under_way(self, call: Any) -> Outcome:
        task: asyncio.Task[Outcome] = asyncio.create_task(call)
        self._tasks[task] = False
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._cancel(task)
            raise

    def _forget(self, task: asyncio.Task[Outcome]) -> None:
        self._tasks.pop(task, None)

    async def _review(self, work: ReviewedWork, terms: ReviewTerms, phase: str | None) -> Outcome:
        run = self._run
        if terms.effort is None and run.input.effort:
            terms = terms.model_copy(update={"effort": run.input.effort})
        with work.lent(revised=terms.revise is not None) as given:
            input = ReviewInput(
                borrowing=self.borrowing(phase),
                work=work.work,
                terms=terms,
                model=models.resolve(terms.model or REVIEWER_MODEL, run.input.model),
                author_model=models.resolve(None, run.input.model),
                **given,
            )
            return await self._hold_review(work, input)

    async def _hold_review(self, work: ReviewedWork, input: ReviewInput) -> Outcome:
        run = self._run
        summary = f"review: {label_of(None, beginning(work.work))}"
        view = ReviewView(
            id="",
            kind="review",
            verdict="unverified",
            phase=input.borrowing.phase,
            work=beginning(work.work),
            **work.told,
        )

        async def start(child: str) -> Outcome:
            input.borrowing.name, input.borrowing.about = _name_of(child), work.about
            outcome = await workflow.execute_child_workflow(
                AdversarialReview.run,
                input,
                id=child,
                task_timeout=TASK_TIMEOUT,
                static_summary=summary,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
            if outcome.result is None:
                return _refused(outcome.refusal)
            run.ledger.reviewed(_of_review(view, child, outcome, outcome.result, self.loans.lent(child)))
            await work.ended(outcome)
            value = outcome.result.model_dump()
            if outcome.result.commit is None:
                del value["commit"]
            return Outcome(value=value)

        return await self.lending(view, start)

    async def _converge(self, prompt: str, terms: ConvergeTerms, phase: str | None) -> Outcome:
        run = self._run
        if terms.effort is None and run.input.effort:
            terms = terms.model_copy(update={"effort": run.input.effort})
        model = models.resolve(terms.model or REVIEWER_MODEL, run.input.model)
        input = ConvergeInput(borrowing=self.borrowing(phase), prompt=prompt, terms=terms, model=model)

        view = ReviewView(id="", kind="converge", verdict="unverified", phase=phase, work=beginning(prompt))

        async def start(child: str) -> Outcome:
            input.borrowing.name, input.borrowing.about = _name_of(child), beginning(prompt, ABOUT_CHARS)
            outcome = await workflow.execute_child_workflow(
                Convergence.run,
                input,
                id=child,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"converge: {label_of(None, prompt[:400])}",
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
            if outcome.result is None:
                return _refused(outcome.refusal)
            run.ledger.reviewed(_of_convergence(view, child, outcome.result, self.loans.lent(child)))
            return Outcome(value=outcome.result.model_dump())

        return await self.lending(view, start)

    def borrowing(self, phase: str | None) -> Borrowing:
        """What a child's agents have from this run."""
        run = self._run
        given: dict[str, Any] = {}
        if run.setup is not None:
            given["setup"] = run.setup.key
        if run.input.simulate:
            given["simulate"] = True
        setup = run.setup
        given["journal"] = (
            JournalTerms() if setup is None else JournalTerms(base=setup.base, instructions=setup.instructions_sha256)
        )
        return Borrowing(run_id=run.id, workspace_queue=run.workspace_queue, phase=phase, **given)

    async def lending(self, view: ReviewView, start: Callable[[str], Awaitable[Outcome]]) -> Outcome:
        """Run a child that may borrow agents.

        Args:
            view: what the report says of it where it fails.
            start: runs the child of that Workflow Id to its end.
        """
        self.numbered += 1
        name = view.kind
        child = f"{self._run.id}/{name}-{self.numbered}"
        self.loans.open(child)
        try:
            return await start(child)
        except ChildWorkflowError as error:
            if is_cancelled_exception(error):
                return Outcome(error=CallError(kind=SKIPPED, message="the run ended first", lost=True))
            # Whatever the script makes of it.
            failed = {"id": _name_of(child), "agents": self.loans.lent(child)}
            self._run.ledger.reviewed(view.model_copy(update=failed))
            message = f"{name}(): {_name_of(child)}: {error.cause or error}"
            return Outcome(error=CallError(kind=INTERNAL, message=message))
        finally:
            await self.loans.close(child)


def bad_arguments(name: str, error: ValidationError) -> Outcome:
    """An option that cannot be used, in words for whoever wrote the script."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = f"{name}(): {where}: {first['msg']}" if where else f"{name}(): {first['msg']}"
    return Outcome(error=CallError(kind="bad_arguments", message=message))


def _name_of(child: str) -> str:
    return child.rpartition("/")[2]


def _of_review(
    view: ReviewView, child: str, outcome: ReviewOutcome, result: ReviewResult, agents: list[str]
) -> ReviewView:
    ended = {
        "id": _name_of(child),
        "verdict": result.verdict,
        "rounds": result.rounds,
        "votes": [
            VoteView(agent=vote.agent, round=vote.round, lens=vote.lens, verdict=vote.verdict, reason=vote.reason)
            for vote in result.votes
        ],
        "agents": agents,
        "commit": result.commit,
        "base": outcome.base,
    }
    return view.model_copy(update=ended)


def _of_convergence(view: ReviewView, child: str, result: ConvergeResult, agents: list[str]) -> ReviewView:
    alike = Counter(position.group for position in result.positions)
    ended = {
        "id": _name_of(child),
        "verdict": result.verdict,
        "rounds": result.rounds,
        "votes": [
            VoteView(
                agent=each.agent,
                round=result.rounds,
                lens=each.angle,
                verdict="silent" if each.group is None else f"{alike[each.group]} of {len(result.positions)} agree",
                reason=each.reason,
            )
            for each in result.positions
        ],
        "agents": agents,
    }
    return view.model_copy(update=ended)


def _refused(refusal: Refusal | None) -> Outcome:
    if refusal is None:
        return Outcome(error=CallError(kind=INTERNAL, message="it ended without a result"))
    return Outcome(error=CallError(kind=refusal.kind, message=refusal.message, name=refusal.name))
