"""A run tells the truth about itself, from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .served import Served, ended

pytestmark = pytest.mark.timeout(180)  # of a machine that others load

N = 4
DEAD = {"status": 400, "type": "invalid_request_error", "message": "killed"}


def killing(served: Served, pattern: str) -> None:
    served.api.control(rules=[{"match": {"prompt_regex": pattern}, "fault": DEAD}])


@pytest.mark.parametrize("script", ["many.py", "many.js"])
@pytest.mark.parametrize("dead", range(N + 1))
def test_for_every_number_of_dead_agents_status_census_and_exit_code_agree(
    served: Served, script: str, dead: int
) -> None:
    if dead:
        killing(served, f"task [0-{dead - 1}]$")
    run_id = f"dead-{dead}-{script[-2:]}"
    report = ended(served.start(script, run_id, n=N), 3 if dead else 0)
    assert report["status"] == ("degraded" if dead else "completed")
    census = {name: count for name, count in report["census"].items() if count}
    expected = {"agents": N, "failed": dead, "done": N - dead}
    assert census == {name: count for name, count in expected.items() if count}
    assert [failure["kind"] for failure in report["failures"]] == ["invalid_request_error"] * dead
    assert sum(said is None for said in report["result"]["said"]) == dead
    lost_all = any("no agent of this run did its work" in notice for notice in report["notices"])
    assert lost_all == (dead == N)
    shown = served.tenuto("show", run_id).stdout
    assert "nothing was verified" in " ".join(shown.split())
    if dead:
        assert f"{dead} invalid_request_error" in " ".join(shown.split())
        assert shown.index("killed") < shown.index("done")


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_a_run_of_like_failures_launches_no_more(served: Served, script: str) -> None:
    killing(served, "task")
    report = ended(served.start(script, f"trip-{script[-2:]}", "--concurrency", "1", n=9), 3)
    assert {name: count for name, count in report["census"].items() if count} == {
        "agents": 9,
        "failed": 5,
        "skipped": 4,
    }
    assert [failure["kind"] for failure in report["failures"]] == ["invalid_request_error"] * 5 + ["tripped"] * 4
    assert any("cut short: 4 agents were not launched, because" in notice for notice in report["notices"])
    assert len(served.api.requests()) == 5
    assert report["result"] == {"said": [None] * 9}


def test_the_rule_can_be_turned_off(served: Served) -> None:
    killing(served, "task")
    report = ended(served.start("many.js", "no-trip", "--concurrency", "1", "--no-trip", n=7), 3)
    assert report["census"]["failed"] == 7


def test_one_success_between_begins_the_row_anew(served: Served) -> None:
    killing(served, "task [0-35-8]$")
    report = ended(served.start("many.py", "between", "--concurrency", "1", n=9), 3)
    assert (report["census"]["failed"], report["census"]["done"]) == (8, 1)


def test_an_answer_that_misses_its_schema_is_kept_whole_and_flagged(served: Served) -> None:
    served.api.control(rules=[{"reply": {"text": "not JSON at all, " * 300}}])
    served.tenuto.script(
        "typed.js",
        "export const meta = {name: 'typed', description: 'd'}\n"
        "try { await agent('typed', {schema: {type: 'object', properties: {n: {type: 'integer'}}}}) } catch {}\n"
        "return 'a value all the same'\n",
    )
    report = ended(served.follow("run", "typed.js", "--id", "typed", "--json"), 3)
    (failure,) = report["failures"]
    assert failure["kind"] == "schema"
    record = json.loads((served.tenuto.home / "store" / failure["raw"]).read_text())
    assert record["failure"]["raw"] == "not JSON at all, " * 300
    assert "tenuto logs typed a1" in served.tenuto("show", "typed").stdout
    assert report["usage"]["output_tokens"] == served.api.usage()["completed"]["output_tokens"]


def test_the_ledger_is_the_providers_to_the_token_through_cuts_and_retries(served: Served) -> None:
    served.api.control(
        rules=[
            {"match": {"prompt_regex": "task [0-2]$"}, "times": 3, "fault": {"cut_after_events": 3}},
            {"match": {"prompt_regex": "task [34]$"}, "times": 2, "fault": {"sse_error": "overloaded_error"}},
            {"match": {"prompt_regex": "task 5$"}, "times": 2, "fault": {"max_tokens": True}},
        ]
    )
    report = ended(served.start("many.py", "ledger", n=8))
    assert report["census"]["done"] == 8
    billed = served.api.usage()["completed"]
    assert {name: billed[name] for name in billed if name != "requests"} == {
        name: count for name, count in report["usage"].items() if name != "usd"
    }
    by_agent, by_model = ([part["usage"] for part in report[parts]] for parts in ("agents", "models"))
    for parts in (by_agent, by_model, report["phase_usage"].values()):
        for name in report["usage"]:
            assert sum(usage.get(name, 0) for usage in parts) == pytest.approx(report["usage"][name])
    assert report["lost"]["input_tokens"] + report["lost"]["cache_creation_input_tokens"] > 0
    assert any("broke off" in notice for notice in report["notices"])


def test_a_stopped_run_says_what_it_has_cost(served: Served) -> None:
    served.api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"tool_use": [{"name": "Glob", "input": {"pattern": "*.none"}}]}},
            {"latency_s": 60},
        ]
    )
    follower = served.start("many.js", "cost", n=3)
    from .served import until

    until(lambda: served.answered("cost") == 3 and len(served.asked("cost")) == 6, 40)
    served.tenuto("stop", "cost")
    report: dict[str, Any] = ended(follower, 4)
    assert report["census"]["skipped"] == 3
    assert report["usage"]["output_tokens"] == served.api.usage()["completed"]["output_tokens"] > 0


def test_what_reviews_and_people_said_is_told_though_the_script_ignored_it(served: Served) -> None:
    no = json.dumps({"verdict": "fail", "objections": ["It is wrong."], "evidence": ["looked"]})
    served.api.control(rules=[{"match": {"prompt_contains": "<work>"}, "reply": {"text": no}}])
    served.tenuto.script(
        "ignores.js",
        "export const meta = {name: 'ignores', description: 'd', phases: [{title: 'Work'}]}\n"
        "await review('two and two are five', {lenses: ['alpha']})\n"
        "return await ask('Go on?', {default: 'yes', timeout: 1})\n",
    )
    words = ("run", "ignores.js", "--id", "ignores", "--phase-usd", "Nope=0.05", "--phase-usd", "Work=1", "--json")
    done = served.tenuto(*words)
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["result"]) == (0, "completed", "yes")
    (said,) = report["notices"]
    assert said.startswith("1 review refuted what it was given: 'two and two are five'")
    assert f"! {said}" in done.stderr
    assert "names the phase 'Nope'" in done.stderr and "'Work'" in done.stderr.partition("Nope")[2]
    assert "names the phase 'Work'" not in done.stderr
    shown = " ".join(served.tenuto("show", "ignores").stdout.split())
    assert "reviews: 1 refuted" in shown and said[:40] in shown
    assert "q1: Go on? · nobody answered in time, so its default was taken: yes" in shown


@pytest.mark.parametrize("schema", ["", ", {schema: {type: 'object', properties: {finding: {type: 'string'}}}}"])
def test_a_placeholder_after_failed_tools_is_no_value_and_is_kept(served: Served, schema: str) -> None:
    look = {"tool_use": [{"name": "Read", "input": {"file_path": "absent.txt"}}]}
    empty = json.dumps({"finding": "placeholder"}) if schema else "N/A"
    rules = [{"match": {"turn": 1}, "reply": look}, {"reply": {"text": empty}}]
    served.api.control(rules=rules)
    served.tenuto.script(
        "looks.js",
        "export const meta = {name: 'looks', description: 'd'}\n"
        f"try {{ await agent('looks'{schema}) }} catch (error) {{ return error.message }}\nreturn 'a value'\n",
    )
    run_id = f"looks-{bool(schema)}"
    report = ended(served.follow("run", "looks.js", "--id", run_id, "--json"), 3)
    (failure,) = report["failures"]
    assert (failure["kind"], report["census"]["failed"]) == ("schema", 1)
    assert "a placeholder after failed tools: all 1 calls" in failure["message"]
    assert failure["message"] in report["result"] or "placeholder" in report["result"]
    record = json.loads((served.tenuto.home / "store" / failure["raw"]).read_text())
    assert record["failure"]["raw"] == empty
    assert report["agents"][0]["tools"] == {"calls": 1, "failed": 1, "refused": 0}
    served.api.control(reset=True, rules=[*rules[:1], {"match": {"turn": 2}, "reply": {"text": empty}}])
    report = ended(served.follow("run", "looks.js", "--id", f"{run_id}-mended", "--json"))
    assert report["result"] == "a value"
    (told,) = [each for each in served.api.requests() if each["turn"] == 3]
    assert told["outcome"] == "completed"
