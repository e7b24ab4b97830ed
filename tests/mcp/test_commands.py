"""`tenuto doctor --mcp`, and servers that others have written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Bench, stdio

pytestmark = pytest.mark.timeout(120)  # each starts interpreters, one inside another, on a busy machine too


def doctor(bench: Bench, **servers: Any) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    (bench.workspace / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    done = subprocess.run(
        [sys.executable, "-m", "tenuto.worker", "doctor", "--mcp", "--json"],
        cwd=bench.workspace,
        env={**os.environ, "TENUTO_HOME": str(bench.home), "HOME": str(bench.home)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for check in json.loads(done.stdout)["checks"]:
        found.setdefault(check["check"], []).append((check["verdict"], check["message"]))
    return done.returncode, found


async def test_the_doctor_connects_lists_and_pings(bench: Bench) -> None:
    code, found = doctor(bench, good=stdio(env={"CALLS_LOG": str(bench.log)}))
    assert code == 0
    verdict, message = found["mcp good"][0]
    assert verdict == "ok"
    assert message.startswith("13 tools; connected in ")
    assert "16 pings at once in" in message


async def test_the_doctor_fails_for_one_server_that_fails(bench: Bench) -> None:
    code, found = doctor(bench, good=stdio(), bad=stdio("--broken"), missing={"command": "x", "env": {"A": "${NO}"}})
    assert code == 1
    assert found["mcp good"][0][0] == "ok"
    assert found["mcp bad"][0][0] == "fail"
    assert "no database" in found["mcp bad"][0][1]
    assert "${NO}" in found["mcp missing"][0][1]


async def test_the_doctor_warns_of_what_is_not_pinned(bench: Bench, tmp_path: Path) -> None:
    runner = tmp_path / "uvx"
    server = stdio()["args"][0]
    runner.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({server!r}, run_name='__main__')\n")
    runner.chmod(0o755)
    code, found = doctor(
        bench,
        loose={"command": str(runner), "args": ["mcp-server-time"]},
        exact={"command": str(runner), "args": ["mcp-server-time@2026.10.19"]},
    )
    assert code == 0
    assert [verdict for verdict, _message in found["mcp loose"]] == ["warn", "ok"]
    assert "mcp-server-time has no exact version" in found["mcp loose"][0][1]
    assert [verdict for verdict, _message in found["mcp exact"]] == ["ok"]


async def test_a_server_from_the_package_index_works(bench: Bench) -> None:
    bench.setup.mcp["time"] = {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone=UTC"]}
    tools = await bench.servers.tools_for(bench.setup, notice=bench.notices.append)
    assert [tool.name for tool in tools] == ["mcp__time__convert_time", "mcp__time__get_current_time"]
    result = await bench.run(
        "mcp__time__convert_time", source_timezone="Europe/Berlin", time="12:00", target_timezone="Asia/Tokyo"
    )
    assert "Asia/Tokyo" in result.content[0]["text"]
    value = await bench.call("time", "get_current_time", timezone="UTC")
    assert value["timezone"] == "UTC"
    assert "Invalid timezone" in await bench.failure("time", "get_current_time", timezone="Mars/Olympus")
