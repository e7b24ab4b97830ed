"""What an Activity that failed for good says about it."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from .share_contracts import AgentFailureDetails


def failure_of(error: ActivityError) -> tuple[str, str, AgentFailureDetails]:
    """Kind, message, and what was paid until then."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return "internal", str(cause or error), AgentFailureDetails()
    paid = AgentFailureDetails.model_validate(cause.details[0]) if cause.details else AgentFailureDetails()
    return cause.type or "internal", cause.message, paid
