"""What a review was about where that is a commit, and what was said of it: from the records of its agents.

The run's report names the commit; the reports of earlier versions do not, but every reviewer was shown it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.workflows.review_views import ReviewView

_HEAD = re.compile(r'^<change commit="([0-9a-f]{7,64})" since="([0-9a-f]{7,64})">\n', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A commit as a reviewer was shown it."""

    commit: str
    base: str
    diff: str


@dataclass(slots=True)
class Heard:
    """What the agents of reviews were shown and answered, by agent."""

    shown: dict[str, Shown] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    def add(self, agent: str, record: Mapping[str, Any], *, diff_chars: int) -> None:
        """Keep what counts of one agent's record; of a diff the first so many characters."""
        self.answers[agent] = record.get("value")
        if (shown := shown_in(str(record.get("prompt")), diff_chars)) is not None:
            self.shown[agent] = shown

    def named(self, review: ReviewView) -> ReviewView:
        """The review with its commit, where only its reviewers' prompts have that."""
        if review.base is not None or review.kind != "review":
            return review
        shown = self.last_shown(review)
        return review if shown is None else review.model_copy(update={"commit": shown.commit, "base": shown.base})

    def last_shown(self, review: ReviewView) -> Shown | None:
        """What the verdict is about: earlier rounds saw earlier commits."""
        last = max((vote.round for vote in review.votes), default=0)
        seen = (self.shown.get(vote.agent or "") for vote in review.votes if vote.round == last)
        return next((shown for shown in seen if shown is not None), None)

    def votes(self, review: ReviewView) -> list[dict[str, Any]]:
        """The votes, each with the objections of its own answer."""
        return [
            vote.model_dump(include={"agent", "round", "lens", "verdict", "reason"})
            | {"objections": texts_of(self.answers.get(vote.agent or ""), "objections")}
            for vote in review.votes
        ]


def shown_in(prompt: str, diff_chars: int) -> Shown | None:
    """The commit in the prompt of a reviewer; the last such head is ours: a diff has other characters in front."""
    head = _head(prompt)
    if head is None:
        return None
    diff = prompt[head.end() :].partition("\n</change>\n")[0]
    return Shown(head[1], head[2], diff[:diff_chars])


def without_change(prompt: str) -> str:
    """What comes before the diff."""
    head = _head(prompt)
    return prompt if head is None else prompt[: head.start()]


def _head(prompt: str) -> re.Match[str] | None:
    head = None
    for found in _HEAD.finditer(prompt):
        head = found
    return head


def diff_command(base: str, commit: str, paths: Iterable[str]) -> str:
    """What shows the same in the workspace."""
    words = ["git", "diff", base[:12], commit[:12]]
    specs = [f":(glob){path}" for path in paths]
    return shlex.join([*words, *(["--", *specs] if specs else [])])


def texts_of(answer: Any, field: str) -> list[str]:
    """Objections or evidence of a reviewer's answer."""
    value = answer.get(field) if isinstance(answer, dict) else None
    return [str(each) for each in value] if isinstance(value, list) else []
