"""Wire contracts of what a run asks people, and how they answer: Update `answer`, Signal `event`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .wire import Wire

QuestionState = Literal["open", "answered", "default", "expired"]
"""`default`: nobody answered in time and the default was taken; `expired`: there was none."""


class QuestionView(Wire):
    """One question to a person."""

    id: str
    """`q1`, `q2`, …, unique in the run."""
    question: str
    options: list[Any] = Field(default_factory=list)
    """What may be answered; empty for anything."""
    default: Any = None
    has_default: bool = False
    until: str | None = None
    """When the default is taken, or the call fails; `None` for never."""
    asked_at: str
    state: QuestionState = "open"
    answer: Any = None
    by: str | None = None
    """Who answered, by their own word."""
    via: str | None = None
    """How: `cli`, `update` (the Temporal UI, HTTP, a Client), or `journal`, taken over from the run that is resumed."""
    answered_at: str | None = None


class AnswerInput(Wire):
    """Argument of the Update `answer`."""

    answer: Any
    """One of the question's options, or its text; any value where it has none."""
    question: str | None = None
    """Its id; `None` answers the only open one."""
    by: str | None = None
    """Who answers."""
    via: str | None = None
    """How, where that is known."""


class AnswerResult(Wire):
    """What was answered."""

    question: str
    answer: Any


class EventInput(Wire):
    """Argument of the Signal `event`: something that happened outside, for `waitFor(name)`."""

    name: str
    payload: Any = None
