"""What a run takes along when it goes on in a new history (Continue-As-New): everything that it knows. Pure.

A script's session is carried as it is (`Session.state`), and with it each call that it waits for. Nothing is under way
at that moment: what is open is a call that was not begun yet, or one that waits for time, a person, or a lock.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .contracts import (
    AgentState,
    Failure,
    PhaseView,
    ReviewCounts,
    RunAgentInput,
    Script,
    Usage,
    WaitingFor,
)
from .gate_contracts import GateView
from .journal_contracts import KnownAnswer
from .people_contracts import QuestionView
from .review_views import ReviewView
from .setup_contracts import PrepareRunResult
from .share_contracts import ToolCounts
from .wire import Wire


class QueuedAgent(Wire):
    """An agent that waits for its turn; the books have it as `queued`."""

    input: RunAgentInput
    files: list[str] = Field(default_factory=list)
    """Its option `inputs`, for its journal entry, where it has none yet."""


class OpenCall(Wire):
    """A call that a script waits for."""

    id: int
    op: str
    args: dict[str, Any]
    phase: str | None = None
    order: int = 0
    """Among all calls of the run: what waits in line keeps its place."""
    until: float | None = None
    """When a `sleep` ends, or a `wait_for` is given up, Unix seconds."""
    question: str | None = None
    """Of an `ask`: its id."""
    agent: str | None = None
    """Of an `agent`: its id."""
    queued: QueuedAgent | None = None
    """Of an `agent` that waits for its turn."""
    script: ScriptState | None = None
    """Of a `workflow`: the script that was called."""


class ScriptState(Wire):
    """A script that waits."""

    script: Script | None = None
    """`None` for the run's own."""
    group: str | None = None
    phase: str | None = None
    depth: int = 0
    failures_told: int = 0
    session: dict[str, Any] = Field(default_factory=dict)
    """As `Session.state` gave it."""
    pending: list[int] = Field(default_factory=list)
    locks: list[str] = Field(default_factory=list)
    """Those that it holds."""
    calls: list[OpenCall] = Field(default_factory=list)


class AgentRow(Wire):
    """One agent of the books."""

    id: str
    label: str
    phase: str | None = None
    model: str
    state: AgentState
    asked: str | None = None
    attempts: int = 1
    usage: Usage = Field(default_factory=Usage)
    tools: ToolCounts = Field(default_factory=ToolCounts)
    started: float | None = None
    ended: float | None = None


class LedgerState(Wire):
    """The books."""

    agents: list[AgentRow] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage)
    lost: Usage = Field(default_factory=Usage)
    reviews: ReviewCounts = Field(default_factory=ReviewCounts)
    review_views: list[ReviewView] = Field(default_factory=list)
    phases: list[PhaseView] = Field(default_factory=list)
    numbered: int = 0
    log: list[str] = Field(default_factory=list)
    unsaved_log: list[str] = Field(default_factory=list)
    """Lines that are not in the store yet."""


class JournalState(Wire):
    """Names that were given, and what is left of an earlier run's entries."""

    ordinals: dict[str, int] = Field(default_factory=dict)
    entries: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    lost: dict[str, str] = Field(default_factory=dict)
    answers: dict[str, KnownAnswer] = Field(default_factory=dict)


class GatesState(Wire):
    """Gates by command."""

    views: dict[str, GateView] = Field(default_factory=dict)
    outcomes: dict[str, list[tuple[str, bool]]] = Field(default_factory=dict)
    failed: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    written: dict[str, str] = Field(default_factory=dict)


class QuestionsState(Wire):
    """What was asked, and events that nobody has waited for."""

    asked: list[QuestionView] = Field(default_factory=list)
    events: dict[str, list[Any]] = Field(default_factory=dict)


class HoldsState(Wire):
    """What holds the run up."""

    held: list[WaitingFor] = Field(default_factory=list)
    paused: bool = False
    resumed: int = 0


class MoneyState(Wire):
    """What is spent under ceilings, and the row of like failures. Nothing is reserved between two histories."""

    spent: dict[str, tuple[int, int, int]] = Field(default_factory=dict)
    """Scope (a phase, or "" for the run) -> billionths of a dollar, tokens, output tokens."""
    held: str = ""
    """What the run waits at a ceiling for, in words."""
    since: float = 0.0
    """When that wait began, in seconds since 1970."""
    given_up: bool = False
    failed_as: str = ""
    failed_in_a_row: int = 0
    tripped: str = ""
    lowered: int = 0
    """How often ceilings were lowered over what was under way."""


class AuthorRow(Wire):
    """An agent that gave a value, with the commit it left."""

    input: RunAgentInput
    commit: str | None = None


class AuthorsState(Wire):
    """Who gave what, by digest of the value, and by commit."""

    by_value: dict[str, AuthorRow] = Field(default_factory=dict)
    by_commit: dict[str, AuthorRow] = Field(default_factory=dict)
    unclear: list[str] = Field(default_factory=list)


class StepsState(Wire):
    """Numbers of steps."""

    numbered: int = 0
    large_total: int = 0


class Carried(Wire):
    """A run between two histories."""

    histories: int
    """How many there were."""
    began: float
    started_at: str
    calls: int = 0
    log_parts: int = 0
    setup: PrepareRunResult | None = None
    ledger: LedgerState
    journal: JournalState
    authors: dict[str, RunAgentInput] = Field(default_factory=dict)
    """As an earlier version carried them, by digest of the value."""
    authors_known: AuthorsState = Field(default_factory=AuthorsState)
    steps: StepsState
    reviews: int = 0
    gates: GatesState
    questions: QuestionsState
    holds: HoldsState
    notices: int = 0
    money: MoneyState = Field(default_factory=MoneyState)
    script: ScriptState
