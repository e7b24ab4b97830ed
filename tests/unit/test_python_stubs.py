"""The published stubs in an editor: what the interpreter's checker accepts and refuses, mypy does too."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

import tenuto
from tenuto.workflows.script import python
from tenuto.workflows.script.protocol import ScriptLoadError

SCRIPT = '''"""Audit every route for missing authentication."""
from typing import Any

from tenuto import Meta, agent, budget, log, parallel, phase, pipeline

meta = Meta(name="audit-routes", description="Audit every route for missing auth", phases=["Find", "Verify"])


async def main(args: dict[str, Any]) -> dict[str, Any]:
    phase("Find")
    found = await pipeline(args["files"], find, verify)
    more = await parallel([find("a"), lambda: find("b"), lambda: 3])
    log(budget.remaining())
    return {"confirmed": [f for f in found if f], "more": more, "usd": budget.usd.spent()}


async def find(path: str) -> Any:
    return await agent(f"Find routes in {path} without an auth check.", phase="Find", label=path, OPTION)


async def verify(finding: str, path: str) -> str | None:
    verdict = await agent(f"{path}: {finding}", schema={"type": "object"}, effort="high")
    return finding if verdict["verdict"] == "confirmed" else None
'''


def mypy_accepts(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str]:
    file = folder / "script.py"
    file.write_text(source, encoding="utf-8")
    monkeypatch.setenv("MYPYPATH", str(Path(tenuto.__file__).parents[1]))
    out, _, status = api.run(["--strict", "--config-file=", f"--cache-dir={folder}", str(file)])
    return status == 0, out


def test_an_editor_and_the_interpreter_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = SCRIPT.replace("OPTION", "stall_ms=1000"), SCRIPT.replace("OPTION", "stallMs=1000")
    assert python.load(good).name == "audit-routes"
    accepted, out = mypy_accepts(good, tmp_path, monkeypatch)
    assert accepted, out
    with pytest.raises(ScriptLoadError, match="stallMs"):
        python.load(bad)
    accepted, out = mypy_accepts(bad, tmp_path, monkeypatch)
    assert not accepted
    assert "stallMs" in out
