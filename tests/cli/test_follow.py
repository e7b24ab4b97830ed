"""A follower lives through the death of whatever it follows, and the run through the death of its follower."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tenuto.worker.service import service
from tenuto.worker.service.records import Home, living

from .command import COMMAND, Tenuto, until

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

AGENTS = """from tenuto import Meta, agent, log, parallel
meta = Meta(name="many", description="Many agents", phases=["Work"])
async def main(args):
    log("begins")
    said = await parallel([agent(f"task {i}", phase="Work") for i in range(args)])
    return len([one for one in said if one])
"""
SLEEPS = """from tenuto import Meta, log, sleep
meta = Meta(name="sleeps", description="Sleeps for long")
async def main(args):
    log("asleep")
    await sleep(args)
    return "awake"
"""


def done_agents(tenuto: Tenuto, run_id: str) -> list[str]:
    """Labels of the agents that have finished; here also their prompts."""
    return [agent["label"] for agent in tenuto.json("show", run_id)["agents"] if agent["state"] == "done"]


def current(tenuto: Tenuto) -> service.Service:
    found = service.current(tenuto.home)
    assert found is not None
    return found


@pytest.mark.parametrize("victim", ["server", "worker", "supervisor and both"])
def test_a_followed_run_completes_whatever_is_killed_and_no_finished_agent_runs_again(
    tenuto: Tenuto, victim: str
) -> None:
    tenuto.script("many.py", AGENTS)
    follower = tenuto.start(
        "run", "many.py", "--args", "12", "--concurrency", "2", "--simulate", "--id", "wf_a", "--json"
    )
    until(lambda: service.current(tenuto.home) and tenuto("show", "wf_a").returncode == 0)
    until(lambda: len(done_agents(tenuto, "wf_a")) >= 3)
    finished = done_agents(tenuto, "wf_a")
    found = current(tenuto)
    if victim != "server":
        os.kill(found.worker_pids[0], signal.SIGKILL)
    if victim == "supervisor and both":
        supervisor = living(Home(tenuto.home).supervisor)
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGKILL)
    if victim != "worker":
        os.kill(found.server_pid, signal.SIGKILL)
    if victim == "supervisor and both":
        tenuto.json("up")
    out, err = follower.communicate(timeout=50)
    assert follower.returncode == 0, err
    report = json.loads(out)
    assert report["result"] == 12
    assert report["census"]["done"] == 12
    log = (tenuto.home / "logs" / "simulated-requests.jsonl").read_text().splitlines()
    asked = [record["prompt"] for record in map(json.loads, log) if "prompt" in record]
    assert len(finished) >= 3
    assert [asked.count(prompt) for prompt in finished] == [1] * len(finished)


def test_ctrl_c_leaves_the_follower_and_not_the_run(tenuto: Tenuto) -> None:
    tenuto.script("sleeps.py", SLEEPS)
    follower = tenuto.start("run", "sleeps.py", "--args", "3", "--simulate", "--id", "wf_c")
    until(lambda: service.current(tenuto.home) and "asleep" in tenuto("logs", "wf_c").stdout)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=10)
    assert follower.returncode == 130
    assert out == ""
    assert "it goes on" in err
    assert "Traceback" not in err
    attached = tenuto("run", "sleeps.py", "--args", "3", "--simulate", "--id", "wf_c")
    assert (attached.returncode, attached.stdout) == (0, "awake\n")


def test_a_killed_follower_changes_nothing(tenuto: Tenuto) -> None:
    tenuto.script("sleeps.py", SLEEPS)
    follower = tenuto.start("run", "sleeps.py", "--args", "2", "--simulate", "--id", "wf_k")
    until(lambda: service.current(tenuto.home) and "asleep" in tenuto("logs", "wf_k").stdout)
    follower.kill()
    follower.communicate(timeout=10)
    until(lambda: tenuto.json("show", "wf_k")["status"] == "completed")


def test_readers_answer_within_seconds_when_no_worker_is_up(tenuto: Tenuto) -> None:
    tenuto.script("sleeps.py", SLEEPS)
    tenuto.json("run", "sleeps.py", "--args", "600", "--simulate", "--id", "wf_r", "--detach")
    until(lambda: "asleep" in tenuto("logs", "wf_r").stdout)
    supervisor = living(Home(tenuto.home).supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)  # it would start another Worker
    try:
        os.kill(current(tenuto).worker_pids[0], signal.SIGKILL)
        until(lambda: not current(tenuto).worker_pids)
        for words in (["show", "wf_r"], ["ls"], ["logs", "wf_r"], ["doctor"]):
            began = time.monotonic()
            done = tenuto(*words)
            assert done.returncode == 0, done.stderr
            assert time.monotonic() - began < 5, words
        assert tenuto.json("show", "wf_r")["status"] == "running"
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)


def test_a_run_goes_on_at_the_next_up(tenuto: Tenuto) -> None:
    tenuto.script("sleeps.py", SLEEPS)
    tenuto.json("run", "sleeps.py", "--args", "2", "--simulate", "--id", "wf_u", "--detach")
    tenuto("down")
    tenuto.json("up")
    until(lambda: tenuto.json("show", "wf_u")["status"] == "completed")


def terminal(tenuto: Tenuto, *words: str, typed: bytes) -> tuple[int, str]:
    """Run the command on a terminal, type something once it asks, and return exit code and screen."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=tenuto.folder,
        env=tenuto.environ({"TERM": "xterm-256color"}),
        start_new_session=True,
    )
    os.close(slave)
    screen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end was closed
            break
        screen += part
        if typed and b"Run it?" in screen:
            os.write(master, typed)
            typed = b""
    os.close(master)
    return process.wait(timeout=30), screen.decode()


def test_a_terminal_is_asked_once_per_script_and_sees_phases_agents_tokens_and_dollars(tenuto: Tenuto) -> None:
    tenuto.script("many.py", AGENTS)
    words = ("run", "many.py", "--args", "4", "--concurrency", "1", "--simulate", "--max-usd", "3")
    code, screen = terminal(tenuto, *words, typed=b"n\n")
    assert code == 2
    assert "Many agents" in screen
    assert "$3 at most" in screen
    assert not (tenuto.home / "service").exists(), "declined: nothing was started"
    code, screen = terminal(tenuto, *words, typed=b"y\n")
    assert code == 0, screen
    assert "Work" in screen
    assert "1 running" in screen
    assert "tokens in" in screen
    code, screen = terminal(tenuto, *words, typed=b"")
    assert code == 0
    assert "Run it?" not in screen


def test_output_that_nobody_reads_to_its_end_is_no_error(shared: Tenuto, tmp_path: Path) -> None:
    script = tmp_path / "large.js"
    script.write_text('export const meta = {name: "l", description: "l"}\nreturn "x".repeat(3000000)\n')
    run_id = shared.json("run", script, "--simulate")["run_id"]
    process = shared.start("result", run_id)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(10) == "x" * 10
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
