"""What a reader should know before trusting a run's result. Pure.

A run is `completed` only where everything its result may rest on did its work: no failure of an agent or a reviewer,
the last outcome of every gate green, no review without a verdict. Otherwise it is `degraded`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .bounds import cut
from .contracts import AgentView, RunReport, RunState
from .failure_kinds import TRIPPED

NAMED = 3
"""Gates and works that a notice names; all are in the report."""
NAME_CHARS = 80


def ended_status(report: RunReport) -> RunState:
    """How a run that returned a value ended."""
    red = any(not gate.passed for gate in report.gates)
    return "degraded" if red or report.failures or report.verification.reviews.unverified else "completed"


def notices(report: RunReport, agents: Iterable[AgentView], tripped: str) -> list[str]:
    """Sentences about the run, gravest first; of one that has ended with a value all of them, else those known so far.

    Args:
        agents: every agent of the run.
        tripped: why no further agent was launched, if so.
    """
    census, ended = report.census, report.status in ("completed", "degraded")
    found: list[str] = []
    if ended and not census.done + census.cached and (census.agents or report.failures):
        found.append("no agent of this run did its work: whatever its result says, it rests on none of them")
    if tripped:
        skipped = sum(failure.kind == TRIPPED for failure in report.failures)
        found.append(f"the run was cut short: {_agents(skipped)} {_were(skipped)} not launched, because {tripped}")
    if report.failures:
        found.append(f"without a value: {causes(report)}")
    if unverified := report.verification.reviews.unverified:
        found.append(f"reviews that came to no verdict, so that what they were to judge is unverified: {unverified}")
    red = [gate.name for gate in report.gates if not gate.passed]
    if ended and red:
        found.append(f"red at their last run: {_named(red, 'gate')}")
    if objections := _objections(report):
        found.append(objections)
    if ended and not verified(report):
        found.append("nothing was verified: no gate and no review says anything about this result")
    found += _served(agents)
    if report.lost.tokens:
        lost = report.lost
        found.append(
            f"answers broke off, or were lost with their Worker, and were asked for again: about {lost.tokens:,} "
            f"tokens, ${lost.usd:.4f}, may be billed beside what is counted here"
        )
    return found


def verified(report: RunReport) -> bool:
    """Whether any gate or review came to an outcome."""
    reviews = report.verification.reviews
    return bool(report.gates or reviews.confirmed or reviews.refuted or reviews.disputed)


def causes(report: RunReport) -> str:
    """Failures by kind, the most frequent first: `3 schema, 1 refusal`."""
    kinds = Counter(failure.kind for failure in report.failures)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def tools_used(agent: AgentView) -> str:
    """Tool calls of an agent in words: `12 (2 failed, 1 refused)`; nothing for none."""
    tools = agent.tools
    bad = [f"{count} {word}" for count, word in ((tools.failed, "failed"), (tools.refused, "refused")) if count]
    return (f"{tools.calls} ({', '.join(bad)})" if bad else str(tools.calls)) if tools.calls else ""


def reviews_in_words(report: RunReport) -> str:
    """Reviews by verdict: `2 confirmed, 1 refuted`; nothing for none."""
    return ", ".join(f"{count} {verdict}" for verdict, count in report.verification.reviews if count)


def _objections(report: RunReport) -> str:
    """Reviews against what they were given. Whether the script did anything about it nobody can see from outside."""
    counts = report.verification.reviews
    parts = [f"{_count(counts.refuted, 'review')} refuted what {_it(counts.refuted)} given"] * bool(counts.refuted)
    if counts.disputed:
        parts.append(f"{counts.disputed if parts else _count(counts.disputed, 'review')} disputed, without agreement")
    if not parts:
        return ""
    works = [view.work for view in report.reviews if view.verdict in ("refuted", "disputed") and view.work]
    return f"{', '.join(parts)}{': ' if works else ''}{_listed(works)}; the result may rest on that all the same"


def _named(names: list[str], what: str) -> str:
    return f"{_count(len(names), what)} ({_listed(names)})"


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    shown = ", ".join(repr(cut(name, NAME_CHARS)) for name in names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def _it(count: int) -> str:
    return "it was" if count == 1 else "they were"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _served(agents: Iterable[AgentView]) -> list[str]:
    pairs = Counter((agent.asked, agent.model) for agent in agents if agent.asked is not None)
    return [
        f"{_agents(count)} asked for {asked} and {_were(count)} served by {model}"
        for (asked, model), count in pairs.items()
    ]


def _agents(count: int) -> str:
    return _count(count, "agent")


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
