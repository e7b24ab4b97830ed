"""`tenuto run` from a person's home: an agent gets at neither keys nor what would run outside of the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from .served import Served

pytestmark = pytest.mark.e2e

SECRET = "opened-by-nobody-4711"
SCRIPT = """from tenuto import Meta, agent
meta = Meta(name="athome", description="d")
async def main(args):
    return await agent("wf_athome task 0.")
"""
USES: list[tuple[str, dict[str, Any]]] = [
    ("Write", {"file_path": "{home}/tenuto.toml", "content": '[notify]\ncommand = "id > ran"\n'}),
    ("Read", {"file_path": "{home}/credentials.env"}),
    ("Read", {"file_path": ".ssh/id_rsa"}),
    ("Grep", {"pattern": "nobody", "output_mode": "content"}),
    ("Write", {"file_path": ".bashrc", "content": "id > ran\n"}),
    ("Write", {"file_path": ".claude/settings.json", "content": "{}"}),
    ("Write", {"file_path": "mine.txt", "content": "fine\n"}),
]


def test_a_run_from_the_home_warns_and_keeps_the_persons_own_closed(served: Served) -> None:
    tenuto = served.tenuto
    home, folder = tenuto.home, tenuto.folder
    (folder / ".ssh").mkdir(exist_ok=True)
    (folder / ".ssh" / "id_rsa").write_text(SECRET)
    tenuto.script("athome.py", SCRIPT)
    match = {"prompt_contains": "wf_athome task 0."}
    uses = [
        {"name": name, "input": {key: value.replace("{home}", str(home)) for key, value in given.items()}}
        for name, given in USES
    ]
    served.api.control(
        rules=[
            {"match": {**match, "turn": 1}, "reply": {"tool_use": uses}},
            {"match": {**match, "turn": 2}, "reply": {"text": "done"}},
        ]
    )
    done = tenuto("run", "athome.py", "--id", "wf_athome", "--workspace", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "your home" in line]
    assert len(warned) == 1
    assert "--workspace" in warned[0]
    assert not (home / "tenuto.toml").exists()
    assert not (folder / ".bashrc").exists()
    assert not (folder / ".claude" / "settings.json").exists()
    assert (folder / "mine.txt").read_text() == "fine\n"
    turns = "".join(path.read_text() for path in (home / "store/runs/wf_athome/agents/a1").rglob("*.json"))
    assert SECRET not in turns
    assert turns.count("no tool of a run") >= 3
