"""`run` and the commands that read runs, through the embedded service and the simulated Messages API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from .command import Tenuto, until

pytestmark = pytest.mark.e2e

PYTHON = """from tenuto import Meta, agent, log, parallel
meta = Meta(name="greet", description="Greets", phases=["Greet"])
async def main(args):
    log("begins")
    said = await parallel([agent(f"hello {i}", phase="Greet", label=f"g{i}") for i in range(args["n"])])
    log("ends")
    return {"said": len(said), "args": args}
"""
JAVASCRIPT = """export const meta = {name: "greet-js", description: "Greets", phases: [{title: "Greet"}]}
phase("Greet"); log("begins")
const said = await parallel(Array.from({length: args.n}, (_, i) => () => agent(`hello ${i}`, {label: `g${i}`})))
return {said: said.length, args}
"""
TEXT = """from tenuto import Meta
meta = Meta(name="text", description="Returns text")
async def main(args):
    return "two\\nlines é"
"""
THROWS = """export const meta = {name: "throws", description: "Throws"}
await agent("hello")
throw new TypeError("no good")
"""
LOSES = """export const meta = {name: "loses", description: "Loses an agent"}
return await parallel([() => agent("fine"), () => agent("broken")])
"""
SLEEPS = """from tenuto import Meta, log, sleep
meta = Meta(name="sleeps", description="Sleeps for long")
async def main(args):
    log("asleep")
    await sleep(600)
"""
LARGE = """export const meta = {name: "large", description: "Returns a lot"}
return "é".repeat(args * 500000)
"""
SHAPE = {
    "run_id", "workflow", "status", "waiting_for", "owner", "result", "error", "partial", "verification", "census",
    "failures", "usage", "phases", "agents", "script_sha256", "started_at", "ended_at", "ui",
}  # fmt: skip


@pytest.mark.parametrize(("name", "source"), [("greet.py", PYTHON), ("greet.js", JAVASCRIPT)])
def test_a_run_in_each_dialect_prints_the_shape(shared: Tenuto, name: str, source: str) -> None:
    shared.script(name, source)
    report = shared.json("run", name, "--args", '{"n": 3}', "--simulate", "--owner", "ann")
    assert set(report) >= SHAPE
    assert (report["status"], report["owner"], report["error"]) == ("completed", "ann", None)
    assert report["result"] == {"said": 3, "args": {"n": 3}}
    census = report["census"]
    assert census["agents"] == census["done"] == 3
    assert report["phases"] == [{"title": "Greet", "agents": 3, "done": 3}]
    assert set(report["verification"]) == {"gates", "reviews"}
    assert [agent["label"] for agent in report["agents"]] == ["g0", "g1", "g2"]
    assert report["usage"]["output_tokens"] > 0
    assert report["run_id"] in report["ui"]
    assert shared.json("show", report["run_id"]) == report
    assert shared.json("result", report["run_id"]) == report


def test_what_a_person_gets_is_the_result_on_stdout_and_the_rest_on_stderr(shared: Tenuto) -> None:
    shared.script("text.py", TEXT)
    done = shared("run", "text.py", "--simulate")
    assert (done.returncode, done.stdout) == (0, "two\nlines é\n")
    assert "completed" in done.stderr
    run_id = done.stderr.split()[0] if done.stderr.startswith("wf_") else done.stderr.split("\n")[1].split()[0]
    assert shared("result", run_id).stdout == "two\nlines é\n"
    assert shared("result", run_id, "-o", "out.txt").returncode == 0
    assert (shared.folder / "out.txt").read_text() == "two\nlines é"
    assert run_id in shared("show", run_id).stdout
    assert run_id in shared("ls").stdout


def test_a_run_is_listed_logged_and_its_agents_conversations_can_be_read(shared: Tenuto) -> None:
    shared.script("greet.py", PYTHON)
    run_id = shared.json("run", "greet.py", "--args", '{"n": 2}', "--simulate")["run_id"]
    assert run_id in [report["run_id"] for report in shared.json("ls")]
    assert run_id in [report["run_id"] for report in shared.json("ls", "--all")]
    assert shared("logs", run_id).stdout == "begins\nends\n"
    assert shared.json("logs", run_id)["lines"] == ["begins", "ends"]
    assert "hello 1" in shared("logs", run_id, "g1").stdout
    messages = shared.json("logs", run_id, "a1")["messages"]
    assert [message["purpose"] for message in messages] == ["prompt", "answer"]
    assert shared("logs", run_id, "absent").returncode == 2
    followed = shared("logs", run_id, "-f")
    assert followed.stdout == "begins\nends\n"


def test_a_script_that_throws_fails_its_run(shared: Tenuto) -> None:
    shared.script("throws.js", THROWS)
    report = shared.json("run", "throws.js", "--simulate", code=1)
    assert report["status"] == "failed"
    assert "no good" in report["error"]["message"]
    assert report["error"]["line"] == 3
    assert list(report["partial"]) == ["a1"]
    done = shared("result", report["run_id"])
    assert done.returncode == 2
    assert "no good" in done.stderr


def test_an_agent_that_is_lost_degrades_its_run(tenuto: Tenuto) -> None:
    with SimulatedApi.in_thread() as api:
        api.control(rules=[{"match": {"prompt_contains": "broken"}, "fault": {"status": 400}}])
        tenuto.extra = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-test"}
        tenuto.script("loses.js", LOSES)
        report = tenuto.json("run", "loses.js", code=3)
        assert {record["key"] for record in api.requests()} != {"anonymous"}
    assert report["status"] == "degraded"
    assert report["result"][1] is None
    assert [failure["agent"] for failure in report["failures"]] == ["a2"]
    assert set(report["failures"][0]) == {"agent", "label", "phase", "kind", "message"}


def test_a_detached_run_goes_on_by_itself_and_can_be_stopped(shared: Tenuto) -> None:
    shared.script("sleeps.py", SLEEPS)
    report = shared.json("run", "sleeps.py", "--simulate", "--detach")
    assert report["status"] == "running"
    run_id = report["run_id"]
    until(lambda: shared("logs", run_id).stdout == "asleep\n")
    assert shared.json("show", run_id)["status"] == "running"
    assert shared("result", run_id).returncode == 2
    follower = shared.start("logs", run_id, "-f")
    watcher = shared.start("run", "sleeps.py", "--simulate", "--id", run_id, "--json")
    stopped = shared.json("stop", run_id)
    assert stopped["status"] == "stopped"
    assert stopped["ended_at"]
    assert follower.communicate(timeout=20)[0] == "asleep\n"
    out, _ = watcher.communicate(timeout=20)
    assert (watcher.returncode, json.loads(out)["status"]) == (4, "stopped")
    assert "had ended" in shared("stop", run_id).stderr


def test_an_id_attaches_to_the_same_run_and_is_refused_for_another(shared: Tenuto) -> None:
    shared.script("greet.py", PYTHON)
    words = ["run", "greet.py", "--simulate", "--id", "wf_mine"]
    first = shared.json(*words, "--args", '{"n": 1}')
    assert first["run_id"] == "wf_mine"
    assert shared.json(*words, "--args", '{ "n": 1 }') == first
    done = shared(*words, "--args", '{"n": 2}')
    assert done.returncode == 2
    assert "other arguments" in done.stderr
    shared.script("text.py", TEXT)
    assert shared("run", "text.py", "--simulate", "--id", "wf_mine", "--args", '{"n": 1}').returncode == 2


def test_two_commands_with_one_id_start_one_run(shared: Tenuto) -> None:
    shared.script("greet.py", PYTHON)
    words = ["run", "greet.py", "--simulate", "--id", "wf_twice", "--args", '{"n": 2}', "--json"]
    started = [shared.start(*words) for _ in range(2)]
    said = [json.loads(process.communicate(timeout=45)[0]) for process in started]
    assert said[0] == said[1]
    assert said[0]["census"]["agents"] == 2


def test_a_large_result_comes_back_whole(shared: Tenuto) -> None:
    shared.script("large.js", LARGE)
    report = shared.json("run", "large.js", "--args", "4", "--simulate")
    assert report["result"] == "é" * 2_000_000
    shown = shared.json("show", report["run_id"])
    assert shown["result"] is None
    assert shown["result_ref"]
    assert shared("result", report["run_id"], "-o", "large.txt").returncode == 0
    assert (shared.folder / "large.txt").read_text() == report["result"]


def test_flags_reach_the_run(shared: Tenuto) -> None:
    shared.script("greet.py", PYTHON)
    report = shared.json("run", "greet.py", "--args", '{"n": 7}', "--simulate", "--size", "trial", code=3)
    assert report["census"]["agents"] == 5
    assert len(report["failures"]) == 2


def test_a_saved_workflow_runs_by_its_name(shared: Tenuto) -> None:
    folder = shared.folder / ".claude" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "anything.js").write_text(JAVASCRIPT.replace("greet-js", "saved-greeting"))
    assert shared("check", "saved-greeting").returncode == 0
    report = shared.json("run", "saved-greeting", "--args", '{"n": 1}', "--simulate")
    assert report["workflow"] == "saved-greeting"


def test_a_run_that_ended_is_read_without_any_service(tenuto: Tenuto) -> None:
    tenuto.script("greet.py", PYTHON)
    report = tenuto.json("run", "greet.py", "--args", '{"n": 1}', "--simulate")
    tenuto("down")
    for command in ("show", "result"):
        read = tenuto.json(command, report["run_id"])
        assert (read["status"], read["result"]) == ("completed", report["result"])
    assert tenuto("logs", report["run_id"]).stdout == "begins\nends\n"
    assert not (tenuto.home / "service" / "server.json").exists()


def test_an_unwritable_output_file_is_one_line(shared: Tenuto, tmp_path: Path) -> None:
    shared.script("text.py", TEXT)
    run_id = shared.json("run", "text.py", "--simulate")["run_id"]
    done = shared("result", run_id, "-o", str(tmp_path))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
