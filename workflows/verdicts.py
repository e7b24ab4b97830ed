"""What the votes of a review come to, and whether another round can change it. Pure.

Silence is never a vote: a reviewer that died, abstained or answered something else counts for neither side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .review_contracts import ReviewResult, Verdict, Vote

LENSES = (
    "correctness: does it do and say what it should, in every case, the edges included?",
    "security: what can be abused, leaked, injected, or reached without being allowed to?",
    "assume it is wrong, and find where",
    "completeness: what was asked for and is missing, or only looks done?",
    "evidence: is each claim borne out by something that can be checked? Check it",
)
"""In the order in which reviewers get them, where the script names none."""


def lenses_of(given: Sequence[str], reviewers: int) -> list[str]:
    """A lens for each reviewer; where there are fewer lenses, several reviewers have the same."""
    lenses = given or LENSES
    return [lenses[index % len(lenses)] for index in range(reviewers)]


def verdict_of(votes: Iterable[Vote], quorum: int) -> Verdict:
    """What the votes of one round say (SCRIPT_API §3).

    Args:
        votes: of that round; abstentions are no votes.
        quorum: how many votes decide, at least 1.
    """
    assert quorum >= 1
    opinions = [vote.verdict for vote in votes]
    passes, fails = opinions.count("pass"), opinions.count("fail")
    if passes + fails < quorum:
        return "unverified"
    if passes >= quorum > fails:
        return "confirmed"
    if fails >= quorum > passes:
        return "refuted"
    return "disputed"


def vote_from(answer: Any, *, round: int, agent: str | None, lens: str) -> Vote:
    """A reviewer's answer as a vote; what is no answer of that form is an abstention."""
    opinion = answer.get("verdict") if isinstance(answer, dict) else None
    if opinion not in ("pass", "fail", "abstain"):
        return Vote(round=round, agent=agent, lens=lens, verdict="abstain", reason="its answer has no verdict")
    return Vote(
        round=round,
        agent=agent,
        lens=lens,
        verdict=opinion,
        objections=_texts(answer.get("objections")),
        evidence=_texts(answer.get("evidence")),
    )


def silent(reason: str, *, round: int, agent: str | None, lens: str) -> Vote:
    """The vote of a reviewer that has none: dead, or refused by a cap."""
    return Vote(round=round, agent=agent, lens=lens, verdict="abstain", reason=reason)


def failing(votes: Iterable[Vote]) -> list[Vote]:
    """Votes against the work."""
    return [vote for vote in votes if vote.verdict == "fail"]


class Rounds:
    """The rounds of one review: all votes, and what they come to."""

    def __init__(self, quorum: int, rounds_max: int, *, revises: bool) -> None:
        self._quorum = quorum
        self._rounds_max = rounds_max if revises else 1
        self._held: list[list[Vote]] = []

    @property
    def number(self) -> int:
        """Rounds held."""
        return len(self._held)

    @property
    def last(self) -> list[Vote]:
        """Votes of the last round."""
        return self._held[-1] if self._held else []

    @property
    def votes(self) -> list[Vote]:
        """All votes."""
        return [vote for held in self._held for vote in held]

    @property
    def verdict(self) -> Verdict:
        """Of the last round: earlier ones were about other work."""
        return verdict_of(self.last, self._quorum)

    def hold(self, votes: list[Vote]) -> None:
        """A round is over."""
        self._held.append(votes)

    @property
    def goes_on(self) -> bool:
        """Whether the author should revise and another round be held."""
        against = failing(self.last)
        if self.verdict == "confirmed" or not against or self.number >= self._rounds_max:
            return False
        return not self._returned(against)

    def _returned(self, against: list[Vote]) -> bool:
        """Whether an earlier round had the very same objections: the author does not give way, or goes in circles."""
        now = _raised(against)
        return any(_raised(failing(held)) == now for held in self._held[:-1])

    def result(self, work: Any, *, marked: bool = False) -> ReviewResult:
        """What the review came to, with the work as it was last reviewed.

        Args:
            marked: of a disputed work, what those say that accept it is marked as theirs.
        """
        verdict, against = self.verdict, failing(self.last)
        positions = [vote for vote in self.last if vote.verdict != "abstain"] if verdict == "disputed" else []
        standing = [text for vote in against for text in vote.objections or [_no_reason(vote)]]
        if verdict == "disputed":
            standing += [
                f"passed ({vote.lens.partition(':')[0]}): {text}" if marked else text
                for vote in positions
                if vote.verdict == "pass"
                for text in (_said_for(vote) if not marked or vote.objections or vote.evidence else ["gave no reason"])
            ]
        return ReviewResult(
            verdict=verdict,
            votes=self.votes,
            rounds=self.number,
            final=work,
            objections=distinct(standing),
            evidence=distinct(text for vote in self.last if vote.verdict != "abstain" for text in vote.evidence),
            positions=positions,
        )


def distinct(texts: Iterable[str]) -> list[str]:
    """Texts without those that say the same again, in order."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(normal(text), text)
    return list(first.values())


def normal(text: str) -> str:
    """A text as it is compared: without case, punctuation, and differences of blanks."""
    return " ".join("".join(char if char.isalnum() else " " for char in text.casefold()).split()) or text.strip()


def _raised(votes: Iterable[Vote]) -> frozenset[str]:
    return frozenset(normal(text) for vote in votes for text in vote.objections)


def _said_for(vote: Vote) -> list[str]:
    return [*vote.objections, *vote.evidence] or [f"passed without a reason given ({vote.lens})"]


def _no_reason(vote: Vote) -> str:
    return f"failed without a reason given ({vote.lens})"


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        value = [] if value is None else [value]
    return [text for item in value if (text := str(item).strip())]
