"""What is known about a run: its agents, phases, failures, usage. Pure bookkeeping; times come from the caller.

From it follow the census and the report that people and programs read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from .bounds import LINE_CHARS, TITLE_CHARS, cut
from .carry_contracts import AgentRow, LedgerState
from .contracts import (
    AgentState,
    AgentView,
    Census,
    Failure,
    ModelView,
    PhaseView,
    ReviewCounts,
    RunReport,
    Usage,
)
from .models import same
from .review_views import ReviewView
from .share_contracts import ToolCounts

LOG_LINES_KEPT = 500
"""Narrator lines in a run's status (SCRIPT_API §2, `log`)."""
LABEL_CHARS = 80


@dataclass(slots=True)
class Agent:
    """One `agent()` call that was not refused."""

    id: str
    label: str
    phase: str | None
    model: str
    state: AgentState = "queued"
    asked: str | None = None
    """The model asked for, where another one served."""
    attempts: int = 1
    usage: Usage = field(default_factory=Usage)
    thrown_away: Usage | None = None
    """Of earlier conversations that a person had it leave for a new one; in `usage` too."""
    tools: ToolCounts = field(default_factory=ToolCounts)
    started: float | None = None
    ended: float | None = None
    """Workflow time, Unix seconds."""

    def view(self) -> AgentView:
        """The agent as one row of a list."""
        ms = 0 if self.started is None or self.ended is None else round((self.ended - self.started) * 1000)
        return AgentView(
            id=self.id,
            label=self.label,
            phase=self.phase,
            state=self.state,
            model=self.model,
            asked=self.asked,
            attempts=self.attempts,
            usage=self.usage,
            usd=self.usage.usd,
            ms=ms,
            tools=self.tools,
        )


class RunLedger:
    """The run's books. Every `agent()` call is in exactly one state, or it was refused and is only a failure."""

    def __init__(self, phases: list[str]) -> None:
        self.agents: dict[str, Agent] = {}
        self.failures: list[Failure] = []
        self.usage = Usage()
        self.lost = Usage()
        """Of answers that broke off: it may be billed."""
        self.reviews = ReviewCounts()
        self.review_views: list[ReviewView] = []
        self.log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self.unsaved_log: list[str] = []
        self.unsaved_chars = 0
        self._numbered = 0
        self._counts: dict[AgentState, int] = dict.fromkeys(
            ("queued", "running", "done", "cached", "failed", "skipped"), 0
        )
        self._phases: dict[str, PhaseView] = {}
        for title in phases:
            self.phase(title)

    @classmethod
    def restored(cls, state: LedgerState) -> RunLedger:
        """The books of a run that goes on in a new history."""
        ledger = cls([])
        for row in state.agents:
            ledger.agents[row.id] = Agent(**{name: getattr(row, name) for name in AgentRow.model_fields})
            ledger._counts[row.state] += 1
        ledger.failures, ledger.usage, ledger.reviews = state.failures, state.usage, state.reviews
        ledger.lost = state.lost
        ledger.review_views = list(state.review_views)
        ledger._phases = {view.title: view for view in state.phases}
        ledger._numbered = state.numbered
        ledger.log.extend(state.log)
        ledger.unsaved_log, ledger.unsaved_chars = state.unsaved_log, sum(map(len, state.unsaved_log))
        return ledger

    def state(self) -> LedgerState:
        """All of it, to be taken along."""
        reviewed = {"review_views": self.review_views} if self.review_views else {}
        return LedgerState(
            **reviewed,
            agents=[
                AgentRow(**{name: getattr(a, name) for name in AgentRow.model_fields}) for a in self.agents.values()
            ],
            failures=self.failures,
            usage=self.usage,
            lost=self.lost,
            reviews=self.reviews,
            phases=self.phases,
            numbered=self._numbered,
            log=list(self.log),
            unsaved_log=self.unsaved_log,
        )

    # ---------------------------------------------------------------------------------------------- agents

    def next_id(self) -> str:
        """A new agent id; refused calls have one too, so that a failure can be named."""
        self._numbered += 1
        return f"a{self._numbered}"

    def queue(self, agent: Agent) -> None:
        """An agent was asked for and waits for its turn."""
        self.agents[agent.id] = agent
        self._counts["queued"] += 1
        if agent.phase is not None:
            self.phase(agent.phase).agents += 1

    def start(self, agent: Agent, now: float) -> None:
        """An agent was dispatched, or goes on."""
        if agent.started is None:
            agent.started = now
        self._move(agent, "running")

    def pause(self, agent: Agent) -> None:
        """A running agent waits for its turn again, within its conversation."""
        if agent.state == "running":
            self._move(agent, "queued")

    def pay(self, agent: Agent, usage: Usage) -> None:
        """An agent's conversation has used so much since it began; an end that does not know leaves what is known."""
        if agent.thrown_away is not None:
            usage = agent.thrown_away.plus(usage)
        if usage.tokens < agent.usage.tokens:
            return
        self.usage = self.usage.plus(usage.minus(agent.usage))
        if agent.phase is not None:
            phase = self.phase(agent.phase)
            phase.usage = phase.usage.plus(usage.minus(agent.usage))
        agent.usage = usage

    def served(self, agent: Agent, model: str | None) -> bool:
        """Which model answered, where that is known. Whether it is another one than was asked for, for the first time.

        A dated or a platform's id of the same model is the same.
        """
        if model is None or same(agent.model, model):
            return False
        first = not any((each.asked, each.model) == (agent.model, model) for each in self.agents.values())
        agent.asked, agent.model = agent.model, model
        return first

    def end(
        self,
        agent: Agent,
        state: AgentState,
        now: float,
        usage: Usage | None = None,
        attempts: int = 1,
        *,
        tools: ToolCounts | None = None,
    ) -> None:
        """An agent ended, with what it used."""
        agent.ended, agent.attempts = now, attempts
        agent.tools = tools or agent.tools
        if usage is not None:
            self.pay(agent, usage)
        self._move(agent, state)
        if agent.phase is not None and state in ("done", "cached"):
            self.phase(agent.phase).done += 1

    def add_usage(self, agent: Agent, usage: Usage) -> None:
        """What an agent used after it had ended once, as over a conflict of its commit."""
        agent.usage = agent.usage.plus(usage)
        self.usage = self.usage.plus(usage)
        if agent.phase is not None:
            phase = self.phase(agent.phase)
            phase.usage = phase.usage.plus(usage)

    def requeue(self, agent: Agent) -> None:
        """A running agent starts over. What its conversation has cost stays paid."""
        agent.started, agent.thrown_away = None, agent.usage
        self._move(agent, "queued")

    def withdraw(self, agent: Agent) -> None:
        """A queued agent was refused by a cap after all: it was never an agent."""
        del self.agents[agent.id]
        self._counts[agent.state] -= 1
        if agent.phase is not None:
            self.phase(agent.phase).agents -= 1

    def fail(
        self, agent_id: str, label: str, phase: str | None, kind: str, message: str, *, raw: str | None = None
    ) -> None:
        """Write down a call that has no value; `raw` is where its unusable answer is kept."""
        given = {} if raw is None else {"raw": raw}
        self.failures.append(Failure(agent=agent_id, label=label, phase=phase, kind=kind, message=message, **given))

    def reviewed(self, view: ReviewView) -> None:
        """A review has ended."""
        setattr(self.reviews, view.verdict, getattr(self.reviews, view.verdict) + 1)
        self.review_views.append(view)

    def _move(self, agent: Agent, state: AgentState) -> None:
        self._counts[agent.state] -= 1
        self._counts[state] += 1
        agent.state = state

    # ------------------------------------------------------------------------------------- phases and lines

    def phase(self, title: str) -> PhaseView:
        """The phase of that title; new titles get a group of their own, after those there are."""
        title = cut(title, TITLE_CHARS)
        if title not in self._phases:
            self._phases[title] = PhaseView(title=title)
        return self._phases[title]

    @property
    def phases(self) -> list[PhaseView]:
        """Phases in order of appearance."""
        return list(self._phases.values())

    def say(self, line: str) -> None:
        """A narrator line."""
        self.log.append(cut(line, LINE_CHARS))
        self.unsaved_log.append(line)
        self.unsaved_chars += len(line)

    def take_unsaved_log(self) -> list[str]:
        """Lines that are not in the store yet; they count as saved from here on."""
        lines, self.unsaved_log = self.unsaved_log, []
        self.unsaved_chars = 0
        return lines

    # ----------------------------------------------------------------------------------------------- figures

    @property
    def census(self) -> Census:
        """Disjoint counts; their sum is `agents`."""
        return Census(agents=len(self.agents), **self._counts)

    def models(self) -> list[ModelView]:
        """Agents and usage by model, in order of appearance. Only those that were asked."""
        found: dict[str, ModelView] = {}
        for agent in self.agents.values():
            if agent.started is not None:
                view = found.setdefault(agent.model, ModelView(model=agent.model))
                view.agents += 1
                view.usage = view.usage.plus(agent.usage)
        return list(found.values())

    def partial(self, ref: str) -> dict[str, str]:
        """Store keys of every finished agent's record. `ref` is a template with `{agent}`."""
        return {a.id: ref.format(agent=a.id) for a in self.agents.values() if a.state in ("done", "cached")}

    def fill(self, report: RunReport, *, agents: Literal["all", "running", "none"]) -> RunReport:
        """Put the figures into a report, with all agents, those under way, or none."""
        report.census = self.census
        report.failures = list(self.failures)
        report.usage, report.lost = self.usage, self.lost
        report.verification = report.verification.model_copy(update={"reviews": self.reviews.model_copy()})
        report.phases = self.phases
        report.models = self.models() if agents == "all" else []
        shown = () if agents == "none" else self.agents.values()
        report.reviews = list(self.review_views) if agents == "all" else []
        report.agents = [a.view() for a in shown if agents == "all" or a.state == "running"]
        return report


def label_of(label: str | None, prompt: str) -> str:
    """Display name of an agent: the given one, else the start of its prompt, on one line."""
    text = " ".join((label or prompt).split())
    return text if len(text) <= LABEL_CHARS else text[: LABEL_CHARS - 1] + "…"


def title_of(phase: object) -> str | None:
    """The title of a phase as a call names it."""
    return None if phase is None else cut(str(phase), TITLE_CHARS)
