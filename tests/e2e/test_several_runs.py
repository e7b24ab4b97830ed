"""Runs side by side on one Worker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from .served import Served, ended, most_at_once, until

pytestmark = pytest.mark.e2e

WIDTH = 16
ENDLESS_S = 30.0
ENDLESS = {
    "endless.py": """from tenuto import Meta, agent
meta = Meta(name="endless", description="Never ends")
async def main(args):
    await agent("endless begins")
    while True:
        pass
""",
    "endless.js": """export const meta = {name: "endless", description: "Never ends"}
await agent("endless begins")
while (true) {}
""",
    "awaits.js": """export const meta = {name: "awaits", description: "Never ends, politely"}
await agent("endless begins")
while (true) await null
""",
    "hoards.js": """export const meta = {name: "hoards", description: "Allocates without end"}
await agent("endless begins")
const all = []
while (true) all.push(new Array(100000).fill(all.length))
""",
}


def lasted_s(report: dict[str, Any]) -> float:
    """Seconds between a run's start and its end, as its report has them."""
    began, end = (datetime.fromisoformat(report[key]) for key in ("started_at", "ended_at"))
    return (end - began).total_seconds()


def test_three_runs_reach_their_width_while_a_fourth_never_ends(served: Served) -> None:
    served.api.control(latency_s=0.5)
    runs = {
        run_id: served.start(script, run_id, n=100)
        for run_id, script in (("wf_one", "many.py"), ("wf_two", "many.js"), ("wf_three", "many.py"))
    }
    served.tenuto.script("endless.js", ENDLESS["endless.js"])
    fourth = served.follow("run", "endless.js", "--json")
    until(lambda: all(served.answered(run_id) for run_id in runs))
    for run_id, follower in runs.items():
        report = ended(follower)
        assert (report["status"], report["census"]["done"]) == ("completed", 100)
        assert most_at_once(served.asked(run_id)) == WIDTH
    first, last = zip(
        *((min(record["received"] for record in served.asked(one)),
           max(record["finished"] for record in served.asked(one))) for one in runs),
        strict=True,
    )  # fmt: skip
    assert max(first) < min(last), "all three were under way at one time"
    failed = ended(fourth, code=1)
    assert failed["error"]["kind"] == "time_limit"
    assert lasted_s(failed) < ENDLESS_S


@pytest.mark.parametrize("name", ENDLESS)
def test_a_script_without_end_fails_its_own_run_within_seconds(served: Served, name: str) -> None:
    served.tenuto.script(name, ENDLESS[name])
    innocent = served.start("many.js", f"wf_beside_{name.replace('.', '_')}", n=20)
    report = ended(served.follow("run", name, "--json"), code=1)
    assert lasted_s(report) < ENDLESS_S
    assert report["status"] == "failed"
    assert report["error"]["kind"] == ("memory_limit" if name == "hoards.js" else "time_limit")
    assert "it was ended" in report["error"]["message"]
    assert list(report["partial"]) == ["a1"]
    assert ended(innocent)["status"] == "completed"
