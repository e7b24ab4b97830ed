"""How reviews stand in a report: who voted what. What the votes rest on is in the records of their agents. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .wire import Wire

WORK_CHARS = 300


class VoteView(Wire):
    """One reviewer in one round, or one attempt of a convergence."""

    agent: str | None = None
    """`None` for one that a cap of the run refused."""
    round: int = 1
    lens: str = ""
    """Of an attempt, its angle."""
    verdict: str = "abstain"
    """`pass`, `fail`, `abstain`; of an attempt how many hold the same, `silent` for one that died."""
    reason: str | None = None
    """Why there is no vote."""


class ReviewView(Wire):
    """One `review()` or `converge()` that has ended."""

    id: str
    """`review-1`: the end of its Child Workflow's id."""
    kind: Literal["review", "converge"]
    phase: str | None = None
    work: str = ""
    """The start of what was reviewed, or of the question; the whole is in its agents' prompts."""
    verdict: str
    rounds: int = 0
    votes: list[VoteView] = Field(default_factory=list)
    agents: list[str] = Field(default_factory=list)
    """All it borrowed: reviewers, and authors that revised."""


def beginning(work: Any) -> str:
    """The start of a work as text, on one line."""
    text = " ".join((work if isinstance(work, str) else repr(work))[: 4 * WORK_CHARS].split())
    return text if len(text) <= WORK_CHARS else text[: WORK_CHARS - 1] + "…"
