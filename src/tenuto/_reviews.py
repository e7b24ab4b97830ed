"""Adversarial reviews and quality patterns: what checks the work of agents. Import them from `tenuto`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ._steps import _outside_a_run


async def review(
    work: object,
    *,
    reviewers: int | None = None,
    lenses: Sequence[str] | None = None,
    quorum: int | Literal["all"] | None = None,
    rounds: int | None = None,
    revise: str | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
) -> dict[str, Any]:
    """Have work judged by independent reviewers, and revised by its author until they accept it.

    Args:
        work: text, or a plain value; reviewers see it and nothing of how it came about. `{"commit": …, "paths": […]}`
            is what that commit changed since the run's base (`paths`, if given, are patterns). With the answer of an
            agent that had a worktree they see what it changed besides.
        reviewers: how many in each round; 2, or one for each lens.
        lenses: what each reviewer looks for; by default correctness, security, "assume it is wrong", …
        quorum: votes that decide; by default all.
        rounds: most rounds, 3 by default; without `revise` there is one.
        revise: what the author is told besides the objections. The author is the agent whose value `work` is, and goes
            on in its own conversation and checkout; where there is none, an agent is asked in its place.
        model: of the reviewers, `opus` by default.
        effort: how hard they think.

    Returns:
        `verdict`: `confirmed`, `refuted`, `disputed` (reviewers disagree), or `unverified` (too few votes).
        `votes`: one dict a reviewer and round: `round`, `agent`, `lens`, `verdict` (`pass`, `fail`, `abstain`),
        `objections`, `evidence`, `reason` (why there is no vote). `rounds`: how many there were. `final`: the work as
        last reviewed. `objections`: those that stand; of disputed work, what both sides say; what
        those say that pass begins with `passed (LENS):`. `evidence`: of the last round. `positions`: of disputed work,
        the votes that contradict each other.
        `commit`: as last reviewed, where there is one.

    Raises:
        RuntimeError: `bad_arguments: …`; `not_found: …`, no such commit; `limit: …` when a cap of the run left not
            one reviewer.
    """
    raise _outside_a_run("review")


async def converge(
    prompt: object,
    *,
    angles: Sequence[str] | None = None,
    rounds: int | None = None,
    quorum: int | None = None,
    schema: Mapping[str, Any] | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
) -> dict[str, Any]:
    """Have a question answered from several angles, and the answers refuted by each other, until they agree.

    Args:
        prompt: the question.
        angles: the hypothesis that each attempt begins with, two at least; three by default.
        rounds: most rounds, 3 by default. From the second on each attempt sees what the others hold.
        quorum: attempts that must agree; by default all.
        schema: of the answers, whose equality then decides. Without one an agent says which texts claim the same.
        model: of the attempts, `opus` by default.
        effort: how hard they think.

    Returns:
        `verdict`: `confirmed`, `disputed`, or `unverified` (too few attempts lived). `value`: the answer, `None` unless
        confirmed. `positions`: one dict an attempt: `angle`, `agent`, `value`, `group` (equal for those that agree),
        `reason` (why there is no answer). `rounds`: how many there were.

    Raises:
        RuntimeError: `bad_arguments: …`; `limit: …` when a cap of the run left not one attempt.
    """
    raise _outside_a_run("converge")


async def vote(
    prompt: object,
    *,
    n: int | None = None,
    quorum: int | None = None,
    schema: Mapping[str, Any] | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
) -> dict[str, Any]:
    """Ask several agents the same, independently, and take the answer that enough of them give.

    Args:
        prompt: what each is asked.
        n: how many are asked, 3 by default.
        quorum: equal answers that decide; by default more than half of `n`.
        schema: of the answers. Without one, texts that differ in case, blanks and punctuation only are equal.
        model: of the agents.
        effort: how hard they think.

    Returns:
        `verdict`: `confirmed`, `disputed`, or `unverified` (fewer answers than the quorum). `value`: the answer, `None`
        unless confirmed. `tally`: `value` and `votes` of each answer, most votes first. `live`: how many answered.

    Raises:
        RuntimeError: `bad_arguments: …`; `limit: …` when a cap of the run left not one agent.
    """
    raise _outside_a_run("vote")


async def judge(
    candidates: Sequence[object],
    *,
    criteria: str | Sequence[str] | None = None,
    judges: int | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
) -> dict[str, Any]:
    """Have candidates compared by several judges, each of whom sees them in another order.

    Args:
        candidates: texts or plain values.
        criteria: what to judge by.
        judges: how many, 3 by default.
        model: of the judges, `opus` by default.
        effort: how hard they think.

    Returns:
        `winner`: index of the best candidate, `None` where no judge judged. `value`: that candidate. `scores`: mean
        mark of each candidate, 0 to 10. `votes`: `scores` and `reason` of each judge. `tied`: all with the best mark.

    Raises:
        RuntimeError: as `vote`.
    """
    raise _outside_a_run("judge")


async def critic(
    result: object,
    *,
    task: str | None = None,
    model: str | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | str | None = None,
) -> dict[str, Any]:
    """Have one agent look for what is missing, wrong or unproven in a result.

    Args:
        result: text, or a plain value.
        task: what was asked for.
        model: of the critic, `opus` by default.
        effort: how hard it thinks.

    Returns:
        `verdict`: `complete`, `incomplete`, or `unverified` (no answer). `missing`: what to do next. `evidence`.

    Raises:
        RuntimeError: as `vote`.
    """
    raise _outside_a_run("critic")


async def until_dry(
    finder: Callable[..., Any],
    *,
    key: Callable[[Any], object] | None = None,
    empty_rounds: int = 2,
    max_rounds: int = 20,
) -> dict[str, Any]:
    """Look for items again and again, until several rounds in a row bring nothing new.

    Args:
        finder: called with all items so far and the number of the round, with the items only, or with nothing, as it
            takes them. It gives a list, or `None` where it could not look, which does not count as an empty round.
        key: what makes two items the same; by default their value.
        empty_rounds: rounds in a row without a new item that end it.
        max_rounds: most rounds.

    Returns:
        `items`: each once, in the order of their discovery. `rounds`. `dry`: false where `max_rounds` ended it.
    """
    raise _outside_a_run("until_dry")
