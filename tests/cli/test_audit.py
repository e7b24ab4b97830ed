"""`audit`, `script`, `save`, `workflows`: what is kept of a run, without a Worker or a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from .command import Tenuto, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]  # many commands each, on a machine that may be busy

CHECKED = """from tenuto import Meta, agent, ask, gate, parallel, review, sh, write
meta = Meta(name="checked", description="Everything that is audited", phases=["Find"])
async def main(args):
    found = await parallel([agent(f"look at <b>{i}</b> \\u2028 \\x00", phase="Find", label=f"p{i}") for i in range(3)])
    await write("out.txt", "made\\n")
    await sh("cat out.txt; exit 3")
    await gate("grep -q made out.txt")
    await review("the work")
    answer = await ask("Go on?", options=["yes", "no"], default="no", timeout=0.1)
    return [len(found), answer]
"""
LOSES = """export const meta = {name: "loses", description: "Loses an agent, then itself"}
await parallel([() => agent("fine"), () => agent("broken")])
throw new Error("no good")
"""
SLOW = """export const meta = {name: "slow", description: "Is stopped"}
return await parallel([() => agent("quick"), () => agent("endless")])
"""
QUICK = """export const meta = {description: "Named otherwise: name: 'no'", name: "quick", phases: []}
return await agent("say " + args)
"""
NAMED = """from tenuto import Meta
meta = Meta(description="name=é", name=(
    "old"
))
async def main(args):
    return "old"
"""


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def of(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["type"] == kind]


def test_everything_of_a_run_is_in_its_audit_when_nothing_runs_any_more(tenuto: Tenuto) -> None:
    tenuto.script("checked.py", CHECKED)
    (tenuto.folder / "ws").mkdir()
    report = tenuto.json("run", "checked.py", "--simulate", "--workspace", "ws", code=None)
    tenuto("down")
    done = tenuto("audit", report["run_id"])
    assert (done.returncode, done.stderr) == (0, "")
    objects = lines(done.stdout)
    assert not (tenuto.home / "service" / "server.json").exists()
    (run,) = of(objects, "run")
    assert objects[0] is run
    assert (run["status"], run["workflow"], run["usage"]) == (report["status"], "checked", report["usage"])
    agents = of(objects, "agent")
    assert [agent["id"] for agent in agents] == [f"a{n}" for n in range(1, 6)]
    assert agents[1]["prompt"] == "look at <b>1</b> \u2028 \x00"
    assert {agent["state"] for agent in agents} == {"done"}
    assert agents[0]["model_asked"] == agents[0]["model_served"] == "claude-sonnet-5-5"
    assert sum(agent["usage"]["output_tokens"] for agent in agents) == report["usage"]["output_tokens"]
    (write, command, check) = of(objects, "step")
    assert (write["op"], write["path"], len(write["sha256"])) == ("write", "out.txt", 64)
    assert (command["exit_code"], command["stdout"]) == (3, "made\n")
    assert tenuto("logs", report["run_id"], command["id"]).stdout == "made\n"
    assert tenuto.json("logs", report["run_id"], command["id"])["exit_code"] == 3
    (gate,) = of(objects, "gate")
    assert (gate["passed"], [run["step"] for run in gate["command_runs"]]) == (True, [check["id"]])
    (review,) = of(objects, "review")
    assert [vote["agent"] for vote in review["votes"]] == ["a4", "a5"] == review["agents"]
    assert {agent["id"]: agent["result"]["verdict"] for agent in agents[3:]} == {
        vote["agent"]: vote["verdict"] for vote in review["votes"]
    }
    (question,) = of(objects, "question")
    assert (question["state"], question["answer"]) == ("default", "no")
    assert tenuto.json("audit", report["run_id"]) == objects
    told = tenuto.json("audit", report["run_id"], "-o", "all.jsonl")
    assert told["objects"] == {"run": 1, "agent": 5, "step": 3, "gate": 1, "review": 1, "question": 1}
    assert (tenuto.folder / "all.jsonl").read_text() == done.stdout


def test_what_failed_is_in_the_audit_with_its_raw_cause(tenuto: Tenuto) -> None:
    with SimulatedApi.in_thread() as api:
        api.control(rules=[{"match": {"prompt_contains": "broken"}, "fault": {"status": 400}}])
        tenuto.extra = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-test"}
        tenuto.script("loses.js", LOSES)
        run_id = tenuto.json("run", "loses.js", code=1)["run_id"]
    run, fine, broken = lines(tenuto("audit", run_id).stdout)
    assert (run["status"], "no good" in run["error"]["message"]) == ("failed", True)
    assert (fine["state"], broken["state"]) == ("done", "failed")
    assert (broken["result"], broken["failure"]["kind"]) == (None, "invalid_request_error")
    assert fine["failure"] is None


def test_a_run_that_was_stopped_and_one_that_lives_are_audited_as_far_as_they_came(tenuto: Tenuto) -> None:
    with SimulatedApi.in_thread() as api:
        api.control(rules=[{"match": {"prompt_contains": "endless"}, "latency_s": 600}])
        tenuto.extra = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-test"}
        tenuto.script("slow.js", SLOW)
        run_id = tenuto.json("run", "slow.js", "--detach")["run_id"]
        until(lambda: tenuto.json("show", run_id)["census"]["done"] == 1)
        living = tenuto("audit", run_id)
        assert [each["state"] for each in of(lines(living.stdout), "agent")] == ["done", "running"]
        assert "has not ended" in living.stderr
        tenuto.json("stop", run_id)
    assert [each["state"] for each in of(lines(tenuto("audit", run_id).stdout), "agent")] == ["done", "skipped"]


def test_calls_that_a_cap_refused_are_in_the_audit_too(shared: Tenuto) -> None:
    shared.script("slow.js", SLOW)
    run_id = shared.json("run", "slow.js", "--simulate", "--max-agents", "1", code=None)["run_id"]
    agents = of(lines(shared("audit", run_id).stdout), "agent")
    assert [(each["state"], (each["failure"] or {}).get("kind")) for each in agents] == [
        ("done", None),
        ("refused", "agent_cap"),
    ]


def test_an_unknown_run_and_a_file_that_cannot_be_written_are_one_line(shared: Tenuto, tmp_path: Path) -> None:
    shared.script("quick.js", QUICK)
    run_id = shared.json("run", "quick.js", "--simulate", "--args", "1")["run_id"]
    for words in (("audit", "wf_never"), ("script", "wf_never"), ("audit", run_id, "-o", str(tmp_path))):
        done = shared(*words)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


def test_a_script_comes_back_and_is_run_by_the_name_it_is_saved_under(shared: Tenuto) -> None:
    shared.script("quick.js", QUICK)
    run_id = shared.json("run", "quick.js", "--simulate", "--args", "once")["run_id"]
    assert shared("script", run_id).stdout == QUICK
    assert shared.json("script", run_id)["source"] == QUICK
    assert shared("script", run_id, "-o", "again.js").returncode == 0
    assert (shared.folder / "again.js").read_text() == QUICK
    saved = shared.json("save", run_id, "said-once")
    assert Path(saved["path"]).read_text() == QUICK.replace('"quick"', '"said-once"')
    assert shared.json("run", "said-once", "--simulate", "--args", "twice")["workflow"] == "said-once"
    row = next(row for row in shared.json("workflows") if row["name"] == "said-once")
    assert (row["path"], row["shadowed"]) == (saved["path"], False)
    assert shared("save", run_id, "said-once").returncode == 0
    Path(saved["path"]).write_text("something else")
    refused = shared("save", run_id, "said-once")
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert shared("save", run_id, "said-once", "--force").returncode == 0
    assert shared("save", run_id, "../evil").returncode == 2
    of_user = shared.json("save", run_id, "mine", "--user")
    assert of_user["path"] == str(shared.folder / ".claude" / "workflows" / "mine.js")


def test_a_python_script_is_renamed_in_its_meta_and_nowhere_else(shared: Tenuto) -> None:
    shared.script("old.py", NAMED)
    run_id = shared.json("run", "old.py", "--simulate")["run_id"]
    saved = shared.json("save", run_id, "new")
    assert Path(saved["path"]).read_text() == NAMED.replace('"old"\n))', '"new"\n))')
    assert shared.json("run", "new", "--simulate")["result"] == "old"
