"""Reviews through the command, against a Messages API that plays author and reviewers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .served import Served, ended, until

pytestmark = pytest.mark.e2e

JAVASCRIPT = """export const meta = {name: "reviewed-js", description: "A review"}
const work = await agent("AUTHOR: write it")
return await review(work, {lenses: ["alpha", "beta"], revise: "Mend it."})
"""
PYTHON = """from tenuto import Meta, agent, review
meta = Meta(name="reviewed-py", description="A review")
async def main(args):
    work = await agent("AUTHOR: write it")
    return await review(work, lenses=["alpha", "beta"], revise="Mend it.")
"""
MANY = """from tenuto import Meta, parallel, review
meta = Meta(name="many-reviews", description="A Workflow of its own for each")
async def main(args):
    return len(await parallel([review(f"work {n}", lenses=["alpha"]) for n in range(args)]))
"""
ASKS = """from tenuto import Meta, ask
meta = Meta(name="asks", description="It waits for a person")
async def main(args):
    return await ask("Go on?")
"""
SCRIPTS = {"reviewed.js": JAVASCRIPT, "reviewed.py": PYTHON}


def says(verdict: str, *objections: str) -> dict[str, Any]:
    return {"text": json.dumps({"verdict": verdict, "objections": list(objections), "evidence": ["looked"]})}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_author_mends_its_work_in_its_own_conversation(served: Served, name: str) -> None:
    served.tenuto.script(name, SCRIPTS[name])
    served.api.control(
        rules=[
            {"match": {"prompt_contains": "second draft\n</work>"}, "reply": says("pass")},
            {"match": {"prompt_contains": "first draft\n</work>"}, "reply": says("fail", "It is a draft.")},
            {"match": {"prompt_contains": "AUTHOR", "turn": 2}, "reply": {"text": "second draft"}},
            {"match": {"prompt_contains": "AUTHOR"}, "reply": {"text": "first draft"}},
        ]
    )
    run_id = f"wf_review_{name[-2:]}"
    report = ended(served.follow("run", name, "--id", run_id, "--json"))
    result = report["result"]
    assert (result["verdict"], result["rounds"], result["final"]) == ("confirmed", 2, "second draft")
    assert (report["status"], report["census"]["done"]) == ("completed", 6)
    assert report["verification"]["reviews"]["confirmed"] == 1
    asked = served.asked("AUTHOR:")
    assert len(asked) >= 2
    spent = sum(agent["usage"]["output_tokens"] for agent in report["agents"])
    assert report["usage"]["output_tokens"] == spent > 0
    served.api.control(reset=True)


def test_reviewers_that_died_verify_nothing_and_the_exit_code_says_so(served: Served) -> None:
    served.tenuto.script("reviewed.js", JAVASCRIPT)
    served.api.control(rules=[{"match": {"prompt_contains": "<work>"}, "fault": {"status": 400}}])
    report = ended(served.follow("run", "reviewed.js", "--id", "wf_dead", "--json"), code=3)
    assert (report["status"], report["result"]["verdict"]) == ("degraded", "unverified")
    assert report["verification"]["reviews"]["unverified"] == 1
    assert [failure["kind"] for failure in report["failures"]] == ["invalid_request_error"] * 2
    assert {vote["verdict"] for vote in report["result"]["votes"]} == {"abstain"}


def test_the_workflows_of_reviews_push_no_run_out_of_the_list(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_contains": "<work>"}, "reply": says("pass")}])
    served.tenuto.script("many_reviews.py", MANY)
    served.tenuto.script("asks.py", ASKS)
    ended(served.follow("run", "many_reviews.py", "--args", "1", "--id", "wf_before", "--json"))
    assert served.tenuto("run", "asks.py", "--id", "wf_asks", "--detach").returncode == 0
    report = ended(served.follow("run", "many_reviews.py", "--args", "24", "--id", "wf_many", "--json"))
    assert report["verification"]["reviews"]["confirmed"] == 24
    until(lambda: "wf_many" in [run["run_id"] for run in served.tenuto.json("ls")])
    listed = {run["run_id"]: run["status"] for run in served.tenuto.json("ls")}
    assert {"wf_before", "wf_asks", "wf_many"} <= set(listed)
    assert listed["wf_asks"] == "waiting"
    assert not [run_id for run_id in listed if "/" in run_id]
    served.tenuto("stop", "wf_asks")
