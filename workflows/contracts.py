"""Wire contracts: what crosses a Temporal boundary, and the Activities by their interfaces.

Changes are additive: these shapes live in histories that outlast a deploy. Workflow code calls an Activity through the
stub declared here (same `name`, body raises), so that it never imports an implementation.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import Field
from temporalio import activity

from .gate_contracts import GateView
from .limit_contracts import Histories as Histories  # noqa: PLC0414 - others import it from here
from .limit_contracts import RunLimits as RunLimits  # noqa: PLC0414 - others import it from here
from .people_contracts import QuestionView
from .review_views import ReviewView
from .script.protocol import Dialect, LoadedScript, Phase
from .setup_contracts import Policy, WorkspaceOptions
from .share_contracts import Share, ToolCounts
from .usage import Usage as Usage  # noqa: PLC0414 - others import it from here
from .wire import Grown, Wire, only_an_interface

RunState = Literal["running", "waiting", "paused", "completed", "degraded", "failed", "stopped"]
AgentState = Literal["queued", "running", "done", "cached", "failed", "skipped"]


# ------------------------------------------------------------------------------------------------------ a run


class Script(Wire):
    """A script that was loaded and checked, with where it came from. A Workflow runs it without parsing it again."""

    name: str
    dialect: Dialect
    source: str
    sha256: str
    """Of the source as UTF-8."""
    description: str = ""
    phases: list[Phase] = Field(default_factory=list)
    meta: dict[str, Any] = Field(default_factory=dict)
    path: str | None = None

    @classmethod
    def of(cls, loaded: LoadedScript, path: str | None = None) -> Script:
        """The wire form of a loaded script."""
        return cls(
            name=loaded.name,
            dialect=loaded.dialect,
            source=loaded.source,
            sha256=hashlib.sha256(loaded.source.encode("utf-8", "surrogatepass")).hexdigest(),
            description=loaded.description,
            phases=list(loaded.phases),
            meta=loaded.meta,
            path=path,
        )

    def loaded(self) -> LoadedScript:
        """The script as an interpreter takes it."""
        return LoadedScript(
            dialect=self.dialect,
            source=self.source,
            name=self.name,
            description=self.description,
            phases=tuple(self.phases),
            meta=self.meta,
        )


class RunInput(Wire):
    """What a run is asked to do."""

    script: Script
    args: Any = None
    has_args: bool = False
    """Whether `args` was given: JavaScript tells `undefined` from `null`."""
    limits: RunLimits = Field(default_factory=RunLimits)
    model: str = "sonnet"
    effort: str | None = None
    workspace: str | None = None
    owner: str | None = None
    allow: list[str] = Field(default_factory=list)
    policy: Policy | None = None
    """What the run may do; `None` gives its agents no tools and its script no steps."""
    options: WorkspaceOptions = Field(default_factory=WorkspaceOptions)
    host: str | None = None
    """The host whose own Task Queue takes what works in the shared workspace; `None` where every Worker is on it."""
    simulate: bool = False
    """Ask the simulated Messages API inside the Worker instead of a real one."""
    search_attributes: bool = False
    """Whether the namespace has Tenuto's search attributes; decided once, by whoever starts the run."""
    seed: str | None = None
    """Seed of randomness; the run id unless inherited."""
    interpreters: dict[str, str] | None = None
    """Dialect -> version of its interpreter when the run began: a Worker with another one leaves the run alone."""
    locale: bool = False
    """Whether JavaScript finds `Intl` and the order of a dictionary; runs of earlier versions go on without."""
    clock: float | None = None
    """Time at which the script's clock begins, Unix seconds: the start of the run, or of the one it resumes."""
    notify: bool = False
    """Whether people are told of questions, holds and the end, by a hook of theirs."""
    resume_from: str | None = None
    """Run whose journal answers calls that it has made already."""
    histories: Histories | None = None
    """Absent in runs of earlier versions, which stay in one history."""
    carry: Any = None
    """In a later history: what has happened until then (`carry_contracts.Carried`)."""


class RunError(Wire):
    """Why a run failed."""

    kind: str
    message: str
    line: int | None = None


class Census(Wire):
    """Disjoint counts of `agent()` calls: `agents` is the sum of the others."""

    agents: int = 0
    done: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    running: int = 0
    queued: int = 0


class Failure(Grown, added=("raw",)):
    """One agent, or one refused call, without a value."""

    agent: str
    label: str
    phase: str | None
    kind: str
    message: str
    raw: str | None = None
    """Store key of the record that keeps the last answer, where there was one that could not be used."""


class PhaseView(Wire):
    """One phase with its agents."""

    title: str
    agents: int = 0
    done: int = 0
    usage: Usage = Field(default_factory=Usage)


class ModelView(Wire):
    """What one model was asked for, and what it used."""

    model: str
    agents: int = 0
    usage: Usage = Field(default_factory=Usage)


class AgentView(Grown, added=("asked", "tools")):
    """One agent, for a list."""

    id: str
    label: str
    phase: str | None = None
    state: AgentState
    model: str
    """That served, as far as it is known."""
    asked: str | None = None
    """The model asked for, where another one served."""
    attempts: int = 1
    usage: Usage = Field(default_factory=Usage)
    usd: float = 0.0
    ms: int = 0
    tools: ToolCounts = Field(default_factory=ToolCounts)


class GateCounts(Wire):
    """Gates by their last outcome."""

    passed: int = 0
    failed: int = 0


class ReviewCounts(Wire):
    """Reviews by verdict."""

    confirmed: int = 0
    refuted: int = 0
    disputed: int = 0
    unverified: int = 0


class FlakyCheck(Wire):
    """A check that was green and red on an identical tree, with the tests that it named as failed there."""

    gate: str
    tests: list[str] = Field(default_factory=list)


class Verification(Grown, added=("flaky",)):
    """What was checked in a run."""

    gates: GateCounts = Field(default_factory=GateCounts)
    reviews: ReviewCounts = Field(default_factory=ReviewCounts)
    flaky: list[FlakyCheck] = Field(default_factory=list)


class WaitingFor(Wire):
    """What a run that is `waiting` waits for."""

    kind: str
    until: str | None = None
    message: str


class RunReport(Wire):
    """The JSON shape of `show`, `result` and `run` (CLI.md), for a live run as for one that ended."""

    run_id: str
    workflow: str
    status: RunState
    waiting_for: WaitingFor | None = None
    owner: str | None = None
    result: Any = None
    result_ref: str | None = None
    """Store key of the result where it is not inline."""
    error: RunError | None = None
    partial: dict[str, str] | None = None
    """Of a failed or stopped run: agent id -> store key of its result."""
    verification: Verification = Field(default_factory=Verification)
    census: Census = Field(default_factory=Census)
    failures: list[Failure] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage)
    phases: list[PhaseView] = Field(default_factory=list)
    agents: list[AgentView] = Field(default_factory=list)
    gates: list[GateView] = Field(default_factory=list)
    """Every gate by its last outcome."""
    questions: list[QuestionView] = Field(default_factory=list)
    """What people were asked, and what they answered."""
    reviews: list[ReviewView] = Field(default_factory=list)
    """Those that have ended, with who voted what."""
    models: list[ModelView] = Field(default_factory=list)
    lost: Usage = Field(default_factory=Usage)
    """Of answers that broke off, as far as it is known: it may be billed beside `usage`."""
    notices: list[str] = Field(default_factory=list)
    """What a reader should know before trusting the result, gravest first."""
    script_sha256: str = ""
    started_at: str | None = None
    ended_at: str | None = None
    ui: str | None = None
    simulated: bool = False
    trouble: str | None = None
    """Why a live run does not get on, with the remedy: no Worker, or one that cannot replay it."""


# --------------------------------------------------------------------------------------------------- activities


class ConflictInput(Wire):
    """A commit of an agent that did not merge, for the agent to mend in its own checkout."""

    commit: str
    base: str
    """The commit of the run's branch that it does not fit with."""


class RunAgentInput(Wire):
    """One subagent call. Built with only the fields that were given: unset ones are not sent."""

    run_id: str
    agent: str
    """Agent id, unique in the run, also the Activity id."""
    prompt: str
    model: str
    """A full model id, already resolved."""
    label: str
    phase: str | None = None
    output_schema: dict[str, Any] | None = None
    effort: str | None = None
    stall_ms: int = 300_000
    timeout_s: float | None = None
    max_usd: float | None = None
    setup: str | None = None
    """Store key of the run's `RunSetup`; `None` for an agent without tools."""
    agent_type: str | None = None
    tools: list[str] | None = None
    """Narrows what the run allows, in permission-rule grammar; `!` in front denies."""
    context: list[str] | None = None
    """Paths or texts put at the front, the same bytes for all siblings."""
    isolation: str | None = None
    merge: str | None = None
    base: str | None = None
    """Commit that its checkout begins at, where it is not the run's."""
    material: str | None = None
    """Store key of a text that takes the place of its mark in the prompt (`change_contracts.material_mark`)."""
    continues: str | None = None
    """Agent id: the prompt follows up on that agent's conversation, which was paid for there."""
    checkout: str | None = None
    """Agent id whose checkout this one works in, where it is not its own."""
    conflict: ConflictInput | None = None
    """Brought into the checkout before the agent goes on; what it is told takes the place of the prompt."""
    simulate: bool = False
    entry: str | None = None
    """Name of its journal entry, `{key}-{ordinal}`, which is written when it has a value."""
    restarts: int | None = None
    """How often a person had it start over; each begins a fresh conversation."""
    resumed: int | None = None
    """How often a person ended a hold of the run: seen for the first time, the API is asked again before a reset."""
    share: Share | None = None
    """What it may use of the run's ceilings; `None` where the run has none."""


class RunAgentResult(Wire):
    """What a finished subagent gives back. `value` is its final text, verbatim, or the validated object."""

    value: Any = None
    usage: Usage = Field(default_factory=Usage)
    model: str | None = None
    """The model that served, where it is not the one asked for."""
    attempts: int = 1
    commit: str | None = None
    """What it changed in a checkout of its own, kept in the user's repository."""
    tools: ToolCounts | None = None
    lost: Usage | None = None
    """Of requests whose answer broke off, as far as it is known: it may be billed and is not in `usage`."""


class AgentProgress(Wire):
    """Heartbeat details of `run_agent`, one object."""

    turns: int = 0
    usage: Usage = Field(default_factory=Usage)
    activity: str = ""
    """What it is doing now, in a few words: `asking claude-…`, `waiting for the rate limit until 12:03:04`."""
    held: bool = False
    """The attempt ended in a hold (credential, credit, quota): the call's own timeout starts anew after it."""
    holds: int = 0
    """Attempts until now that ended in a hold: they try no patience."""
    overloaded_since: float | None = None
    """Unix seconds since when the API has been overloaded or out of reach for this agent."""
    lost: Usage | None = None
    """As in `RunAgentResult`, of all attempts until now."""
    under_way: Usage | None = None
    """Of the answer that was coming: lost, if it is not in the conversation later."""
    ended: bool = False
    """The attempt came to its own end: nothing is under way of which nobody knows."""


class LoadScriptInput(Wire):
    """Find the script of a nested `workflow()` call."""

    run_id: str
    name: str | None = None
    script_path: str | None = None
    workspace: str | None = None


class WriteReportInput(Wire):
    """Keep a run's report, result and log lines beyond Temporal's retention."""

    report: RunReport
    result: Any = None
    has_result: bool = False
    log: list[str] = Field(default_factory=list)
    log_part: int = 0


class AppendLogInput(Wire):
    """Keep a batch of narrator lines."""

    run_id: str
    part: int
    lines: list[str]


@activity.defn(name="run_agent")
async def run_agent(input: RunAgentInput) -> RunAgentResult:
    """Hold one conversation with a model until it has a final answer."""
    raise only_an_interface("run_agent")


@activity.defn(name="load_script")
async def load_script(input: LoadScriptInput) -> Script:
    """Resolve a saved workflow by name or path. Fails with type `unknown_workflow`, or `load`."""
    raise only_an_interface("load_script")


@activity.defn(name="write_report")
async def write_report(input: WriteReportInput) -> str | None:
    """Write the final report; returns the store key of the result, if there is one."""
    raise only_an_interface("write_report")


@activity.defn(name="append_log")
async def append_log(input: AppendLogInput) -> None:
    """Append narrator lines to the run's log."""
    raise only_an_interface("append_log")
