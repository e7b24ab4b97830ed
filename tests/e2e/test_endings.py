"""How a run ends, as the exit code and the one document on stdout say it."""

from __future__ import annotations

import json
import signal

import pytest

from .served import Served, ended, until

pytestmark = pytest.mark.e2e

SHAPE = {
    "run_id": str, "workflow": str, "status": str, "waiting_for": type(None), "owner": str, "result": dict,
    "error": type(None), "partial": type(None), "verification": dict, "census": dict, "failures": list, "usage": dict,
    "phases": list, "agents": list, "script_sha256": str, "started_at": str, "ended_at": str, "ui": str,
}  # fmt: skip
AGENT = {"id", "label", "phase", "state", "model", "attempts", "usage", "usd", "ms"}
USAGE = {"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "usd"}
THROWS = """export const meta = {name: "throws", description: "Throws"}
await agent("throws task 0")
throw new TypeError("no good")
"""


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_a_run_prints_one_document_and_tells_its_progress_on_stderr(served: Served, script: str) -> None:
    run_id = f"wf_shape_{script[-2:]}"
    words = ["run", script, "--args", json.dumps({"n": 3, "name": run_id}), "--id", run_id]
    done = served.tenuto(*words, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {key: type(report[key]) for key in SHAPE} == SHAPE
    assert report["workflow"] == script.replace("many.py", "many").replace(".", "-")
    assert set(report["agents"][0]) == AGENT
    assert set(report["usage"]) == USAGE
    assert report["census"] == {"agents": 3, "done": 3, **dict.fromkeys(_IDLE, 0)}
    assert report["usage"]["usd"] == pytest.approx(sum(agent["usd"] for agent in report["agents"]))
    assert run_id in done.stderr
    assert served.tenuto.json("show", run_id) == served.tenuto.json("result", run_id) == report
    assert json.loads(served.tenuto(*words).stdout) == report["result"], "without --json: the result alone"


_IDLE = ("cached", "failed", "skipped", "running", "queued")


def test_a_script_that_throws_exits_1_with_what_had_finished(served: Served) -> None:
    served.tenuto.script("throws.js", THROWS)
    report = ended(served.follow("run", "throws.js", "--json"), code=1)
    assert (report["status"], report["error"]["line"], list(report["partial"])) == ("failed", 3, ["a1"])
    assert "no good" in report["error"]["message"]


def test_a_stop_from_another_command_exits_4_and_ends_the_agents(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_regex": "task [3-9]$"}, "latency_s": 50}])
    follower = served.start("many.py", "wf_stop", n=10)
    until(lambda: served.answered("wf_stop") == 3)
    assert served.tenuto.json("stop", "wf_stop")["status"] == "stopped"
    report = ended(follower, code=4)
    assert report["status"] == "stopped"
    assert (report["census"]["done"], report["census"]["skipped"]) == (3, 7)
    assert sorted(report["partial"]) == ["a1", "a2", "a3"]
    until(lambda: all(record["finished"] for record in served.asked("wf_stop")))
    assert {record["outcome"] for record in served.asked("wf_stop")} == {"completed", "gone"}


def test_ctrl_c_leaves_the_follower_and_a_later_one_attaches(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_contains": "task 3"}, "latency_s": 4}])
    follower = served.start("many.js", "wf_left", n=4)
    until(lambda: served.answered("wf_left") == 3)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=10)
    assert (follower.returncode, out) == (130, "")
    assert "it goes on" in err
    assert ended(served.start("many.js", "wf_left", n=4))["census"]["done"] == 4
    assert len(served.asked("wf_left")) == 4
    other = served.start("many.js", "wf_left", n=5)
    out, err = other.communicate(timeout=20)
    assert (other.returncode, out) == (2, "")
    assert "other arguments" in err


def test_a_detached_run_is_read_when_it_has_ended(served: Served) -> None:
    served.api.control(latency_s=1.0)
    report = ended(served.start("many.py", "wf_detached", "--detach", n=2))
    assert report["status"] == "running"
    until(lambda: served.tenuto.json("show", "wf_detached")["status"] == "completed")
    assert len(served.tenuto.json("result", "wf_detached")["result"]["said"]) == 2


def test_a_run_says_that_it_has_ended_only_when_its_result_is_kept(served: Served) -> None:
    """A store that refuses for a while costs nothing but that while."""
    in_the_way = served.tenuto.home / "store" / "runs" / "wf_kept" / "result.json"
    in_the_way.mkdir(parents=True)
    follower = served.start("many.py", "wf_kept", n=2)
    until(lambda: served.answered("wf_kept") == 2 and _is_being_kept(served, "wf_kept"))
    assert served.tenuto.json("show", "wf_kept")["status"] == "running"
    in_the_way.rmdir()
    assert len(ended(follower)["result"]["said"]) == 2


def _is_being_kept(served: Served, run_id: str) -> bool:
    scheduled = (event.activity_task_scheduled_event_attributes for event in served.history(run_id))
    return "write_report" in {attributes.activity_type.name for attributes in scheduled}
