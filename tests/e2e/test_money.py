"""Ceilings, from outside: what the fake API has billed never passes them, and nothing is paid twice."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tenuto.activities import prices

from .served import Served, ended, most_at_once, until

pytestmark = pytest.mark.timeout(240)  # dozens of agents and commands, on a machine that others load

WORDS = "word " * 1600
"""2,000 tokens of an answer: two cents."""


def billed(served: Served, name: str = "", *, every: bool = False) -> float:
    """Dollars by the fake server's own accounting, of agents whose prompt begins with a name.

    With `every` for what was announced of broken answers, too.
    """
    return sum(
        prices.cost(each["model"], each["usage"]) or 0.0
        for each in served.api.requests()
        if each["prompt"].startswith(name) and (each["outcome"] == "completed" or (every and each["usage"]))
    )


def waits_at_a_ceiling(served: Served, run_id: str) -> dict[str, Any]:
    """The report, as soon as it does."""

    def waiting() -> bool:
        shown = served.tenuto("show", run_id, "--json")
        held = json.loads(shown.stdout)["waiting_for"] if shown.returncode == 0 else None
        return held is not None and held["kind"] == "ceiling"

    until(waiting, 60)
    report: dict[str, Any] = served.tenuto.json("show", run_id)
    return report


@pytest.mark.parametrize("script", ["many.py", "many.js"])
def test_sixty_four_wide_under_a_dollar_never_pass_it_and_go_on_when_it_is_raised(served: Served, script: str) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}], latency_s=1.0)
    run_id = f"dollar-{script[-2:]}"
    follower = served.start(script, run_id, "--max-usd", "1", "--concurrency", "64", n=64)
    report = waits_at_a_ceiling(served, run_id)
    assert report["status"] == "waiting"
    assert f"tenuto set {run_id} --max-usd" in report["waiting_for"]["message"]
    assert report["census"]["running"] == 0
    assert 0.8 < billed(served) <= 1.0
    assert report["usage"]["usd"] == pytest.approx(billed(served), abs=1e-6)
    assert most_at_once(served.api.requests()) > 16
    before = {each["prompt"] for each in served.api.requests() if each["outcome"] == "completed" and each["turn"] == 1}
    served.tenuto.json("set", run_id, "--max-usd", "5")
    report = ended(follower)
    assert report["status"] == "completed"
    assert report["census"]["done"] == 64
    assert report["usage"]["usd"] == pytest.approx(billed(served), abs=1e-6) and billed(served) <= 5
    first = [each["prompt"] for each in served.api.requests() if each["outcome"] == "completed" and each["turn"] == 1]
    assert len(first) == len(set(first)) == 64
    assert before <= set(first)
    assert all(said.startswith("word ") for said in report["result"]["said"])


def test_who_asked_first_has_the_money_first(served: Served) -> None:
    """Also where the first share is too small, and who comes back for more finds dozens waiting."""
    served.api.control(rules=[{"reply": {"text": WORDS}}], latency_s=0.5)
    served.start("many.py", "elders", "--max-usd", "1", "--concurrency", "32", n=80)
    waits_at_a_ceiling(served, "elders")
    answered = {int(each["prompt"].split()[-1]) for each in served.api.requests() if each["outcome"] == "completed"}
    assert len(answered) > 40
    assert answered == set(range(len(answered)))


def test_a_run_that_is_to_fail_at_its_ceiling_ends_with_what_it_has(served: Served) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}])
    follower = served.start("many.js", "fails", "--max-usd", "0.1", "--on-limit", "fail", n=12)
    report = ended(follower, 3)
    assert report["status"] == "degraded"
    assert 0 < report["census"]["done"] < 12
    assert {failure["kind"] for failure in report["failures"]} == {"budget"}
    assert billed(served) <= 0.1


def test_nobody_raises_the_ceiling_in_time(served: Served) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}])
    words = ("--max-usd", "0.05", "--limit-timeout", "2s")
    report = ended(served.start("many.py", "late", *words, n=5), 3)
    assert {failure["kind"] for failure in report["failures"]} == {"budget"}
    assert billed(served) <= 0.05


def test_tokens_have_a_ceiling_too(served: Served) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}])
    report = ended(served.start("many.py", "tokens", "--max-tokens", "9000", "--on-limit", "fail", n=6), 3)
    usage = report["usage"]
    assert 0 < sum(usage[name] for name in usage if name != "usd") <= 9000


def test_a_phase_has_a_ceiling_of_its_own_and_the_others_go_on(served: Served) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}])
    served.tenuto.script(
        "phases.js",
        "export const meta = {name: 'p', description: 'd', phases: [{title: 'Dear', usd: 0.05}, {title: 'Free'}]}\n"
        "const of = (phase, n) => Array.from({length: n}, (_, i) => () => agent(`phases ${phase} ${i}`, {phase}))\n"
        "return (await parallel([...of('Dear', 5), ...of('Free', 5)])).map(Boolean)\n",
    )
    follower = served.follow("run", "phases.js", "--id", "phases", "--json")
    report = waits_at_a_ceiling(served, "phases")
    by_title = {phase["title"]: phase for phase in report["phases"]}
    assert by_title["Free"]["done"] == 5
    assert 0 < report["phase_usage"]["Dear"]["usd"] <= 0.05
    served.tenuto.json("set", "phases", "--phase-usd", "Dear=1")
    report = ended(follower)
    assert report["result"] == [True] * 10
    titles = sum(usage["usd"] for usage in report["phase_usage"].values())
    assert titles == pytest.approx(report["usage"]["usd"]) == pytest.approx(billed(served), abs=1e-6)


@pytest.mark.parametrize(("most", "both"), [("0.12", False), ("0.05", True)])
def test_what_is_to_be_raised_is_named_where_run_and_phase_have_a_ceiling(
    served: Served, most: str, both: bool
) -> None:
    served.api.control(rules=[{"reply": {"text": WORDS}}])
    served.tenuto.script(
        "both.js",
        "export const meta = {name: 'b', description: 'd', phases: [{title: 'A', usd: 0.05}]}\nphase('A')\n"
        "const said = []\nfor (let i = 0; i < 3; i++) said.push(await agent(`both ${i}`))\nreturn said.length\n",
    )
    run_id = f"both-{both}"
    follower = served.follow("run", "both.js", "--id", run_id, "--max-usd", most, "--json")
    message = waits_at_a_ceiling(served, run_id)["waiting_for"]["message"]
    assert "the phase 'A'" in message and "--phase-usd 'A=X'" in message and "tokens" not in message
    assert ("this run" in message) is both and ("--max-usd X" in message) is both
    served.tenuto.json("set", run_id, "--phase-usd", "A=9", *(("--max-usd", "9") if both else ()))
    assert ended(follower)["result"] == 3


def test_reviewers_have_shares_as_all_agents(served: Served) -> None:
    served.api.control(
        rules=[{"match": {"prompt_contains": "Independent"}, "reply": {"text": WORDS}}, {"reply": {"text": WORDS}}]
    )
    served.tenuto.script(
        "reviewed.js",
        "export const meta = {name: 'reviewed', description: 'd'}\nreturn await review('some work', {reviewers: 4})\n",
    )
    follower = served.follow("run", "reviewed.js", "--id", "reviewed", "--max-usd", "0.4", "--json")
    waits_at_a_ceiling(served, "reviewed")
    assert billed(served) <= 0.4
    served.tenuto.json("set", "reviewed", "--max-usd", "9")
    report = ended(follower, 3)
    assert report["verification"]["reviews"]["unverified"] == 1
    assert report["usage"]["usd"] == pytest.approx(billed(served), abs=1e-6)


@pytest.mark.parametrize("words", [("--limit-timeout", "soon"), ("--phase-usd", "Port"), ("--on-limit", "perhaps")])
def test_ceilings_that_are_none_are_refused_in_a_line(served: Served, words: tuple[str, str]) -> None:
    refused = served.tenuto("run", "many.js", "--args", json.dumps({"n": 1, "name": "x"}), *words)
    assert refused.returncode == 2
    assert re.search(words[0], refused.stderr)
