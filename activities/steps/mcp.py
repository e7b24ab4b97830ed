"""`mcp`: one call of an MCP server's tool, with the same key on every attempt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from pydantic_core import to_json
from temporalio import activity

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.setup_contracts import RunSetup
from tenuto.workflows.step_contracts import VALUE_BYTES_MAX, CallMcpInput, CallMcpResult

from ..mcp.names import tool_name
from ..store import Store
from ..tools.tool import ToolError
from .earlier import earlier_step
from .journal import StepJournal
from .station import Station, StepFailed


class McpCalls(Protocol):
    """The MCP servers of this Worker (`activities/mcp`)."""

    async def call(
        self, server: str, tool: str, input: dict[str, Any], key: str, setup: RunSetup, *, say: Callable[[str], None]
    ) -> Any:
        """The tool's value. Raises `ToolError`."""

    async def repeatable(self, server: str, tool: str, setup: RunSetup) -> bool:
        """Whether a call may be made again when its outcome is unknown. Raises `ToolError`."""


async def call_mcp(input: CallMcpInput, station: Station, store: Store, servers: McpCalls) -> CallMcpResult:
    """Make the call, or give what an earlier attempt came to.

    Raises:
        StepFailed: `refused`, `mcp`, `too_large`; `unknown_outcome` where an attempt that was lost had started it, and
            neither its author nor the server says that it may be repeated.
    """
    name = f"mcp({input.server!r}, {input.tool!r})"
    journal = StepJournal(store, input)
    before = await journal.before()
    before.raise_failure()
    if before.ended:
        return CallMcpResult(value=before.result)
    station.require(tool_name(input.server, input.tool), input.input)
    if before.started is None and (earlier := await earlier_step(store, input)) is not None:
        await journal.end(earlier.result, server=input.server, tool=input.tool)
        return CallMcpResult(value=earlier.result)
    try:
        if before.started is not None and not input.repeat:
            await _require_repeatable(input, name, before.started["at"], station.setup, servers)
        if before.started is None:
            await journal.start()
        value = await servers.call(
            input.server, input.tool, input.input, _key(input), station.setup, say=station.place.say
        )
        size = len(to_json(value))
        if size > VALUE_BYTES_MAX:
            raise StepFailed("too_large", f"{name} answered {size:,} bytes; at most {VALUE_BYTES_MAX:,} can be taken")
    except ToolError as error:
        failure = StepFailed("mcp", f"{name}: {error}")
        await journal.fail(failure)
        raise failure from error
    except StepFailed as failure:
        await journal.fail(failure)
        raise
    await journal.end(value, server=input.server, tool=input.tool)
    return CallMcpResult(value=value)


async def _require_repeatable(input: CallMcpInput, name: str, since: str, setup: RunSetup, servers: McpCalls) -> None:
    if not await servers.repeatable(input.server, input.tool, setup):
        raise StepFailed(
            kinds.UNKNOWN_OUTCOME,
            f"{name}: the Worker that made this call at {since} was lost before it had the answer, so whether it took "
            "effect is unknown, and it was not made again. A call that may be made twice says so: {repeat: true} in "
            "JavaScript, repeat=True in Python",
        )


def _key(input: CallMcpInput) -> str:
    """The same for every attempt of a step, and for no other step."""
    text = f"{input.run_id}\n{activity.info().workflow_run_id}\n{input.step}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
