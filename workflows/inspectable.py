"""What every run answers while a Worker is up."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .control import Controllable

with workflow.unsafe.imports_passed_through():
    from .bounds import MESSAGE_CHARS, cut
    from .contracts import RunReport
    from .people_contracts import AnswerInput, AnswerResult, EventInput
    from .review_contracts import LeaseRequest, Settled


class Inspectable(Controllable):
    """Base of a Workflow that is a run: it can be read and controlled. The subclass sets `current` in its init."""

    @workflow.query(name="report")
    def report(self) -> RunReport:
        """The whole report, agents included."""
        return self.current.report()

    @workflow.query(name="progress")
    def progress(self) -> RunReport:
        """The report without the list of agents: small enough to ask for twice a second."""
        return self.current.report(agents="none")

    @workflow.query(name="log")
    def log(self) -> list[str]:
        """The last 500 narrator lines."""
        return list(self.current.ledger.log)

    @workflow.signal(name="lease")
    def lease(self, request: LeaseRequest) -> None:
        """A child of this run wants agents."""
        self.current.reviews.loans.lease(request)

    @workflow.signal(name="settle")
    def settle(self, settled: Settled) -> None:
        """Agents that a child of this run borrowed have ended."""
        self.current.reviews.loans.settle(settled)

    @workflow.update(name="answer")
    def answer(self, input: AnswerInput) -> AnswerResult:
        """Answer a question of the run, as a person: nothing within the run can."""
        try:
            return self.current.questions.answer(input)
        except ValueError as error:  # any other error would hold up the run, not the one who answers
            raise ApplicationError(cut(str(error), MESSAGE_CHARS), type="not_open", non_retryable=True) from None

    @answer.validator
    def _check_answer(self, input: AnswerInput) -> None:
        try:
            self.current.questions.check(input)
        except ValueError as error:
            raise ApplicationError(cut(str(error), MESSAGE_CHARS), type="refused", non_retryable=True) from None

    @workflow.signal(name="event")
    def event(self, input: EventInput) -> None:
        """Something happened outside that the run may wait for."""
        self.current.questions.event(input)
