"""What the Temporal UI shows of a review, round by round. Pure."""

from __future__ import annotations

from .details import table
from .verdicts import Rounds


def markdown(rounds: Rounds, doing: str) -> str:
    """The review on one page."""
    parts = [f"**{rounds.verdict if rounds.number else 'no vote yet'}** · {doing}"]
    for number in range(1, rounds.number + 1):
        rows = [
            (vote.verdict, vote.lens, vote.agent, "; ".join(vote.objections) or vote.reason or "")
            for vote in rounds.votes
            if vote.round == number
        ]
        parts += [f"### Round {number}", table(("Vote", "Lens", "Agent", "Objections"), rows)]
    return "\n\n".join(parts)
