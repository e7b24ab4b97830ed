"""Wire contracts of what is fixed when a run starts: its policy, its workspace, the instructions its agents are given.

The bulk lies in the store as one `RunSetup` a run; calls carry only its key, so that a thousand agents do not carry a
thousand copies of it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from temporalio import activity

from .wire import Wire, only_an_interface


def host_queue(task_queue: str, host: str) -> str:
    """The Task Queue of one host, for what works in a checkout that lies there."""
    return f"{task_queue}@{host}"


class Policy(Wire):
    """What a run may do. Rules are in Claude Code's permission grammar (`workflows/policy`)."""

    allow: list[str] = Field(default_factory=list)
    """The default rules included: what is not allowed here is refused."""
    deny: list[str] = Field(default_factory=list)
    """Stands before every `allow`."""
    sandbox: bool = True
    """False only by an explicit switch: commands then run without walls."""


class WorkspaceOptions(Wire):
    """What `tenuto.toml` says about preparing a checkout of an agent's own."""

    setup: str | None = None
    """A command that runs once in each fresh clone, in the sandbox."""
    untracked: list[str] = Field(default_factory=list)
    """Files and folders that git does not track and a clone needs all the same: `.env`, `node_modules`."""
    gate_files: list[str] = Field(default_factory=list)
    """Patterns of further files that define checks (`[gates] files`)."""


class MeetingPoint(Wire):
    """The remote by which several hosts share a run's commits. No credentials: they are each host's own."""

    url: str
    prefix: str = ""
    """Of the workspace in its repository, `""` or ending in `/`."""


class AgentDefinition(Wire):
    """A named agent (`.claude/agents/*.md`, or built in)."""

    name: str
    description: str = ""
    prompt: str = ""
    tools: list[str] | None = None
    """As its front matter names them; `None` is all that the run allows."""
    disallowed: list[str] = Field(default_factory=list)
    model: str | None = None
    path: str | None = None


class RunSetup(Wire):
    """What every agent and step of a run shares, fixed at its start: `runs/{run}/setup/{sha256}.json`."""

    run_id: str
    workspace: str | None = None
    policy: Policy = Field(default_factory=Policy)
    options: WorkspaceOptions = Field(default_factory=WorkspaceOptions)
    base: str | None = None
    """Commit of the workspace at the start; `None` outside of git."""
    remote: MeetingPoint | None = None
    """Where a Worker on another host gets the repository and leaves results; `None` where all are on one."""
    origin: str | None = None
    """URL of the repository's remote as it was at the start: agents can write the repository's configuration."""
    instructions: str = ""
    """From `CLAUDE.md`, `AGENTS.md` and what they import; goes into every agent's `system`."""
    agents: dict[str, AgentDefinition] = Field(default_factory=dict)
    mcp: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """MCP servers by name as configured, with `${VAR}` unexpanded: no secret is ever in here."""


class PrepareRunInput(Wire):
    """Look at the workspace once, before the first agent."""

    run_id: str
    workspace: str
    policy: Policy
    options: WorkspaceOptions = Field(default_factory=WorkspaceOptions)
    several_hosts: bool = False
    """Workers may be on other hosts than the workspace: its remote is where they meet."""
    gates: str | None = None
    """Source of a script that has gates: what defines its checks is fixed now."""
    gate_texts: list[str] = Field(default_factory=list)
    """Texts of the script's arguments: they too may be commands of its checks."""
    gates_from: str | None = None
    """An earlier run that this one resumes: its agents have worked here, so its start is the start."""


class AgentTypeView(Wire):
    """What a Workflow has to know of an agent definition."""

    model: str | None = None
    sha256: str
    """Of the definition: part of the key of calls that name it."""


class PrepareRunResult(Wire):
    """What a Workflow has to know of a `RunSetup`."""

    key: str
    """Its key in the store; ends in its sha256."""
    base: str | None = None
    agent_types: dict[str, AgentTypeView] = Field(default_factory=dict)
    remote: MeetingPoint | None = None
    """Where several hosts share commits."""
    instructions_sha256: str = ""
    notices: list[str] = Field(default_factory=list)
    """What a person should know: a dirty tree, no sandbox. Said in the run's log."""


@activity.defn(name="prepare_run")
async def prepare_run(input: PrepareRunInput) -> PrepareRunResult:
    """Fix what the run's agents share. Fails with type `sandbox` or `workspace` where they cannot work at all."""
    raise only_an_interface("prepare_run")


class TidyRunInput(Wire):
    """Clean up after a run on this host."""

    run_id: str


class TidyRunResult(Wire):
    """What stayed, for a person."""

    notices: list[str] = Field(default_factory=list)


@activity.defn(name="tidy_run")
async def tidy_run(input: TidyRunInput) -> TidyRunResult:
    """Remove the checkouts whose work is kept, and the home of the run's commands."""
    raise only_an_interface("tidy_run")
