import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.mcp import calls, pool
from tenuto.activities.mcp.tools import McpServers
from tenuto.activities.store import Store
from tenuto.activities.tools.tool import Place, ToolCall, ToolError
from tenuto.workflows.setup_contracts import RunSetup

from .http_server import HttpServer

STDIO = str(Path(__file__).with_name("stdio_server.py"))


def stdio(*words: str, **given: Any) -> dict[str, Any]:
    """The configuration of a scripted stdio server."""
    return {"command": sys.executable, "args": [STDIO, *words], **given}


class Bench:
    """MCP servers of a run on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.workspace, self.log = folder / "home", folder / "workspace", folder / "calls"
        self.home.mkdir()
        self.workspace.mkdir()
        self.environ = {**os.environ, "ANTHROPIC_API_KEY": "sk-ant-of-the-worker"}
        self.servers = McpServers(self.home, self.environ)
        self.setup = RunSetup(run_id="run", workspace=str(self.workspace))
        self.store = Store((folder / "store").as_uri())
        self.notices: list[str] = []
        self.said: list[str] = []

    def add(self, name: str, entry: dict[str, Any]) -> None:
        if "command" in entry:
            entry = {**entry, "env": {"CALLS_LOG": str(self.log), **entry.get("env", {})}}
        self.setup.mcp[name] = entry

    async def call(self, server: str, tool: str, key: str = "key", **arguments: Any) -> Any:
        return await self.servers.call(server, tool, arguments, key, self.setup, say=self.said.append)

    async def failure(self, server: str, tool: str, **arguments: Any) -> str:
        with pytest.raises(ToolError) as caught:
            await self.call(server, tool, **arguments)
        return str(caught.value)

    async def tool(self, name: str) -> Any:
        tools = await self.servers.tools_for(self.setup, notice=self.notices.append)
        return next(tool for tool in tools if tool.name == name)

    async def run(self, name: str, call_id: str = "toolu_1", **arguments: Any) -> Any:
        call = ToolCall(id=call_id, name=name, input=arguments, key="key")
        return await (await self.tool(name)).run(call, self.place(), no_note)

    def place(self) -> Place:
        nothing: Any = None
        return Place(
            root=self.workspace,
            files=nothing,
            commands=nothing,
            store=self.store,
            folder="runs/run/agents/a1",
            shared=True,
            say=self.said.append,
        )

    def ran(self) -> list[str]:
        """The calls that the stdio servers really ran."""
        return [line.split()[0] for line in self.log.read_text().splitlines()] if self.log.exists() else []


async def no_note(_what: dict[str, Any]) -> None:
    raise AssertionError("an MCP tool has nothing to note")


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PAUSE_S", 0.05)
    monkeypatch.setattr(pool, "CONNECT_PAUSE_S", 0.05)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.servers.close()


@pytest.fixture
def http() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
