"""Runs that the API holds up, and runs that a person controls: through the installed command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
from temporalio.client import Client

from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.workflows.contracts import RunInput, Script
from tenuto.workflows.script.dialects import load

from .served import Served, ended, until

pytestmark = pytest.mark.e2e


def waiting(served: Served, run_id: str) -> dict[str, Any]:
    """The run as `show` prints it, once it waits."""

    def look() -> dict[str, Any] | None:
        shown = served.tenuto("show", run_id, "--json")
        report: dict[str, Any] = json.loads(shown.stdout) if shown.returncode == 0 else {}
        return report if report.get("status") == "waiting" else None

    found: dict[str, Any] = until(look)
    return found


def test_nobody_asks_before_a_usage_limit_is_over_and_show_says_what_is_waited_for(served: Served) -> None:
    wait_s = 12.0
    limited = {"match": {"prompt_contains": "task 9"}, "times": 1, "fault": {"status": 429, "retry_after": wait_s}}
    served.api.control(rules=[limited], latency_s=0.4)
    follower = served.start("many.js", "wf_quota", n=116)
    shown = waiting(served, "wf_quota")
    assert shown["waiting_for"]["kind"] == "quota"
    assert shown["waiting_for"]["until"] is not None
    assert "quota" in served.tenuto("ls").stdout
    report = ended(follower)
    assert (report["status"], report["census"]["done"], report["waiting_for"]) == ("completed", 116, None)
    asked = served.asked("wf_quota")
    assert Counter(record["status"] for record in asked) == {200: 116, 429: 1}
    (told_at,) = (record["finished"] for record in asked if record["status"] == 429)
    early = [record for record in asked if told_at + 0.2 < record["received"] < told_at + wait_s]
    assert early == []
    assert [line for line in served.tenuto("logs", "wf_quota").stdout.splitlines() if "quota until" in line]


def test_a_rejected_key_holds_all_and_a_new_one_in_the_file_lets_all_go_on(served: Served) -> None:
    served.api.control(api_keys=["sk-new"])
    follower = served.start("many.py", "wf_401", "--concurrency", "64", n=80)
    shown = waiting(served, "wf_401")
    assert shown["waiting_for"]["kind"] == "credential"
    left = served.follow("run", "many.py", "--args", '{"n": 80, "name": "wf_401"}', "--id", "wf_401", "--no-wait")
    _, words = left.communicate(timeout=30)
    assert left.returncode == 5, words
    assert "waiting for credential" in words
    file = served.tenuto.home / "credentials.env"
    file.write_text("ANTHROPIC_API_KEY=sk-new\n")
    wrote_at = time.time()
    try:
        report = ended(follower)
    finally:
        file.unlink()
    assert (report["status"], report["census"]["done"], report["failures"]) == ("completed", 80, [])
    assert min(record["received"] for record in served.asked("wf_401") if record["status"] == 200) - wrote_at < 10


def test_a_run_is_paused_widened_and_resumed_from_the_command_line(served: Served) -> None:
    served.api.control(latency_s=3)
    follower = served.start("many.js", "wf_pause", "--concurrency", "2", n=12)
    until(lambda: served.answered("wf_pause") >= 2)
    assert served.tenuto.json("pause", "wf_pause")["message"].startswith("paused")
    assert served.tenuto.json("show", "wf_pause")["status"] == "paused"
    until(lambda: served.tenuto.json("show", "wf_pause")["census"]["running"] == 0)
    before = len(served.asked("wf_pause"))
    assert served.tenuto.json("set", "wf_pause", "--concurrency", "6")["message"].startswith("6 agents at once")
    assert len(served.asked("wf_pause")) == before
    assert served.tenuto.json("agent", "skip", "wf_pause", "a12")["message"].endswith("is skipped")
    wrong = served.tenuto("agent", "restart", "wf_pause", "a1")
    assert (wrong.returncode, "the script has gone on" in wrong.stderr) == (2, True)
    assert served.tenuto.json("resume", "wf_pause")["message"] == "goes on"
    report = ended(follower, code=3)
    assert (report["status"], report["census"]["done"], report["census"]["skipped"]) == ("degraded", 11, 1)
    over = served.tenuto("pause", "wf_pause")
    assert (over.returncode, "has ended" in over.stderr) == (2, True)


def test_a_run_that_no_worker_here_can_replay_is_left_alone_and_show_and_doctor_say_why(served: Served) -> None:
    address = served.tenuto.json("up")["address"]
    input = RunInput(
        script=Script.of(load((served.tenuto.folder / "many.py").read_bytes(), "many.py")),
        args={"n": 1, "name": "wf_other"},
        has_args=True,
        interpreters={"python": "pydantic-monty 0.0.1"},
    )

    async def begin(stop: bool) -> None:
        store = Store((served.tenuto.home / "store").as_uri())
        client = await Client.connect(address, plugins=[TenutoPlugin(store)])
        if stop:
            await client.get_workflow_handle("wf_other").terminate()
        else:
            await client.start_workflow("Orchestration", input, id="wf_other", task_queue="tenuto")

    asyncio.run(begin(stop=False))
    words = "the run began with pydantic-monty 0.0.1"
    try:
        until(lambda: words in (served.tenuto.json("show", "wf_other")["trouble"] or ""))
        assert "does not get on" in served.tenuto("show", "wf_other").stdout
        doctor = served.tenuto("doctor")
        assert (doctor.returncode, words in doctor.stdout) == (1, True)
    finally:
        asyncio.run(begin(stop=True))
    assert served.asked("wf_other") == []


def test_without_a_worker_a_waiting_run_still_says_so_and_control_says_what_is_missing(served: Served) -> None:
    served.api.control(api_keys=["sk-new"])
    served.tenuto("run", "many.py", "--args", '{"n": 3, "name": "wf_down"}', "--id", "wf_down", "--detach")
    waiting(served, "wf_down")
    (worker,) = served.tenuto.json("up")["worker_pids"]
    os.kill(worker, signal.SIGSTOP)
    try:
        shown = served.tenuto.json("show", "wf_down")
        assert (shown["status"], shown["waiting_for"]["kind"]) == ("waiting", "credential")
        began = time.monotonic()
        refused = served.tenuto("pause", "wf_down")
        assert (refused.returncode, "no Worker answered" in refused.stderr) == (2, True)
        assert time.monotonic() - began < 15
    finally:
        os.kill(worker, signal.SIGCONT)
    served.api.control(api_keys=[])
    served.tenuto("stop", "wf_down")
