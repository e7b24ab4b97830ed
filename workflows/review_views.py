"""How reviews stand in a report: who voted what. What the votes rest on is in the records of their agents. Pure."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from .wire import Wire

WORK_CHARS = 300
ABOUT_CHARS = 40
"""Of a work in the labels of its reviewers."""


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
    author: str | None = None
    """The agent whose work it is, where the run knows it."""
    commit: str | None = None
    """The commit that is the work, or came with it, as the last round saw it: its full id."""
    base: str | None = None
    """Since when that commit is a change."""
    paths: list[str] = Field(default_factory=list)
    """Patterns within which the commit was shown; none for all of it."""


def beginning(work: Any, chars: int = WORK_CHARS) -> str:
    """The start of a work as text, on one line; other values as JSON, whichever language the script has."""
    text = work if isinstance(work, str) else json.dumps(work, ensure_ascii=False)
    text = " ".join(text[: 4 * chars].encode("utf-8", "replace").decode().split())
    return text if len(text) <= chars else text[: chars - 1] + "…"
