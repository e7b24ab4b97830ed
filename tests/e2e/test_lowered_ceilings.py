"""A ceiling that is set on a run under way, or lowered, binds each conversation at its next request."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest

from .served import Served, ended, finished_before, until
from .test_money import WORDS, billed, waits_at_a_ceiling

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # dozens of agents and commands, on a machine that others load

TURNS, QUICK_S, HELD_S = 4, 0.2, 15.0
"""The second answer of each conversation takes long enough for commands on a busy machine."""
LOOK = {"text": WORDS, "tool_use": [{"name": "Glob", "input": {"pattern": "*.none"}}]}
RULES: list[dict[str, Any]] = [
    {"match": {"turn": 2}, "reply": LOOK, "latency_s": HELD_S},
    {"match": {"turn": TURNS}, "reply": {"text": WORDS}},
    {"reply": LOOK},
]
CASES = {
    "dollars-where-there-was-no-ceiling": (24, (), ("--max-usd", "0.05"), ("--max-usd", "50")),
    "tokens-where-there-was-no-ceiling": (8, (), ("--max-tokens", "500"), ("--max-tokens", "9000000")),
    "a-phase-where-there-was-no-ceiling": (8, (), ("--phase-usd", "Work=0.05"), ("--phase-usd", "Work=50")),
    "tokens-beside-dollars": (8, ("--max-usd", "50"), ("--max-tokens", "500"), ("--max-tokens", "9000000")),
    "fewer-dollars": (8, ("--max-usd", "50"), ("--max-usd", "0.05"), ("--max-usd", "50")),
}


def asked_after(served: Served, moment: float, name: str = "") -> list[dict[str, Any]]:
    """Requests that the API received later than that (Unix seconds), of agents whose prompt begins so."""
    return [each for each in served.api.requests() if each["received"] > moment and each["prompt"].startswith(name)]


def answered(served: Served, name: str = "") -> Counter[tuple[str, int]]:
    """How often each turn of each conversation was answered."""
    return Counter(
        (each["prompt"], each["turn"])
        for each in served.api.requests()
        if each["outcome"] == "completed" and each["prompt"].startswith(name)
    )


def begun(served: Served, name: str, agents: int) -> bool:
    """Whether every conversation of a run has its first answer."""
    return answered(served, name).total() >= agents


def test_no_request_begins_once_the_command_is_back_and_nothing_is_asked_twice(served: Served) -> None:
    served.api.control(rules=RULES, latency_s=QUICK_S)
    followers, set_at = {}, {}
    for case, (agents, before, lower, _) in CASES.items():
        followers[case] = served.start("many.py", case, "--concurrency", str(agents), *before, n=agents)
        until(partial(begun, served, case, agents), 60)
        served.tenuto.json("set", case, *lower)
        set_at[case] = time.time()
        assert answered(served, case).total() < agents * TURNS
    for case, (_, _, _, higher) in CASES.items():
        report = waits_at_a_ceiling(served, case)
        assert report["census"]["running"] == 0
        assert asked_after(served, set_at[case], case) == []
        assert report["usage"]["usd"] == pytest.approx(billed(served, case), abs=1e-6)
        served.tenuto.json("set", case, *higher)
    for case, (agents, _, _, _) in CASES.items():
        report = ended(followers[case], timeout_s=120)
        assert (report["status"], report["census"]["done"]) == ("completed", agents)
        assert set(answered(served, case).values()) == {1} and answered(served, case).total() == agents * TURNS
        assert report["usage"]["usd"] == pytest.approx(billed(served, case), abs=1e-6)


@pytest.mark.parametrize("before", [(), ("--max-usd", "50")])
def test_what_is_left_under_a_ceiling_that_is_set_later_is_used_and_not_passed(
    served: Served, before: tuple[str, ...]
) -> None:
    served.api.control(rules=RULES, latency_s=QUICK_S)
    run_id = f"later-{len(before)}"
    follower = served.start("many.js", run_id, "--concurrency", "24", *before, n=24)
    until(partial(begun, served, run_id, 24), 60)
    served.tenuto.json("set", run_id, "--max-usd", "1.8")
    set_at = time.time()
    assert waits_at_a_ceiling(served, run_id)["census"]["running"] == 0
    assert 1.6 < billed(served) <= 1.8
    assert asked_after(served, set_at) != []
    served.tenuto.json("set", run_id, "--max-usd", "50")
    report = ended(follower, timeout_s=120)
    assert report["census"]["done"] == 24
    # Who took what little was left may have one turn more: its last answer was cut off there, and continued.
    assert set(answered(served).values()) == {1} and answered(served).total() >= 24 * TURNS
    assert report["usage"]["usd"] == pytest.approx(billed(served), abs=1e-6)


def test_a_ceiling_of_a_phase_leaves_the_agents_of_others_alone(served: Served) -> None:
    served.api.control(rules=RULES, latency_s=QUICK_S)
    served.tenuto.script(
        "both.js",
        "export const meta = {name: 'both', description: 'd', phases: [{title: 'Dear'}, {title: 'Free'}]}\n"
        "const of = (phase, n) => Array.from({length: n}, (_, i) => () => agent(`${phase} ${i}`, {phase}))\n"
        "return (await parallel([...of('Dear', 6), ...of('Free', 6)])).map(Boolean)\n",
    )
    follower = served.follow("run", "both.js", "--id", "both", "--json")
    until(partial(begun, served, "", 12), 60)
    served.tenuto.json("set", "both", "--phase-usd", "Dear=0.01")
    set_at = time.time()
    report = waits_at_a_ceiling(served, "both")
    until(lambda: sum(prompt.startswith("Free") for prompt, _ in answered(served).elements()) == 6 * TURNS, 60)
    assert {each["prompt"][:4] for each in asked_after(served, set_at)} <= {"Free"}
    free = [each for each in served.history("both") if each.HasField("activity_task_scheduled_event_attributes")]
    names = Counter(each.activity_task_scheduled_event_attributes.activity_id for each in free)
    titles = {agent["id"]: agent["phase"] for agent in report["agents"]}
    assert {names[agent] for agent, title in titles.items() if title == "Free"} == {1}
    served.tenuto.json("set", "both", "--phase-usd", "Dear=9")
    assert ended(follower)["result"] == [True] * 12
    assert set(answered(served).values()) == {1}


def test_reviewers_learn_of_a_ceiling_as_all_agents(served: Served) -> None:
    verdict = {"json": {"verdict": "pass", "objections": [], "evidence": ["read it"]}}
    held, last = RULES[0], {"match": {"turn": 3}, "reply": verdict}
    served.api.control(rules=[held, last, {"reply": LOOK}], latency_s=QUICK_S)
    served.tenuto.script(
        "reviewed.js",
        "export const meta = {name: 'reviewed', description: 'd'}\nreturn await review('some work', {reviewers: 4})\n",
    )
    follower = served.follow("run", "reviewed.js", "--id", "told", "--json")
    until(partial(begun, served, "", 4), 60)
    served.tenuto.json("set", "told", "--max-usd", "0.05")
    set_at = time.time()
    assert waits_at_a_ceiling(served, "told")["census"]["running"] == 0
    assert asked_after(served, set_at) == []
    served.tenuto.json("set", "told", "--max-usd", "9")
    report = ended(follower)
    assert report["verification"]["reviews"]["confirmed"] == 1
    assert len(served.api.requests()) == 12
    assert report["usage"]["usd"] == pytest.approx(billed(served), abs=1e-6)


def under_way(served: Served, prompt: str) -> bool:
    return any(each["prompt"] == prompt and each["outcome"] is None for each in served.api.requests())


def test_a_worker_that_is_killed_under_a_ceiling_takes_no_run_past_it(served: Served) -> None:
    held = {"match": {"prompt_contains": "killed task 9"}, "latency_s": 30, "reply": {"text": WORDS}}
    served.api.control(rules=[held, {"reply": {"text": WORDS}}], latency_s=0.5)
    (worker,) = served.tenuto.json("up")["worker_pids"]
    follower = served.start("many.py", "killed", "--max-usd", "1", "--concurrency", "32", n=80)
    until(lambda: answered(served).total() >= 8 and under_way(served, "killed task 9"), 60)
    os.kill(worker, signal.SIGKILL)
    killed_at = time.time()
    served.api.control(rules=[{"reply": {"text": WORDS}}], latency_s=0.5)
    report = waits_at_a_ceiling(served, "killed")
    assert sum(each["outcome"] == "gone" for each in served.api.requests()) > 0
    assert 0.3 < billed(served, every=True) <= 1.0
    assert report["lost"]["usd"] > 0
    served.tenuto.json("set", "killed", "--max-usd", "9")
    report = ended(follower, timeout_s=120)
    assert (report["status"], report["census"]["done"]) == ("completed", 80)
    finished = finished_before(served.history("killed"), killed_at)
    prompts = {agent["label"] for agent in report["agents"] if agent["id"] in finished}
    assert prompts  # fewer than were answered: some were not in history yet when the Worker died
    assert {Counter(each["prompt"] for each in served.api.requests())[prompt] for prompt in prompts} == {1}
