"""Whatever is killed on the way, a run comes to the same result, and what had finished is not paid again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tenuto.worker.service import service as embedded
from tenuto.worker.service.records import Home, living

from ..e2e.served import Served, ended, finished_before, process_age_s, until

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

AGENTS = 40
AGENT_S = 0.5
RESUMES_S = 10.0


@pytest.fixture(scope="module")
def undisturbed(service: Served) -> dict[str, Any]:
    """Result by script, with nothing killed. The prompts are those of every other run here."""
    service.write_scripts()
    return {
        script: ended(service.start(script, f"wf_calm_{script[-2:]}", n=AGENTS, name="same"))["result"]
        for script in ("many.py", "many.js")
    }


def disturb(served: Served, script: str, run_id: str) -> Any:
    """A run of which about half the agents have been answered, as its follower."""
    served.api.control(latency_s=AGENT_S)
    follower = served.start(script, run_id, n=AGENTS, name="same")
    until(lambda: served.answered("same") >= AGENTS // 2)
    return follower


def times_asked(served: Served, report: dict[str, Any], run_id: str, killed_at: float) -> list[int]:
    """How often each agent was asked that had finished before the kill."""
    finished = finished_before(served.history(run_id), killed_at)
    assert finished, "the kill came before any agent had finished"
    assert len(finished) < AGENTS, "the kill came too late to disturb anything"
    labels = {agent["id"]: agent["label"] for agent in report["agents"]}
    counts = Counter(record["prompt"] for record in served.asked("same"))
    return [counts[labels[agent]] for agent in finished]


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_a_killed_worker_costs_no_finished_agent_and_little_time(
    served: Served, undisturbed: dict[str, Any], script: str
) -> None:
    run_id = f"wf_worker_{script[-2:]}"
    (worker,) = served.tenuto.json("up")["worker_pids"]
    follower = disturb(served, script, run_id)
    killed_at = time.time()
    os.kill(worker, signal.SIGKILL)
    (successor,) = until(lambda: _workers(served) not in ((), (worker,)) and _workers(served))
    started_at = time.time() - process_age_s(successor)
    report = ended(follower)
    assert report["result"] == undisturbed[script]
    assert (report["status"], report["census"]["done"]) == ("completed", AGENTS)
    assert set(times_asked(served, report, run_id, killed_at)) == {1}
    first = min(record["received"] for record in served.asked("same") if record["received"] > started_at)
    assert first - started_at < RESUMES_S


def test_a_killed_server_costs_no_agent_at_all(served: Served, undisturbed: dict[str, Any]) -> None:
    """The Worker lives, and hands in what it has once the server is back."""
    server = served.tenuto.json("up")["server_pid"]
    follower = disturb(served, "many.py", "wf_server")
    killed_at = time.time()
    os.kill(server, signal.SIGKILL)
    report = ended(follower)
    assert report["result"] == undisturbed["many.py"]
    assert set(times_asked(served, report, "wf_server", killed_at)) == {1}
    assert served.tenuto.json("up")["server_pid"] != server


def test_a_killed_follower_costs_nothing(served: Served, undisturbed: dict[str, Any]) -> None:
    follower = disturb(served, "many.js", "wf_follower")
    follower.kill()
    follower.communicate(timeout=10)
    report = until(lambda: _completed(served, "wf_follower"))
    assert report["result"] == undisturbed["many.js"]
    assert Counter(record["prompt"] for record in served.asked("same")).most_common(1)[0][1] == 1


def test_a_killed_worker_leaves_no_interpreter_behind(served: Served) -> None:
    ended(served.start("many.py", "wf_py", n=1))
    ended(served.start("many.js", "wf_js", n=1))
    (worker,) = served.tenuto.json("up")["worker_pids"]
    children = _children(worker)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    until(lambda: _workers(served) not in ((), (worker,)))


def test_a_killed_worker_leaves_no_temporary_file_behind(served: Served) -> None:
    (worker,) = served.tenuto.json("up")["worker_pids"]
    (folder,) = until(lambda: list((served.tenuto.home / "tmp").glob(f"{worker}.*")))
    (folder / "tenuto-pack-left").mkdir()
    os.kill(worker, signal.SIGKILL)
    (successor,) = until(lambda: _workers(served) not in ((), (worker,)) and _workers(served))
    (own,) = until(lambda: list((served.tenuto.home / "tmp").glob(f"{successor}.*")))
    assert list((served.tenuto.home / "tmp").iterdir()) == [own]


def test_a_run_starts_after_the_supervisor_was_killed(served: Served) -> None:
    supervisor = living(Home(served.tenuto.home).supervisor)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.alive)
    assert ended(served.start("many.py", "wf_after", n=2))["census"]["done"] == 2


def _workers(served: Served) -> tuple[int, ...]:
    found = embedded.current(served.tenuto.home)
    return found.worker_pids if found is not None else ()


def _completed(served: Served, run_id: str) -> Any:
    report = served.tenuto.json("show", run_id)
    return report if report["status"] == "completed" else None


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
