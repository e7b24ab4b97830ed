"""One tool call with all that may be tried before it counts as failed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import mcp_types as types

from tenuto.activities.errors import RetryLater
from tenuto.activities.rate_limits import LONGEST_WAIT_S
from tenuto.activities.tools.tool import ToolError

from .errors import McpFailure, NotRun, OutcomeUnknown
from .pool import Slot
from .session import Session

TRIES = 5
PAUSE_S = 0.5
"""Before the second try, where the server does not say; doubles."""
KEY_NAMES = ("idempotencyKey", "tenuto/idempotency-key")
"""Both hold the key: the plain word that servers look for, and one that cannot mean anything else."""
IDEMPOTENT_CAPABILITIES = ("idempotencyKey", "idempotency", "tenuto/idempotency-key")
"""Names under `capabilities.experimental` by which a server says that it honours the key."""


async def call_tool(
    slot: Slot, tool: str, arguments: dict[str, Any], key: str, *, repeatable: bool, say: Callable[[str], None]
) -> types.CallToolResult:
    """Call a tool until there is an answer, or no sense in asking again.

    A call that surely did not run is made again. One that may have run is made again only where `repeatable` (the tool
    or its server says that a repetition does no harm), with the same key, and not after it was given its whole time.

    Raises:
        ToolError: the call failed; the message says what is known about it.
    """
    with slot.in_use():
        for number in range(1, TRIES + 1):
            try:
                return await _once(slot, tool, arguments, key, say)
            except NotRun as failure:
                if number == TRIES:
                    raise ToolError(f"{failure}; the call did not run, after {number} tries") from failure
                if failure.wait_s is not None:
                    slot.gate.close(min(failure.wait_s, LONGEST_WAIT_S))
                    continue
            except OutcomeUnknown as failure:
                if not repeatable or failure.timed_out or number == TRIES:
                    raise ToolError(_told_unknown(failure, repeatable=repeatable)) from failure
            except McpFailure as failure:
                raise ToolError(str(failure)) from failure
            await asyncio.sleep(PAUSE_S * 2 ** (number - 1) * random.uniform(0.8, 1.2))
        raise AssertionError("the last try returns or raises")


async def _once(
    slot: Slot, tool: str, arguments: dict[str, Any], key: str, say: Callable[[str], None]
) -> types.CallToolResult:
    name = slot.server.name
    if slot.places.locked():
        say(f"waiting for one of the {slot.server.concurrency} places of the MCP server {name}")
    async with slot.places:
        try:
            # Behind the queue: the gate may have closed while this call stood in it.
            await slot.gate.passage(say)
        except RetryLater as later:
            raise ToolError(
                f"the MCP server {name!r} asks to wait another {later.delay_s:.0f} s; the call did not run: go on with "
                "other work and make it later"
            ) from None
        session = await _session(slot, say)
        say(f"calling {tool} of the MCP server {name}")
        try:
            return await session.call(tool, arguments, dict.fromkeys(KEY_NAMES, key))
        except OutcomeUnknown as failure:
            if failure.timed_out:
                slot.doubt(session)
            raise


async def _session(slot: Slot, say: Callable[[str], None]) -> Session:
    say(f"connecting to the MCP server {slot.server.name}")
    try:
        return await slot.session()
    except NotRun as failure:
        # The connection was tried several times already.
        raise ToolError(f"{failure}; the call did not run") from failure


def _told_unknown(failure: OutcomeUnknown, *, repeatable: bool) -> str:
    if failure.timed_out:
        why = "it may still be running, or have had its effect"
    else:
        why = "the call may or may not have had its effect"
    advice = "" if repeatable else "; find out before you make it again"
    return f"{failure}; the outcome of this call is unknown: {why}{advice}"
