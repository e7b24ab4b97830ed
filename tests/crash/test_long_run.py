"""What happens to a run that lives for long: keys are rotated, Workers upgraded, scripts edited, code changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from ..cli.command import until
from .bench import Bench
from .evidence import report

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(180)]

AGENTS = 120
SCRIPT = """from tenuto import Meta, agent, parallel
meta = Meta(name="long", description="A long run")
async def main(args):
    return await parallel([agent(f"long task {i}") for i in range(args)])
"""
EDITED = SCRIPT.replace('f"long task {i}"', 'f"long task {i}" + (" edited" if i == 3 else "")')
SLOW = """from tenuto import Meta, agent, sleep
meta = Meta(name="slow", description="A pause in which the code is changed")
async def main(args):
    await agent("slow task 1")
    await sleep(5)
    return await agent("slow task 2")
"""
OTHER_CODE = """import asyncio, sys
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

@workflow.defn(name="Orchestration")
class Other:
    @workflow.run
    async def run(self, input: dict) -> None:
        await asyncio.sleep(3600)

async def main():
    client = await Client.connect(sys.argv[1])
    await Worker(client, task_queue="tenuto", workflows=[Other], workflow_runner=UnsandboxedWorkflowRunner()).run()

asyncio.run(main())
"""


def answered(bench: Bench) -> Counter[str]:
    """Prompt -> answers."""
    return Counter(record["prompt"] for record in bench.api.requests() if record["outcome"] == "completed")


def test_a_new_key_a_new_worker_and_an_edited_script_in_one_run(bench: Bench) -> None:
    bench.api.control(reset=True, latency_s=0.8)
    bench.tenuto.script("long.py", SCRIPT)
    worker = bench.one_worker()
    follower = bench.follow("run", "long.py", "--args", str(AGENTS), "--id", "wf_long", "--concurrency", "8", "--json")
    credentials = bench.home.path / "credentials.env"
    try:
        until(lambda: len(answered(bench)) >= 8, 60)
        bench.api.control(api_keys=["sk-new"])
        until(lambda: bench.tenuto.json("show", "wf_long")["status"] == "waiting", 60)
        credentials.write_text("ANTHROPIC_API_KEY=sk-new\n")
        credentials.chmod(0o600)
        before = len(answered(bench))
        until(lambda: len(answered(bench)) >= before + 8, 60)

        bench.end_worker(worker)
        bench.start_worker()
        before = len(answered(bench))
        until(lambda: len(answered(bench)) >= before + 4, 60)
        assert bench.tenuto.json("show", "wf_long")["failures"] == []

        bench.tenuto.script("long.py", EDITED)  # of no concern to the run that is under way
        bench.tenuto.json("stop", "wf_long")
        bench.report(follower, codes=(4,))
        kept = bench.tenuto.json("show", "wf_long")["census"]["done"]
        words = ("run", "long.py", "--args", str(AGENTS), "--resume-from", "wf_long", "--id", "wf_long_2", "--json")
        end = bench.report(bench.follow(*words))
    finally:
        credentials.unlink(missing_ok=True)
        bench.api.control(api_keys=[])
    assert (end["status"], end["failures"], len(end["result"])) == ("completed", [], AGENTS)
    census = end["census"]
    assert census["cached"] + census["done"] == AGENTS
    assert kept - 1 <= census["cached"] <= kept
    assert answered(bench)["long task 3 edited"] == 1
    twice = {prompt: times for prompt, times in answered(bench).items() if times > 1}
    assert len(twice) <= 8, "more than were under way when the run was stopped"
    report("New key, new Worker, edited script in one run", agents=AGENTS, reused=census["cached"], twice=len(twice))


def test_a_worker_of_other_code_leaves_the_run_alone_and_says_so(bench: Bench) -> None:
    bench.api.control(reset=True)
    bench.tenuto.script("slow.py", SLOW)
    worker = bench.one_worker()
    follower = bench.follow("run", "slow.py", "--id", "wf_code", "--json")
    until(lambda: bench.api.summary()["completed"] == 1, 60)
    until(lambda: bench.tenuto.json("show", "wf_code")["census"]["done"] == 1, 60)
    bench.kill_worker(worker)
    (bench.folder / "other.py").write_text(OTHER_CODE)
    with (bench.folder / "other.log").open("wb") as output:
        other = subprocess.Popen(
            [sys.executable, "other.py", bench.address], cwd=bench.folder, stdout=output, stderr=output
        )
    try:
        until(lambda: "cannot replay it" in (bench.tenuto.json("show", "wf_code")["trouble"] or ""), 60)
        doctor = bench.tenuto("doctor", "--json")
        checks = {check["check"]: check for check in json.loads(doctor.stdout)["checks"]}
        assert (doctor.returncode, checks["runs"]["verdict"]) == (1, "fail")
        assert "wf_code does not get on" in checks["runs"]["message"]
    finally:
        other.kill()
        other.wait()
    bench.start_worker()
    assert bench.report(follower)["census"]["done"] == 2
