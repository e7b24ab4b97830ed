"""Reviews as a report tells them: what was judged, by whose hand, who said what of it, and where all of it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenuto.workflows.review_views import ReviewView

from .excerpts import COSTLIEST, excerpt
from .reviewed import Heard, diff_command, texts_of

DIFF_CHARS = 3000
"""Of the diff of a commit that was reviewed; the command that shows all of it stands below."""
_WORST_FIRST = ("refuted", "disputed", "unverified", "confirmed")


@dataclass(frozen=True, slots=True)
class VoteTold:
    """One vote with what it rests on."""

    round: int
    lens: str
    agent: str | None
    verdict: str
    objections: list[str]
    evidence: list[str]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One review."""

    id: str
    kind: str
    phase: str | None
    verdict: str
    rounds: int
    work: str
    votes: list[VoteTold]
    author: str | None = None
    """Id and label."""
    commit: str | None = None
    paths: list[str] | None = None
    diff: str | None = None
    diff_cut: bool = False
    diff_command: str | None = None


class Findings:
    """Gathers what the agents of a run's reviews were shown and said."""

    def __init__(self, reviews: list[ReviewView]) -> None:
        self._reviews = sorted(reviews, key=lambda review: _WORST_FIRST.index(review.verdict))
        self._borrowed = {agent for review in reviews for agent in review.agents}
        self._heard = Heard()
        self._works: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def add(self, agent: str, label: str, record: Mapping[str, Any] | None) -> None:
        """Take what counts of one agent of the run, whichever it is."""
        self._labels[agent] = label
        if agent in self._borrowed and record is not None:
            self._heard.add(agent, record, diff_chars=DIFF_CHARS + 1)
            self._works[agent] = _work(str(record.get("prompt")))

    def told(self, most: int) -> list[Finding]:
        """So many of them, the worst first."""
        return [self._finding(review) for review in self._reviews[:most]]

    def _finding(self, held: ReviewView) -> Finding:
        review = self._heard.named(held)
        # Of several rounds the last work counts: it is what the verdict is about.
        last = max((vote.round for vote in review.votes), default=0)
        works = [self._works.get(vote.agent or "", "") for vote in review.votes if vote.round == last]
        given: dict[str, Any] = {}
        if review.author is not None:
            given["author"] = f"{review.author} {self._labels.get(review.author, '')}".strip()
        if review.commit is not None:
            given |= self._change(review, review.commit)
        return Finding(
            id=review.id,
            kind=review.kind,
            phase=review.phase,
            verdict=review.verdict,
            rounds=review.rounds,
            work=next((text for text in works if text), review.work),
            votes=self._votes(review),
            **given,
        )

    def _change(self, review: ReviewView, commit: str) -> dict[str, Any]:
        shown = self._heard.last_shown(review)
        given: dict[str, Any] = {"commit": commit, "paths": review.paths}
        if review.base is not None:
            given["diff_command"] = diff_command(review.base, commit, review.paths)
        if shown is not None:
            given |= {"diff": _whole_lines(shown.diff, DIFF_CHARS), "diff_cut": len(shown.diff) > DIFF_CHARS}
        return given

    def _votes(self, review: ReviewView) -> list[VoteTold]:
        votes = []
        for vote in review.votes:
            said = answer = self._heard.answers.get(vote.agent or "")
            if review.kind == "converge" and answer is not None:
                said = {"evidence": [answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)]}
            objections, evidence = (
                [excerpt(text) for text in texts_of(said, field)[:COSTLIEST]] for field in ("objections", "evidence")
            )
            votes.append(
                VoteTold(
                    round=vote.round,
                    lens=vote.lens,
                    agent=vote.agent,
                    verdict=vote.verdict,
                    objections=objections,
                    evidence=evidence,
                    reason=vote.reason,
                )
            )
        return votes


def _work(prompt: str) -> str:
    """The work as its reviewer was shown it."""
    _, found, rest = prompt.partition("<work>\n")
    return excerpt(rest.rpartition("\n</work>")[0]) if found else ""


def _whole_lines(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[:chars].rpartition("\n")[0]
