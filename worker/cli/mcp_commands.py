"""`tenuto doctor --mcp` and `tenuto auth mcp NAME`: a person's own look at the configured MCP servers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import UsageError, here, home_of
from .output import notice, print_json, print_line

if TYPE_CHECKING:
    from tenuto.activities.mcp.tools import McpServers
    from tenuto.workflows.setup_contracts import RunSetup

    from .doctor import Finding

PINGS = 16
PINGS_S = 10.0


async def examine_servers(home: Path) -> list[Finding]:
    """Connect each server of the current folder's configuration, list its tools, ping it `PINGS` times at once."""
    from .doctor import Finding

    setup, notices = _setup()
    servers = _servers(home)
    found = [Finding("mcp", "warn", text) for text in notices]
    if not setup.mcp:
        return [*found, Finding("mcp", "ok", "no MCP servers are configured for this folder")]
    try:
        looks = await asyncio.gather(*(_examine(servers, setup, name) for name in sorted(setup.mcp)))
    finally:
        await servers.close()
    return [*found, *(finding for look in looks for finding in look)]


async def _examine(servers: McpServers, setup: RunSetup, name: str) -> list[Finding]:
    from tenuto.activities.mcp.errors import McpFailure
    from tenuto.activities.mcp.pinning import unpinned

    from .doctor import Finding

    check, found = f"mcp {name}", []
    try:
        server = servers.resolve(setup, name)
        package = unpinned(server.command, server.args) if server.kind == "stdio" else None
        if package is not None:
            text = f"{server.redact(package)} has no exact version: each start may run other code; pin it"
            found.append(Finding(check, "warn", text))
        slot = servers.slot(server)
        started = time.monotonic()
        tools = await slot.tools()
        connected_s = time.monotonic() - started
        session = await slot.session()
        started = time.monotonic()
        await asyncio.gather(*(session.ping(PINGS_S) for _ in range(PINGS)))
    except McpFailure as error:
        return [*found, Finding(check, "fail", str(error))]
    pings_ms = (time.monotonic() - started) * 1000
    words = f"{len(tools)} tools; connected in {connected_s:.1f} s, {PINGS} pings at once in {pings_ms:.0f} ms"
    return [*found, Finding(check, "ok", words)]


def authorize(environ: Mapping[str, str], name: str, *, code: bool, json: bool) -> int:
    """Authorize with one HTTP server and keep the tokens in TENUTO_HOME/mcp."""
    from tenuto.activities.mcp.authorize import authorize as obtain
    from tenuto.activities.mcp.errors import Unusable

    home = home_of(environ)
    setup, notices = _setup()
    for text in notices:
        notice(text)
    if name not in setup.mcp:
        there = ", ".join(sorted(setup.mcp)) or "none"
        raise UsageError(f"there is no MCP server {name!r} configured for this folder; there are: {there}")
    try:
        path = asyncio.run(obtain(_servers(home).resolve(setup, name), home, _show(code), _pasted if code else None))
    except Unusable as error:
        notice(f"tenuto: {error}")
        return 1
    if json:
        print_json({"server": name, "path": str(path) if path is not None else None})
    elif path is None:
        print_line(f"{name} asks for no authorization")
    else:
        print_line(f"{name} is authorized; the tokens are in {path}, readable by you only")
    return 0


def _setup() -> tuple[RunSetup, list[str]]:
    from tenuto.activities.mcp.config import configured_servers
    from tenuto.workflows.setup_contracts import RunSetup

    workspace = here()
    found, notices = configured_servers(workspace, Path.home())
    return RunSetup(run_id="command", workspace=str(workspace), mcp=found), notices


def _servers(home: Path) -> McpServers:
    from tenuto.activities.mcp.tools import McpServers

    return McpServers(home)


def _show(code: bool) -> Callable[[str], None]:
    def show(url: str) -> None:
        notice(f"open this address in a browser:\n\n{url}\n")
        if code:
            notice("then paste the address that the browser was sent to (the page itself need not load), or the code:")

    return show


async def _pasted() -> str:
    return await asyncio.to_thread(sys.stdin.readline)
