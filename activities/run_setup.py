"""What a run's agents and steps share, fixed once before the first of them, and read again by whoever needs it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tenuto.workflows.setup_contracts import (
    AgentDefinition,
    AgentTypeView,
    PrepareRunInput,
    PrepareRunResult,
    RunSetup,
)

from .heartbeat import alive
from .instructions.agent_definitions import load_definitions
from .instructions.claude_md import collect_instructions
from .protected import guard_of, is_system
from .sandbox.command import SandboxUnavailable
from .steps.branch import origin_of
from .steps.gate_files import fix_start, inherit_start
from .steps.gate_patterns import compiled
from .store import Store
from .workspace.confined import ConfinedFiles
from .workspace.differences import without_filters
from .workspace.git import GitFailed, git
from .workspace.meeting import meet

CHANGES_NAMED_MAX = 5
NOTICES_MAX = 50
SETUPS_KEPT_MAX = 64
"""In a Worker: one is at most a few hundred kilobytes."""

Servers = Callable[[Path | None, Path], tuple[dict[str, dict[str, Any]], list[str]]]
"""Configured MCP servers of a workspace and a user, and notices (`activities/mcp/config.py`)."""
Walls = Callable[[], Awaitable[object]]
"""Returns where commands can be run inside walls, else raises `SandboxUnavailable`."""

_kept: OrderedDict[tuple[str, str], RunSetup] = OrderedDict()


class SetupActivities:
    """Registers `prepare_run`.

    Args:
        store: where setups are written.
        home: the user's home directory.
        walls: asked whether there is a sandbox; `None` for a Worker that runs no commands.
        servers: finds MCP servers; `None` for none.
    """

    def __init__(
        self, store: Store, home: Path | None = None, *, walls: Walls | None = None, servers: Servers | None = None
    ) -> None:
        self._store = store
        self._home = Path.home() if home is None else home
        self._walls = walls
        self._servers = servers

    @activity.defn(name="prepare_run")
    @alive
    async def prepare_run(self, input: PrepareRunInput) -> PrepareRunResult:
        """Collect a run's setup and write it to the store.

        Raises:
            ApplicationError: non-retryable; `workspace` where there is no such folder on this host, `sandbox` where
                commands are to have walls and there are none.
        """
        workspace = Path(input.workspace)
        if not await asyncio.to_thread(workspace.is_dir):
            raise ApplicationError(
                f"the workspace {input.workspace} is not a folder on this host", type="workspace", non_retryable=True
            )
        if await asyncio.to_thread(lambda: is_system(workspace.resolve())):
            raise ApplicationError(
                f"the workspace {input.workspace} is a system folder: name a folder of the project's own",
                type="workspace",
                non_retryable=True,
            )
        notices = await self._about_walls(sandbox=input.policy.sandbox)
        base, changes = await _look(workspace)
        notices += changes
        setup, about_files = await asyncio.to_thread(self._collect, input, workspace, base)
        if input.several_hosts:
            setup.remote, about_remote = await meet(workspace, input.run_id, base)
            notices += about_remote
        setup = setup.model_copy(update={"origin": await origin_of(workspace)})
        data = setup.model_dump_json().encode()
        key = f"runs/{input.run_id}/setup/{hashlib.sha256(data).hexdigest()}.json"
        await self._store.put(key, data)
        if input.gates is not None:
            about_files += await self._fix_gates(input, workspace)
        return PrepareRunResult(
            key=key,
            base=base,
            remote=setup.remote,
            agent_types={name: view_of(definition) for name, definition in setup.agents.items()},
            instructions_sha256=hashlib.sha256(setup.instructions.encode()).hexdigest(),
            notices=_bounded(notices + about_files),
        )

    async def _about_walls(self, *, sandbox: bool) -> list[str]:
        if not sandbox:
            return ["no sandbox: commands run without walls, with all rights of the Worker"]
        if self._walls is not None:
            try:
                await self._walls()
            except SandboxUnavailable as error:
                raise ApplicationError(str(error), type="sandbox", non_retryable=True) from error
        return []

    async def _fix_gates(self, input: PrepareRunInput, workspace: Path) -> list[str]:
        """Write down what checks are made of before anyone works on it."""
        try:
            compiled(input.options.gate_files)
        except ValueError as error:
            raise ApplicationError(
                f"[gates] files in tenuto.toml has a pattern that is none: {error}",
                type="workspace",
                non_retryable=True,
            ) from error
        patterns, source = input.options.gate_files, input.gates or ""
        try:
            if input.gates_from is None or not await inherit_start(self._store, input.run_id, input.gates_from):
                files, texts = ConfinedFiles(workspace, guard=guard_of(workspace)), input.gate_texts
                await fix_start(self._store, input.run_id, files, patterns, source=source, texts=texts)
        except OSError as error:
            return [f"the files that define this run's checks could not be read before the work began: {error}"]
        return []

    def _collect(self, input: PrepareRunInput, workspace: Path, base: str | None) -> tuple[RunSetup, list[str]]:
        instructions = collect_instructions(workspace, self._home)
        agents, about_agents = load_definitions(workspace, self._home)
        servers, about_servers = self._servers(workspace, self._home) if self._servers else ({}, [])
        setup = RunSetup(
            run_id=input.run_id,
            workspace=str(workspace.resolve()),
            policy=input.policy,
            options=input.options,
            base=base,
            instructions=instructions.text,
            agents=agents,
            mcp=servers,
        )
        return setup, [*instructions.notices, *about_agents, *about_servers]


async def load_setup(store: Store, key: str) -> RunSetup:
    """The setup that `prepare_run` wrote; the last few are kept in memory.

    Raises:
        FileNotFoundError: there is none; and what else the store raises.
        ValueError: the object is not what was written.
    """
    place = (store.url, key)
    found = _kept.get(place)
    if found is None:
        data = await store.get(key)
        if not key.endswith(f"/{hashlib.sha256(data).hexdigest()}.json"):
            raise ValueError(f"the object {key} in the store was changed: its hash is another")
        found = _kept[place] = RunSetup.model_validate_json(data)
    _kept.move_to_end(place)
    while len(_kept) > SETUPS_KEPT_MAX:
        _kept.popitem(last=False)
    return found


async def _look(workspace: Path) -> tuple[str | None, list[str]]:
    """The commit a workspace stands at, and what a person should know about its state.

    No commit outside of git, and where there is none yet.
    """
    try:
        head = await git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=workspace, check=False)
        base = head.stdout.strip() if head.exit_code == 0 else None
        if base is None:
            return None, []
        status = await git(
            *await without_filters(workspace), "status", "--porcelain", "-z", "--no-renames", cwd=workspace
        )
    except GitFailed as error:
        return None, [f"git says nothing about the workspace: {error}"]
    changed = [entry[3:] for entry in status.stdout.split("\0") if entry]
    if not changed:
        return base, []
    named = ", ".join(path.encode(errors="replace").decode() for path in changed[:CHANGES_NAMED_MAX])
    more = f" and {len(changed) - CHANGES_NAMED_MAX} more" if len(changed) > CHANGES_NAMED_MAX else ""
    return base, [
        f"the workspace has changes that are not committed ({named}{more}): agents with a worktree do not see them"
    ]


def _bounded(notices: list[str]) -> list[str]:
    """They lie in the run's history."""
    if len(notices) <= NOTICES_MAX:
        return notices
    return [*notices[:NOTICES_MAX], f"and {len(notices) - NOTICES_MAX} more notices like these"]


def view_of(definition: AgentDefinition) -> AgentTypeView:
    """What a Workflow has to know of a definition."""
    # Not its place: the same definition in another clone is the same agent.
    fields = definition.model_dump(exclude={"path"})
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return AgentTypeView(model=definition.model, sha256=digest)
