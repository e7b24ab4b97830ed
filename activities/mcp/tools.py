"""MCP servers for conversations and scripts: their tools as `Tool`s, and one call as a step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mcp_types as types

from tenuto.activities.credentials import Credentials, CredentialsFileError
from tenuto.activities.tools.tool import AfterLoss, Note, Place, ToolCall, ToolError, ToolResult
from tenuto.workflows.setup_contracts import RunSetup

from .calls import IDEMPOTENT_CAPABILITIES, call_tool
from .errors import McpFailure, NotRun, Unusable
from .names import prefix_of, tool_names
from .pool import IDLE_S, Pool, Slot
from .results import error_text, for_model, for_script
from .schemas import acceptable
from .server import Server, known_variables, resolve

TOOLS_MAX = 256
"""Of one server. More would be the better part of every request."""
DESCRIPTION_CHARS_MAX = 8 * 1024


def _silent(_text: str) -> None:
    """Nobody listens."""


class McpServers:
    """The MCP servers of every run of one Worker, or of one command."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None, *, idle_s: float = IDLE_S) -> None:
        """`home` is `TENUTO_HOME`; `environ` the process environment by default."""
        self._environ = os.environ if environ is None else environ
        self._credentials = Credentials(home, self._environ)
        self._pool = Pool(home, idle_s=idle_s)
        self._verified: dict[str, dict[str, Any]] = {}

    async def tools_for(
        self,
        setup: RunSetup,
        names: Iterable[str] | None = None,
        *,
        notice: Callable[[str], None] = _silent,
        root: Path | None = None,
    ) -> list[McpTool]:
        """The tools of some servers of a run (all by default), by name.

        A server that cannot be used now gives a notice and no tools. Names that the run does not have are left out.

        Args:
            notice: told what a person should know.
            root: the agent's own clone, for a host that does not have the run's workspace.
        """
        wanted = sorted(set(setup.mcp if names is None else names) & set(setup.mcp))
        found = await asyncio.gather(*(self._offered(setup, name, notice, root) for name in wanted))
        offers = [offer for offered in found for offer in offered]
        named = tool_names((slot.server.name, tool.name) for slot, tool in offers)
        made = []
        for slot, tool in offers:
            schema = acceptable(tool.input_schema)
            if schema is None:
                notice(
                    f"the tool {tool.name!r} of the MCP server {slot.server.name!r} is left out: it requires a "
                    "parameter whose name the Messages API does not take"
                )
                continue
            again = partial(self._slot_of, setup, slot.server.name, root)
            made.append(McpTool(named[slot.server.name, tool.name], slot, tool, schema, again))
        return sorted(made, key=lambda each: each.name)

    async def call(
        self,
        server: str,
        tool: str,
        input: dict[str, Any],
        key: str,
        setup: RunSetup,
        *,
        say: Callable[[str], None] = _silent,
        root: Path | None = None,
    ) -> Any:
        """One call from a script: the structured content, else the text, else the list of content blocks.

        Args:
            key: idempotency key, the same for a call that is made again.

        Raises:
            ToolError: the call failed.
        """
        slot = self._slot_or_error(setup, server, root)
        repeatable = slot.server.idempotent or await self._says_repeatable(slot, tool)
        result = await call_tool(slot, tool, input, key, repeatable=repeatable, say=say)
        if result.is_error:
            raise ToolError(error_text(result, slot.server.redact))
        return for_script(result, slot.server.redact)

    async def repeatable(self, server: str, tool: str, setup: RunSetup, *, root: Path | None = None) -> bool:
        """Whether a call whose outcome is unknown may be made again with the same key. Raises as `call`."""
        slot = self._slot_or_error(setup, server, root)
        return slot.server.idempotent or await self._says_repeatable(slot, tool)

    def resolve(self, setup: RunSetup, name: str, root: Path | None = None) -> Server:
        """One server as it is to be reached.

        Raises:
            Unusable: it is not configured, or not usable as it is.
        """
        entry = setup.mcp.get(name)
        if entry is None:
            there = ", ".join(sorted(setup.mcp)) or "none"
            raise Unusable(f"there is no MCP server {name!r} in this run; there are: {there}")
        try:
            lookup = known_variables([self._credentials.variables(), self._environ])
        except CredentialsFileError as error:
            raise Unusable(f"the MCP server {name!r} cannot be used: {error}") from None
        workspace = Path(setup.workspace) if setup.workspace is not None else None
        elsewhere = root is not None and workspace is not None and not workspace.is_dir()
        return resolve(
            name,
            entry,
            workspace,
            lookup,
            self._environ,
            root=root,
            cwd=root if elsewhere else None,
            verified=self._verified,
        )

    def slot(self, server: Server) -> Slot:
        """Where its sessions are kept."""
        return self._pool.slot(server)

    async def close(self) -> None:
        """End every session; what stdio servers started is gone then."""
        await self._pool.close()

    async def _offered(
        self, setup: RunSetup, name: str, notice: Callable[[str], None], root: Path | None
    ) -> list[tuple[Slot, types.Tool]]:
        try:
            slot = self._slot_of(setup, name, root)
            tools = await slot.tools()
        except McpFailure as error:
            notice(f"no tools from {prefix_of(name)}: {error}")
            return []
        listed = {tool.name: tool for tool in reversed(tools)}
        if len(listed) > TOOLS_MAX:
            notice(f"the MCP server {name!r} has {len(listed)} tools; the first {TOOLS_MAX} by name are offered")
        return [(slot, listed[tool]) for tool in sorted(listed)[:TOOLS_MAX]]

    def _slot_of(self, setup: RunSetup, server: str, root: Path | None) -> Slot:
        return self.slot(self.resolve(setup, server, root))

    def _slot_or_error(self, setup: RunSetup, server: str, root: Path | None) -> Slot:
        try:
            return self._slot_of(setup, server, root)
        except Unusable as error:
            raise ToolError(str(error)) from None

    async def _says_repeatable(self, slot: Slot, tool: str) -> bool:
        try:
            if slot.listed(tool) is None:
                await slot.tools(remember_failure=False)
        except (NotRun, Unusable) as error:
            raise ToolError(f"{error}; the call did not run") from error
        except McpFailure:
            return False  # it cannot list its tools; whether it can call them, the call shows
        return says_repeatable(slot, slot.listed(tool))


def says_repeatable(slot: Slot, tool: types.Tool | None) -> bool:
    """Whether the tool's annotations or its server's capabilities say that a repetition does no harm."""
    hints = tool.annotations if tool is not None else None
    if hints is not None and (hints.read_only_hint or hints.idempotent_hint):
        return True
    return any(name in slot.experimental for name in IDEMPOTENT_CAPABILITIES)


class McpTool:
    """One tool of one server, as the conversation loop takes it."""

    def __init__(
        self, name: str, slot: Slot, tool: types.Tool, schema: dict[str, Any], again: Callable[[], Slot]
    ) -> None:
        """`again` looks the slot up anew: a conversation may outlive the secrets that it began with."""
        self._name, self._slot, self._tool, self._again = name, slot, tool, again
        self._repeatable = slot.server.idempotent or says_repeatable(slot, tool)
        text = (tool.description or tool.title or f"The tool {tool.name} of the MCP server {slot.server.name}.").strip()
        if len(text) > DESCRIPTION_CHARS_MAX:
            text = text[: DESCRIPTION_CHARS_MAX - 1] + "…"
        self._definition = {"name": name, "description": text, "input_schema": schema}

    @property
    def name(self) -> str:
        """`mcp__server__tool`."""
        return self._name

    @property
    def server(self) -> str:
        """As it is configured."""
        return self._slot.server.name

    @property
    def definition(self) -> dict[str, Any]:
        """As the Messages API takes it."""
        return self._definition

    @property
    def after_loss(self) -> AfterLoss:
        """`again` only where the server says that a repetition does no harm."""
        return "again" if self._repeatable else "unknown"

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Call it.

        Raises:
            ToolError: the call failed; the message says what is known.
        """
        try:
            slot = self._again()
        except Unusable as error:
            raise ToolError(f"{error}; the call did not run") from None
        redact = slot.server.redact
        result = await call_tool(
            slot, self._tool.name, call.input, call.key, repeatable=self._repeatable, say=place.say
        )
        if result.is_error:
            return ToolResult(error_text(result, redact), is_error=True)
        content, log = await for_model(result, redact, place.store, place.folder, call.id)
        return ToolResult(content, log=log)
