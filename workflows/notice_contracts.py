"""Wire contracts of notices: what a run tells people outside, by a command or a URL of theirs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from temporalio import activity

from .contracts import Census, RunError, Usage, WaitingFor
from .people_contracts import QuestionView
from .wire import Wire, only_an_interface

NoticeEvent = Literal["question", "waiting", "ended"]


class Notice(Wire):
    """One thing that happened to a run, once: this very document is what a hook is given."""

    id: str
    """`wf_1/notice-2`: the same on every attempt, for whoever must not act twice."""
    event: NoticeEvent
    at: str
    run_id: str
    workflow: str
    status: str
    owner: str | None = None
    message: str
    """What happened, in one line."""
    question: QuestionView | None = None
    """Of `question`."""
    answer_with: str | None = None
    """Of `question`: the command that answers it."""
    waiting_for: WaitingFor | None = None
    """Of `waiting`."""
    error: RunError | None = None
    """Of a run that failed."""
    census: Census = Field(default_factory=Census)
    usage: Usage = Field(default_factory=Usage)


class NoticeInput(Wire):
    """The one argument of `Notification`."""

    notice: Notice


class NoticeResult(Wire):
    """How `Notification` ends."""

    told: bool
    """False where the Worker has no hook."""


@activity.defn(name="notify")
async def notify(input: NoticeInput) -> bool:
    """Call the hook of this Worker; false where it has none. Fails, to be tried again, where the hook does."""
    raise only_an_interface("notify")


def plain(notice: Notice) -> dict[str, Any]:
    """The document as JSON: every field, given or not."""
    return notice.model_dump(mode="json")
