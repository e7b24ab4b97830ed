"""Runs of the installed command whose store is a real S3-compatible server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import Tenuto
from ..e2e.served import Served, ended
from .seaweed import BUCKET, Seaweed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LARGE_CHARS = 5_000_000
SCRIPT = """from tenuto import Meta, agent, log, parallel, read, sh, write
meta = Meta(name="far", description="Large values to and from a store that is far away")
async def main(args):
    log("begins")
    said = await parallel([agent(f"far {i}") for i in range(args["n"])])
    long = await agent("far at length: " + args["text"])
    await write("made.txt", "made")
    made = (await sh("cat made.txt; seq 200000"))
    return {"said": said, "long": long, "text": args["text"], "made": await read("made.txt"), "log": made["log"]}
"""


@pytest.fixture(scope="module")
def far(s3: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An embedded service that keeps everything there."""
    folder = tmp_path_factory.mktemp("far")
    with SimulatedApi.in_thread() as api:
        key = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-test"}
        tenuto = Tenuto(folder / "home", folder, {**key, **s3.environ(), "TENUTO_STORE": f"s3://{BUCKET}/far"})
        try:
            tenuto.json("up")
            yield Served(tenuto, api)
        finally:
            tenuto("down")


def test_a_run_with_large_values_ends_and_is_read_back_whole(far: Served) -> None:
    text = "é" * (LARGE_CHARS // 2)
    long = "long " * 20_000
    far.api.control(rules=[{"match": {"prompt_contains": "far at length"}, "reply": {"text": long}}])
    far.tenuto.script("far.py", SCRIPT)
    (far.tenuto.folder / "args.json").write_text(json.dumps({"n": 20, "text": text}))
    words = ("--args", "@args.json", "--id", "wf_far", "--workspace", ".", "--yes", "--json")
    report = ended(far.follow("run", "far.py", *words), timeout_s=90)
    assert (report["status"], report["census"]["done"]) == ("completed", 21)
    result = report["result"]
    assert (result["text"], result["long"], result["made"], len(result["said"])) == (text, long, "made", 20)
    assert result["log"] is not None
    assert not (far.tenuto.home / "store").exists(), "something went to the disk all the same"
    history = far.history("wf_far")
    assert sum(event.ByteSize() for event in history) < 1_000_000
    assert [run["run_id"] for run in far.tenuto.json("ls", "--all")] == ["wf_far"]
    assert "begins" in far.tenuto.json("logs", "wf_far")["lines"]
    assert far.tenuto("result", "wf_far", "-o", "result.json").returncode == 0
    assert json.loads((far.tenuto.folder / "result.json").read_text()) == result


def test_doctor_says_whether_the_store_can_be_written(far: Served) -> None:
    checks = {check["check"]: check for check in far.tenuto.json("doctor")["checks"]}
    assert checks["store"]["verdict"] == "ok"
    done = far.tenuto("doctor", "--json", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert (done.returncode, checks["store"]["verdict"]) == (1, "fail")
