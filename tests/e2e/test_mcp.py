"""A run whose agent and whose script use an MCP server that hangs, dies, returns too much, and returns errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .served import Served, ended

# A hanging call costs its eight seconds, and twenty megabytes go through on a busy machine.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SERVER = Path(__file__).parents[1] / "mcp" / "stdio_server.py"
SECRET = "the-secret-of-the-server-17"
SCRIPT = """from tenuto import Meta, agent, mcp
meta = Meta(name="tools", description="Use a server", phases=["Use"])
async def main(args):
    said = await agent(f"{args['name']}: use the server", phase="Use")
    rows = await mcp("my server", "structured", {})
    try:
        await mcp("my server", "fail", {})
        failed = ""
    except RuntimeError as error:
        failed = str(error)
    zone = await mcp("time", "get_current_time", {"timezone": "UTC"})
    return {"said": said, "rows": rows, "failed": failed, "zone": zone["timezone"]}
"""
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"a": 1}),
    ("hang", {}),
    ("die", {}),
    ("big", {"bytes": 20_000_000}),
    ("fail", {}),
    ("refuse", {}),
    ("environment", {}),
    ("echo", {"a": 2}),
]


def workspace(folder: Path) -> Path:
    """A folder with two servers; the secret of one is in a variable, that of the other in the file."""
    folder.mkdir()
    scripted = {"command": sys.executable, "args": [str(SERVER)], "timeout": 8000, "env": {"API_TOKEN": SECRET}}
    real = {"command": sys.executable, "args": ["-m", "mcp_server_time"]}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"my server": scripted, "time": real}}))
    return folder


def rules() -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [
        {"match": {"turn": turn}, "reply": {"tool_use": [{"name": f"mcp__my_server__{name}", "input": given}]}}
        for turn, (name, given) in enumerate(CALLS, 1)
    ]
    return [*said, {"match": {"turn": len(CALLS) + 1}, "reply": {"text": "Used."}}]


def test_what_a_server_does_wrong_costs_its_calls_and_not_the_run(served: Served, tmp_path: Path) -> None:
    served.api.control(rules=rules())
    served.tenuto.script("tools.py", SCRIPT)
    folder = workspace(tmp_path / "workspace")
    allowed = ("--allow", "mcp__my_server", "--allow", "mcp__time__get_current_time")
    args = json.dumps({"name": "wf_mcp"})
    words = ("run", "tools.py", "--args", args, "--id", "wf_mcp", "--workspace", str(folder), "--json")
    report = ended(served.follow(*words, *allowed), timeout_s=150)
    assert report["status"] == "completed", report
    result = report["result"]
    assert (result["said"], result["rows"], result["zone"]) == ("Used.", {"rows": 2}, "UTC")
    assert "no such row" in result["failed"]
    messages = served.tenuto.json("logs", "wf_mcp", "a1")["messages"]
    told = [block for each in messages if each["purpose"] == "tool_results" for block in each["content"]]
    assert [bool(block.get("is_error")) for block in told] == [
        name in ("hang", "die", "fail", "refuse") for name, _ in CALLS
    ]
    texts = [block["content"] if isinstance(block["content"], str) else json.dumps(block["content"]) for block in told]
    assert "did not answer within 8 s" in texts[1]
    assert "ended with exit code 3 before it answered" in texts[2]
    assert len(texts[3]) < 110 * 1024
    assert "[secret]" in texts[6]
    kept = [path for path in (served.tenuto.home / "store/runs/wf_mcp").rglob("*") if path.is_file()]
    assert any(path.stat().st_size == 20_000_000 for path in kept)
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
    offered = (
        {tool["name"] for tool in served.asked("wf_mcp:")[0]["tools"]}
        if "tools" in served.asked("wf_mcp:")[0]
        else None
    )
    assert offered is None or "mcp__time__convert_time" not in offered


def test_without_a_rule_a_script_that_names_a_server_starts_nothing(served: Served, tmp_path: Path) -> None:
    served.tenuto.script("tools.py", SCRIPT)
    folder = workspace(tmp_path / "workspace")
    done = served.tenuto("run", "tools.py", "--args", '{"name": "wf_no"}', "--id", "wf_no", "--workspace", str(folder))
    assert done.returncode == 2
    assert "mcp__my_server__structured" in done.stderr
    assert served.asked("wf_no:") == []
