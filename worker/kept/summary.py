"""A run as its report tells it: what was planned, what came of it, what was checked, what was lost, what it cost.

Built in one pass over the agents; of each only what a page can show is kept, so that a run of thousands fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tenuto.workflows import truth
from tenuto.workflows.contracts import RunReport, Usage

from ..cli.policy_words import may_touch
from .excerpts import COSTLIEST, EXCERPT_CHARS, excerpt
from .facts import Books
from .findings import Finding, Findings
from .run import KeptRun

RESULT_CHARS = 100_000
DETAILED_MAX = 300
"""Agents, and likewise reviews, that are shown with their texts: the worst first. `tenuto audit` has all of them."""
LOG_LINES_MAX = 200
NO_PHASE = "(no phase)"
TROUBLED = ("failed", "refused", "lost", "skipped")


@dataclass(slots=True)
class Spent:
    """What one phase, model or agent cost."""

    name: str
    agents: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Summary:
    """Everything that the templates show."""

    run_id: str
    report: RunReport
    description: str = ""
    args: str | None = None
    workspace: str | None = None
    base: str | None = None
    model: str = ""
    caps: str = ""
    touches: list[str] = field(default_factory=list)
    phase_details: dict[str, str] = field(default_factory=dict)
    resumed_from: str | None = None
    result: str | None = None
    result_cut: bool = False
    agents: list[dict[str, Any]] = field(default_factory=list)
    """Those shown with their texts, troubled ones first, then in order."""
    agents_left_out: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_left_out: int = 0
    other_models: list[dict[str, Any]] = field(default_factory=list)
    """Agents that another model served than was asked for."""
    refusals: list[dict[str, Any]] = field(default_factory=list)
    """Agents with tool calls that were refused or failed."""
    by_phase: list[Spent] = field(default_factory=list)
    by_model: list[Spent] = field(default_factory=list)
    costliest: list[Spent] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    log_left_out: int = 0

    @property
    def verified(self) -> bool:
        """Whether anything at all was checked: by a gate, or by a review with a verdict."""
        return truth.verified(self.report)

    @property
    def money_told(self) -> bool:
        """Whether there is anything to tell of money: nothing was asked of a model in a run without agents."""
        return bool(self.by_model or self.costliest or self.report.lost.usd or self.report.usage.tokens)

    @property
    def notices(self) -> list[str]:
        """What the run itself says a reader should know; that nothing was verified stands in a place of its own."""
        return [notice for notice in self.report.notices if not notice.startswith("nothing was verified")]

    @property
    def dropped(self) -> list[str]:
        """What is missing from the result or speaks against it, in words."""
        census, reviews = self.report.census, self.report.verification.reviews
        refused = len({each.agent for each in self.report.failures} - {agent.id for agent in self.report.agents})
        said = [
            (census.failed, "agent ended without a value", "agents ended without a value"),
            (refused, "call was refused by a cap", "calls were refused by a cap"),
            (census.skipped, "agent was skipped", "agents were skipped"),
            (reviews.unverified, "review came to no verdict", "reviews came to no verdict"),
            (reviews.refuted, "review refuted what it judged", "reviews refuted what they judged"),
            (reviews.disputed, "review is disputed", "reviews are disputed"),
            (sum(not gate.passed for gate in self.report.gates), "gate is not green", "gates are not green"),
            (sum(gate.flaky for gate in self.report.gates), "gate is flaky", "gates are flaky"),
        ]
        states = [question.state for question in self.report.questions]
        said += [
            (states.count("default"), "question got its default: nobody answered", "questions got their defaults"),
            (states.count("expired"), "question was not answered in time", "questions were not answered in time"),
        ]
        return [f"{count:,} {one if count == 1 else many}" for count, one, many in said if count]


async def summary(run: KeptRun, result: bytes | None, log: list[str]) -> Summary:
    """Gather the report of one run.

    Args:
        result: its result as JSON, where it has one.
        log: its narrator lines.

    Raises:
        What the store raises.
    """
    report = run.report or RunReport(
        run_id=run.id, workflow=run.input.script.name if run.input else "?", status="running"
    )
    told = Summary(run.id, report)
    await _plan(told, run)
    if result is not None:
        text = _pretty(result)
        told.result, told.result_cut = text[:RESULT_CHARS], len(text) > RESULT_CHARS
    told.log, told.log_left_out = log[-LOG_LINES_MAX:], max(0, len(log) - LOG_LINES_MAX)
    await _agents(told, run)
    _money(told)
    return told


async def _plan(told: Summary, run: KeptRun) -> None:
    given, setup = run.input, await run.setup()
    told.base = setup.base if setup else None
    if given is None:
        return
    limits = given.limits
    told.description, told.model, told.workspace = given.script.description, given.model, given.workspace
    told.args = json.dumps(given.args, ensure_ascii=False, indent=2)[:EXCERPT_CHARS] if given.has_args else None
    told.caps = f"{limits.agents:,} agent{'' if limits.agents == 1 else 's'}, {limits.concurrency} at once"
    told.caps += f", ${limits.usd:g} at most" if limits.usd is not None else ", no ceiling in dollars"
    told.touches = may_touch(given.policy) if given.policy else []
    told.phase_details = {phase.title: phase.detail for phase in given.script.phases if phase.detail}
    told.resumed_from = given.resume_from


async def _agents(told: Summary, run: KeptRun) -> None:
    books = Books(run)
    reviews = run.report.reviews if run.report else []
    findings = Findings(reviews)
    troubled: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    count = 0
    async for kept in run.agents():
        agent = _shortened(books.agent(kept))
        count += 1
        findings.add(kept.id, str(agent["label"]), kept.record)
        row = {"id": agent["id"], "label": agent["label"]}
        if agent["model_served"] and agent["model_asked"] and agent["model_served"] != agent["model_asked"]:
            told.other_models.append({**row, "asked": agent["model_asked"], "served": agent["model_served"]})
        if agent["tool_calls"]["failed"] or agent["tool_calls"]["refused"]:
            told.refusals.append({**row, **agent["tool_calls"]})
        kind = troubled if agent["state"] in TROUBLED else others
        if len(kind) < DETAILED_MAX:
            kind.append(agent)
    told.agents = [*troubled, *others][:DETAILED_MAX]
    told.agents_left_out = count - len(told.agents)
    told.findings = findings.told(DETAILED_MAX)
    told.findings_left_out = len(reviews) - len(told.findings)


def _shortened(agent: dict[str, Any]) -> dict[str, Any]:
    """What a page shows of an agent."""
    result = agent["result"]
    text = result if isinstance(result, str) or result is None else json.dumps(result, ensure_ascii=False, indent=2)
    kept = (
        "id",
        "label",
        "phase",
        "state",
        "failure",
        "model_asked",
        "model_served",
        "tool_calls",
        "usage",
        "attempts",
    )
    shown = {key: agent[key] for key in (*kept, "turns", "ms", "commit", "branch", "recalled")}
    shown["prompt"] = excerpt(str(agent["prompt"])) if agent["prompt"] is not None else None
    shown["result"] = excerpt(text) if text is not None else None
    shown["commands"] = agent["commands"][:COSTLIEST]
    shown["files_written"] = list(agent["files_written"])[:COSTLIEST]
    shown["refused_calls"] = agent["refused_calls"][:3]
    if shown["failure"] and shown["failure"].get("raw"):
        shown["failure"] = {**shown["failure"], "raw": excerpt(shown["failure"]["raw"])}
    return shown


def _money(told: Summary) -> None:
    phases: dict[str, Spent] = {phase.title: Spent(phase.title) for phase in told.report.phases}
    models: dict[str, Spent] = {}
    agents: list[Spent] = []
    for row in told.report.agents:
        for group, name in ((phases, row.phase or NO_PHASE), (models, row.model)):
            spent = group.setdefault(name, Spent(name))
            spent.agents += 1
            spent.usage = spent.usage.plus(row.usage)
        agents.append(Spent(f"{row.id} {row.label}", 1, row.usage))
    # The run's own books know of restarts too; a run of an earlier version has none.
    for view in told.report.phases:
        if view.usage.usd > phases[view.title].usage.usd:
            phases[view.title].usage = view.usage
    told.by_phase = list(phases.values())
    booked = [Spent(view.model, view.agents, view.usage) for view in told.report.models]
    told.by_model = _costliest(booked or models.values())
    told.costliest = [spent for spent in _costliest(agents)[:COSTLIEST] if spent.usage.usd]


def _costliest(spent: Iterable[Spent]) -> list[Spent]:
    return sorted(spent, key=lambda each: -each.usage.usd)


def _pretty(result: bytes) -> str:
    value = json.loads(result)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
