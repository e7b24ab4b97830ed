"""What an MCP call costs beside the server's own work, and what sessions weigh.

Run: `python -m benchmarks.mcp_calls`. Prints milliseconds per call (stdio and HTTP, one after the other and eight at
once), and the resident memory of this process and of ten stdio sessions' launchers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.mcp.http_server import HttpServer

CALLS = 300
SESSIONS = 10
STDIO = Path(__file__).parents[1] / "tests" / "mcp" / "stdio_server.py"


def rss_mb(pid: int | str = "self") -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def private_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1e3


def launchers() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(os.getpid()).encode() in words and any(word.endswith(b"launcher.py") for word in words):
            found.append(int(folder.name))
    return found


async def measure(home: Path) -> None:
    import tenuto.worker.process  # noqa: F401 - what a Worker has in memory anyhow

    before = rss_mb()
    from tenuto.activities.mcp.tools import McpServers
    from tenuto.workflows.setup_contracts import RunSetup

    print(f"importing the client: {rss_mb() - before:.1f} MB")
    servers = McpServers(home)
    setup = RunSetup(run_id="benchmark", workspace=str(home))
    mcp = setup.mcp

    async def call(name: str) -> None:
        await servers.call(name, "echo", {"a": 1}, "key", setup)

    with HttpServer() as http:
        mcp["stdio"] = {"command": sys.executable, "args": [str(STDIO), "--one-at-a-time"]}
        mcp["http"] = {"type": "http", "url": http.url}
        for name in ("stdio", "http"):
            await call(name)
            started = time.perf_counter()
            for _ in range(CALLS):
                await call(name)
            one = (time.perf_counter() - started) / CALLS * 1e3
            started = time.perf_counter()
            await asyncio.gather(*(call(name) for _ in range(CALLS)))
            eight = (time.perf_counter() - started) / CALLS * 1e3
            print(f"{name}: {one:.2f} ms a call one after the other, {eight:.2f} ms eight at once")
    gc.collect()
    before = rss_mb()
    for number in range(SESSIONS):
        mcp[f"s{number}"] = {"command": sys.executable, "args": [str(STDIO)], "env": {"NUMBER": str(number)}}
        await call(f"s{number}")
    print(f"{SESSIONS} stdio sessions: {rss_mb() - before:.1f} MB in this process")
    each = [(rss_mb(pid), private_mb(pid)) for pid in launchers()]
    print(f"their launchers: {max(rss for rss, _ in each):.1f} MB resident each, {max(own for _, own in each):.1f} own")
    await servers.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))
