"""Workers of two versions in a rolling deploy, with runs in flight: Worker Versioning, as docs/OPERATIONS.md has it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tenuto.worker.service import server
from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import until
from .bench import Bench
from .disturbed import history_of

pytestmark = [pytest.mark.e2e, pytest.mark.crash, pytest.mark.timeout(150)]

SCRIPT = """from tenuto import Meta, agent, ask
meta = Meta(name="deploy", description="Work before and after a deploy")
async def main(args):
    before = await agent(f"deploy before {args}")
    said = await ask("Deployed?")
    return [bool(before), said, bool(await agent(f"deploy after {args}"))]
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench of its own: once a deployment has a current version, Workers without one get no new runs."""
    with SimulatedApi.in_thread() as api:
        made = Bench(tmp_path_factory.mktemp("fleet"), api)
        made.start_server()
        made.tenuto.script("deploy.py", SCRIPT)
        try:
            yield made
        finally:
            made.end(server=True)


def version(deployment: str, build_id: str, behavior: str = "auto-upgrade") -> dict[str, str]:
    return {
        "TEMPORAL_DEPLOYMENT_NAME": deployment,
        "TEMPORAL_WORKER_BUILD_ID": build_id,
        "TENUTO_VERSIONING": behavior,
        "TENUTO_TASK_QUEUE": deployment,
    }


def make_current(fleet: Bench, deployment: str, build_id: str) -> None:
    """The command of the documentation, given again until the version's Worker has polled."""
    which = ("--deployment-name", deployment, "--build-id", build_id)
    words = ("worker", "deployment", "set-current-version", *which, "--yes", "--address", fleet.address)

    def given() -> bool:
        done = subprocess.run([server.binary(), *words], capture_output=True, check=False, env=fleet.tenuto.environ())
        return done.returncode == 0

    until(given, 60)


def start(fleet: Bench, deployment: str, run_id: str) -> subprocess.Popen[str]:
    """A run that has asked its question."""
    follower = fleet.tenuto.start(
        "run", "deploy.py", "--args", run_id, "--id", run_id, "--json", env={"TENUTO_TASK_QUEUE": deployment}
    )
    fleet.followers.append(follower)

    def asks() -> bool:
        done = fleet.tenuto("show", run_id, "--json")
        return done.returncode == 0 and json.loads(done.stdout)["status"] == "waiting"

    until(asks, 60)
    return follower


async def builds_of(fleet: Bench, run_id: str) -> list[str]:
    """Build ids of the Workers that did the run's Workflow Tasks, each once, in order."""
    found: list[str] = []
    for event in await history_of(await fleet.client(), run_id):
        if event.HasField("workflow_task_completed_event_attributes"):
            build = event.workflow_task_completed_event_attributes.deployment_version.build_id
            if not found or found[-1] != build:
                found.append(build)
    return found


async def test_a_run_in_flight_moves_to_the_new_version_and_the_old_worker_may_go(fleet: Bench) -> None:
    old = fleet.start_worker(**version("moving", "1"))
    fleet.start_worker(**version("moving", "2"))
    make_current(fleet, "moving", "1")
    follower = start(fleet, "moving", "wf_moves")
    make_current(fleet, "moving", "2")
    fleet.end_worker(old)
    until(lambda: fleet.tenuto("answer", "wf_moves", "yes").returncode == 0, 60)
    report = fleet.report(follower)
    assert report["result"] == [True, "yes", True]
    assert await builds_of(fleet, "wf_moves") == ["1", "2"]
    assert len([record for record in fleet.api.requests() if record["prompt"] == "deploy before wf_moves"]) == 1


async def test_a_pinned_run_stays_with_its_version_while_new_runs_take_the_new_one(fleet: Bench) -> None:
    fleet.start_worker(**version("staying", "1", "pinned"))
    fleet.start_worker(**version("staying", "2", "pinned"))
    make_current(fleet, "staying", "1")
    first = start(fleet, "staying", "wf_stays")
    make_current(fleet, "staying", "2")
    second = start(fleet, "staying", "wf_new")
    for run_id, follower in (("wf_stays", first), ("wf_new", second)):
        until(lambda run_id=run_id: fleet.tenuto("answer", run_id, "yes").returncode == 0, 60)  # type: ignore[misc]
        assert fleet.report(follower)["result"] == [True, "yes", True]
    assert (await builds_of(fleet, "wf_stays"), await builds_of(fleet, "wf_new")) == (["1"], ["2"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TEMPORAL_WORKER_BUILD_ID": "1"}, "TEMPORAL_DEPLOYMENT_NAME is not"),
        ({"TEMPORAL_DEPLOYMENT_NAME": "a.b", "TEMPORAL_WORKER_BUILD_ID": "1"}, "without a dot"),
        ({"TENUTO_VERSIONING": "sometimes"}, "expected auto-upgrade or pinned"),
    ],
)
def test_half_a_version_is_refused_in_one_line(fleet: Bench, given: dict[str, str], words: str) -> None:
    done = fleet.tenuto("worker", env=given)
    assert (done.returncode, words in done.stderr, len(done.stderr.splitlines())) == (2, True, 1)
