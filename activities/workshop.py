"""Equips agents: the tools they may use, the place they work in, what they are told about it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.contracts import RunAgentInput
from tenuto.workflows.policy.decide import Rules
from tenuto.workflows.policy.rules import RuleError
from tenuto.workflows.setup_contracts import AgentDefinition, RunSetup, WorkspaceOptions

from .context_items import resolve_context
from .errors import AgentFailed
from .mcp.names import prefix_of
from .mcp.tools import McpServers
from .outfit import PLAIN, KeptWork, Outfit, Work
from .places import Places, rules_of
from .run_setup import load_setup
from .store import Store
from .tools.belt import Belt, Offer
from .tools.catalogue import built_in_tools
from .tools.journal import ToolJournal
from .tools.server_tools import web_fetch, web_search
from .tools.tool import Place, Tool
from .transcript import folder_of
from .workspace.clone import Clones, SetupFailed, set_up
from .workspace.clone_parts import Clone, WorktreeImpossible
from .workspace.git import GitFailed
from .workspace.keep import KeepFailed, keep
from .workspace.merge import bring_conflict_into

log = logging.getLogger(__name__)

_CHANGING = ("Bash", "Write", "Edit")
"""Tools by which an agent changes its checkout."""
COMMON_KEPT_MAX = 256
"""Setups, agent types and lists of tools whose rules are kept."""


@dataclass(slots=True)
class _Common:
    """What all agents of a run with the same type and the same `tools` have in common: making it is dear."""

    rules: Rules
    offer: Offer
    place: Place | None = None
    """The shared workspace, once an agent works there."""


class Workshop:
    """Implements `Equipment`. One per Worker."""

    def __init__(self, store: Store, places: Places, clones: Clones, servers: McpServers) -> None:
        self._store = store
        self._servers = servers
        self._places = places
        self._clones = clones
        self._tools: list[Tool] = list(built_in_tools().values())
        self._common: OrderedDict[tuple[Any, ...], _Common] = OrderedDict()
        """By the setup of a run and what its agents say of their tools."""

    async def open(self, input: RunAgentInput, say: Callable[[str], None]) -> Work:
        """Equip one attempt of one agent.

        Raises:
            AgentFailed: it cannot work at all: `unknown_agent_type`, `worktree`, `bad_tools`, `workspace`.
        """
        if input.setup is None:
            return _Finished(PLAIN)
        say("preparing")
        setup = await load_setup(self._store, input.setup)
        definition = _definition(setup, input.agent_type)
        common = self._what_siblings_share(setup, input, definition)
        rules = common.rules
        looks = input.base is not None and not any(rules.offers(tool) for tool in _CHANGING)
        clone = await self._clone(setup, input, looks=looks) if input.isolation == "worktree" else None
        folder = folder_of(input.run_id, input.agent)
        try:
            place = await self._place(setup, common, folder, clone, say)
            context = await asyncio.to_thread(self._context, input, rules, place) if input.context else []
        except OSError as error:
            raise AgentFailed(kinds.WORKSPACE, f"the workspace cannot be used: {error}") from error
        told = await self._prepare(clone, setup, input, place) if clone is not None and not looks else None
        outfit = Outfit(
            belt=Belt(
                await self._with_servers(common.offer, setup, rules, place), place, ToolJournal(self._store, folder)
            ),
            standing=[setup.instructions] if setup.instructions else [],
            context=context,
            own=[
                _surroundings(place, input.base or setup.base),
                *([definition.prompt] if definition and definition.prompt else []),
            ],
            told=told,
        )
        return _Finished(outfit) if clone is None else _InClone(outfit, clone, input)

    def _context(self, input: RunAgentInput, rules: Rules, place: Place) -> list[str]:
        where = str(place.root)

        def may_read(path: str) -> bool:
            return rules.decide("Read", {"file_path": path}, workspace=where, shared=place.shared) is None

        return resolve_context(input.context or (), place.files, may_read=may_read)

    async def _place(
        self, setup: RunSetup, common: _Common, folder: str, clone: Clone | None, say: Callable[[str], None]
    ) -> Place:
        if clone is not None:
            return await asyncio.to_thread(self._places.open, setup, common.rules, folder, clone=clone.root, say=say)
        if common.place is None:
            common.place = await asyncio.to_thread(self._places.open, setup, common.rules, folder)
        return replace(common.place, folder=folder, say=say)

    def _what_siblings_share(
        self, setup: RunSetup, input: RunAgentInput, definition: AgentDefinition | None
    ) -> _Common:
        key = (input.setup, input.agent_type, None if input.tools is None else tuple(input.tools))
        common = self._common.get(key)
        if common is None:
            rules = _narrowed(rules_of(setup), definition, input.tools)
            common = self._common[key] = _Common(rules, Offer(self._tools, rules, _server_tools(rules)))
        self._common.move_to_end(key)
        while len(self._common) > COMMON_KEPT_MAX:
            self._common.popitem(last=False)
        return common

    async def _with_servers(self, offer: Offer, setup: RunSetup, rules: Rules, place: Place) -> Offer:
        """The offer with the tools of the run's MCP servers as they are now."""
        names = [name for name in setup.mcp if rules.grants(prefix_of(name), shared=place.shared) is None]
        if not names:
            return offer
        theirs = await self._servers.tools_for(setup, names, notice=log.warning, root=place.root)
        return Offer([*self._tools, *theirs], rules, _server_tools(rules))

    # ------------------------------------------------------------------------------------------ own checkouts

    async def _clone(self, setup: RunSetup, input: RunAgentInput, *, looks: bool) -> Clone:
        """The agent's clone. Who only looks at a commit gets its files and nothing besides."""
        if setup.base is None or setup.workspace is None:
            raise AgentFailed(
                "worktree",
                f"no worktree can be made of {setup.workspace}: it is not in a git repository with a commit",
            )
        agent = input.checkout or input.agent
        try:
            if input.base is not None:
                await self._renew(input.run_id, agent, input.base)
            return await self._clones.open(
                input.run_id,
                agent,
                Path(setup.workspace),
                input.base or setup.base,
                WorkspaceOptions() if looks else setup.options,
                remote=setup.remote,
            )
        except (WorktreeImpossible, KeepFailed) as error:
            raise AgentFailed("worktree", str(error)) from error

    async def _renew(self, run_id: str, agent: str, base: str) -> None:
        """Have a checkout begin at what was kept of it: a revision follows its commit, and is none beside it."""
        found = await self._clones.find(run_id, agent)
        if found is not None and found.top.is_dir() and found.base != base:
            await keep(found)

    async def _prepare(self, clone: Clone, setup: RunSetup, input: RunAgentInput, place: Place) -> str | None:
        """Make a clone ready to work in; what to tell an agent that is to mend a conflict."""
        conflict = input.conflict
        try:
            await set_up(clone, setup.options, place.commands)
            if conflict is None:
                return None
            return await bring_conflict_into(clone, conflict.commit, conflict.base)
        except (SetupFailed, GitFailed, OSError) as error:
            raise AgentFailed("worktree", str(error)) from error


class _Finished:
    """Work in a shared workspace: what was written is there already, and nothing is to be kept."""

    def __init__(self, outfit: Outfit) -> None:
        self.outfit = outfit

    async def keep(self) -> KeptWork | None:
        return None

    async def close(self) -> None:
        pass


class _InClone:
    """Work in a checkout of the agent's own."""

    def __init__(self, outfit: Outfit, clone: Clone, input: RunAgentInput) -> None:
        self.outfit = outfit
        self._clone = clone
        self._input = input

    async def keep(self) -> KeptWork | None:
        # The queue may send the agent back to it; it is removed when the commit is in.
        needed = self._input.merge == "queue"
        try:
            kept = await keep(self._clone, remove_after=not needed, title=self._input.label)
        except KeepFailed as error:
            raise AgentFailed("worktree", str(error)) from error
        for note in kept.notes:
            log.warning("%s: %s", self._input.agent, note)
        return KeptWork(kept.commit, kept.branch, tuple(kept.files))

    async def close(self) -> None:
        pass


def _definition(setup: RunSetup, name: str | None) -> AgentDefinition | None:
    if name is None:
        return None
    found = setup.agents.get(name)
    if found is None:
        there = ", ".join(sorted(setup.agents)) or "none"
        raise AgentFailed(kinds.UNKNOWN_AGENT_TYPE, f"there is no agent type {name!r}; there are: {there}")
    return found


def _narrowed(rules: Rules, definition: AgentDefinition | None, tools: list[str] | None) -> Rules:
    if definition is not None:
        rules = rules.narrowed(definition.tools, definition.disallowed, foreign=True)
    if tools is None:
        return rules
    try:
        return rules.narrowed(tools)
    except RuleError as error:
        raise AgentFailed(kinds.BAD_TOOLS, f"tools of agent(): {error}") from error


def _server_tools(rules: Rules) -> list[dict[str, Any]]:
    """The tools that the API runs itself, in a fixed order."""
    made = []
    if rules.offers("WebSearch"):
        made.append(web_search())
    if rules.offers("WebFetch"):
        made.append(web_fetch(rules.web_domains() or ()))
    return made


def _surroundings(place: Place, base: str | None) -> str:
    """Where the agent is, for its `system`. After what siblings share: in clones it differs."""
    lines = [f"Working directory: {place.root}", "Platform: linux"]
    if not place.shared:
        lines.append(f"It is a git checkout of your own, at commit {base}. What you leave in it is kept as a commit.")
    elif base is not None:
        lines.append(
            "It is a git checkout that other agents work in at the same time: git commands that change the checkout, "
            "the index or the stash are refused."
        )
    return "\n".join(lines)
