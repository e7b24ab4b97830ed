"""What the Messages API answers wrong, and what a run makes of it."""

from __future__ import annotations

from collections import Counter

import pytest

from .served import Served, ended

pytestmark = pytest.mark.e2e


def test_nobody_asks_before_a_rate_limit_is_over(served: Served) -> None:
    """One agent's 429 closes the gate for every agent of the Worker; requests already on their way may arrive."""
    wait_s = 3.0
    limited = {"match": {"prompt_contains": "task 20"}, "times": 1, "fault": {"status": 429, "retry_after": wait_s}}
    served.api.control(rules=[limited], latency_s=0.2)
    report = ended(served.start("many.js", "wf_429", n=40))
    assert (report["status"], report["census"]["done"]) == ("completed", 40)
    asked = served.asked("wf_429")
    assert Counter(record["status"] for record in asked) == {200: 40, 429: 1}
    (refused,) = (record for record in asked if record["status"] == 429)
    told_at = refused["finished"]
    early = [record for record in asked if told_at + 0.1 < record["received"] < told_at + wait_s]
    assert early == []
    assert [record for record in asked if record["received"] >= told_at + wait_s], "the rest came afterwards"


def test_an_overloaded_api_loses_nothing(served: Served) -> None:
    served.api.control(rules=[{"times": 20, "fault": {"status": 529}}])
    report = ended(served.start("many.py", "wf_529", n=20))
    assert (report["status"], report["census"]["done"], report["failures"]) == ("completed", 20, [])
    assert Counter(record["status"] for record in served.asked("wf_529")) == {200: 20, 529: 20}


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_a_permanent_error_degrades_the_run_and_is_named(served: Served, script: str) -> None:
    refused = {"match": {"prompt_regex": r"task 2$"}, "fault": {"status": 400, "message": "this one is not allowed"}}
    served.api.control(rules=[refused])
    run_id = f"wf_400_{script[-2:]}"
    report = ended(served.start(script, run_id, n=5), code=3)
    assert report["status"] == "degraded"
    assert [said is None for said in report["result"]["said"]] == [False, False, True, False, False]
    (failure,) = report["failures"]
    assert failure["kind"] == "invalid_request_error"
    assert "this one is not allowed" in failure["message"]
    assert (failure["label"], failure["phase"]) == (f"{run_id} task 2", "Work")
    assert (report["census"]["done"], report["census"]["failed"]) == (4, 1)
    assert len(served.asked(run_id)) == 5, "what is permanent is asked once"


def test_a_run_whose_every_agent_died_but_which_returned_is_degraded(served: Served) -> None:
    served.api.control(rules=[{"fault": {"status": 400}}])
    report = ended(served.start("many.js", "wf_all", n=3), code=3)
    assert (report["status"], report["result"]) == ("degraded", {"said": [None] * 3})


def test_a_broken_stream_is_asked_again(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_contains": "task 0"}, "times": 1, "fault": {"cut_after_events": 3}}])
    report = ended(served.start("many.py", "wf_cut", n=2))
    assert report["census"]["done"] == 2
    assert len(served.asked("wf_cut")) == 3
